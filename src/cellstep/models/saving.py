"""Whole models in `.keras` files: real Keras reads what is written here, and the other way round.

A zip archive of metadata.json, config.json (the layers, their calls, what the model was compiled with) and
model.weights.h5 (weights, and the optimizer's state). Needs h5py. Nothing in a file is ever run: classes and functions
of the user's are found by name, where they are registered or given.
"""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import registry, tensor_file
from ..atomic import replacing
from ..core import brief, check_count, check_path
from ..layers import deserialize
from ..layers.reading import Reading, reading
from ..registry import serialize_shared
from ..untrusted import FileError, Limit, named, open_file, said
from . import archive, hdf5, legacy, tensors, weights
from .archive import CONFIG, METADATA, WEIGHTS
from .network import Network

if TYPE_CHECKING:
    from .model import Model

#: The Keras whose format this is.
KERAS_VERSION = "3.15.1"

#: Memory that a configuration takes: for each byte of its text at most, and for each object that is made of it.
TEXT, OBJECT = 24, 2**13
#: What constructors raise for configurations that are damaged, those of the user's classes too.
DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError)


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None) -> None:
    """Write a model, with what it was compiled with and the optimizer's state, so that Keras reads it too.

    Args:
        model: built.
        filepath: ends in .keras; or in .safetensors, for the layers and the weights alone, as `save_weights`.
        overwrite: replace a file that is there.
        zipped: True or None; a directory is not built.

    Raises:
        ValueError: the model is not built, or the name. FileExistsError: there is such a file, without `overwrite`.
        TypeError: it holds a function that is not registered. NotImplementedError: a class without get_config.
    """
    if tensors.is_path(filepath):
        return tensors.save(model, filepath, overwrite)
    path = _path(filepath)
    if zipped not in (None, True):
        raise NotImplementedError(f"zipped=False is not built yet; expected zipped=True, got {zipped!r}")
    weights.check_built(model)
    content = _content(model)
    with replacing(path, overwrite) as file:
        archive = zipfile.ZipFile(file, "w")
        try:
            for name, data in content.items():
                archive.writestr(name, data)
            archive.close()
        except BaseException:
            archive.fp = None  # the file is thrown away; `close` would raise an error of its own where a member is open
            raise


def _content(model: Any) -> dict[str, bytes]:
    config = serialize_shared(model)
    marked = _marked(config)
    counts = Counter(part["shared_object_id"] for part in marked)
    for part in marked:
        if counts[part["shared_object_id"]] == 1:
            del part["shared_object_id"]
    config["compile_config"] = model.get_compile_config()
    metadata = {"keras_version": KERAS_VERSION, "date_saved": time.strftime("%Y-%m-%d@%H:%M:%S")}
    if model.optimizer is not None:
        model.optimizer.build(model.trainable_weights)  # Keras misses its state in the file of a model not trained yet
    buffer = io.BytesIO()
    with hdf5.h5py().File(buffer, "w") as file:
        weights.write(model, file)
    return {
        METADATA: json.dumps(metadata).encode(),
        CONFIG: json.dumps(config).encode(),
        WEIGHTS: buffer.getvalue(),
    }


def load_model(
    filepath: Any,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    max_bytes: int | None = None,
) -> Model:
    """Read a model that `save_model` wrote, or Keras.

    Args:
        filepath: of a .keras file, or a binary file that is open for reading; or of a .safetensors file.
        custom_objects: classes and functions of the user's by name; registered ones are known without.
        compile: also take the optimizer with its state, the loss and the metrics from the file.
        safe_mode: accepted as in Keras; code in a file is never run here, whatever it says.
        max_bytes: the most memory that the model may take, for its configuration, layers and weights; by default 32 MiB
            and 8 times the size of the file, which is more than honest files need.

    Raises:
        FileError: the file is damaged, asks for more memory, or holds what is not known here. FileNotFoundError:
            there is none.
    """
    limit = None if max_bytes is None else check_count("max_bytes", max_bytes)
    if hasattr(filepath, "read"):
        return _read(filepath, custom_objects, compile, limit)
    if tensors.is_path(filepath):
        return _read_tensors(filepath, custom_objects, limit)
    with open_file(_path(filepath, *weights.OLDER), "filepath") as file:
        return _read(file, custom_objects, compile, limit)


def _read(file: Any, custom_objects: Mapping[str, Any] | None, compile: bool, max_bytes: int | None) -> Model:
    path = named(file, "filepath")
    limit = Limit(path, file.seek(0, os.SEEK_END), max_bytes).left
    file.seek(0)
    if file.read(len(hdf5.SIGNATURE)) == hdf5.SIGNATURE:
        return _read_older(file, path, custom_objects, compile, limit)
    with archive.opened(file, path) as members:
        text = archive.member(members, CONFIG, path, limit // TEXT)
        model = model_of(text, CONFIG, limit, path, custom_objects, compile)
        content = archive.member(members, WEIGHTS, path, limit)
    weights.read(model, io.BytesIO(content), path)
    return model


def _read_older(file: Any, path: str, custom_objects: Any, compile: bool, limit: int) -> Model:
    with hdf5.opened(file, path) as opened:
        text = legacy.text(opened, "model_config", limit // TEXT)
        compiled = legacy.text(opened, "training_config", limit // TEXT) if compile else None
    if text is None:
        raise FileError(
            path,
            "",
            "must hold a whole model, with attribute model_config, got weights alone, which load_weights of a model "
            "reads",
        )
    model = model_of(text, "model_config", limit, path, custom_objects, compile, compiled)
    weights.read(model, file, path)
    return model


def _read_tensors(path: Any, custom_objects: Mapping[str, Any] | None, max_bytes: int | None) -> Model:
    with tensor_file.opened(path, max_bytes) as file:
        if "cellstep_many" in file.metadata:
            raise FileError(file.name, "", "expected one model, got many: ManyModels.load reads them")
        text = tensors.configuration(file).encode()
        model = model_of(text, tensors.MODEL, file.limit.left, file.name, custom_objects)
        tensors.assign(model, file)
    return model


def model_of(
    text: bytes,
    place: str,
    max_bytes: int,
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = False,
    compiled: bytes | None = None,
) -> Model:
    """The model of a configuration, without values of its weights.

    Args:
        text: as JSON. place: where in the file it stands. max_bytes: the most memory that the model may take.
        path: of the file. custom_objects, compile: as for `load_model`.
        compiled: as JSON, what it was compiled with, where that stands elsewhere.

    Raises:
        FileError: it is none, or asks for more memory, or holds what is not known here.
    """
    with registry.custom_object_scope(custom_objects), reading(Reading(max_bytes)) as state:
        try:
            config = _parsed(text, state)
            if compiled is not None and isinstance(config, dict):
                config["compile_config"] = _parsed(compiled, state)
            return _made(config, compile)  # type: ignore[no-any-return]
        except DAMAGE as error:
            where = f"in {' > '.join(state.place)}: " if state.place else "expected a model, got "
            raise FileError(path, place, where + said(error)) from error


def _made(config: Any, compile: bool) -> Any:
    model: Any = deserialize(config)
    is_model = isinstance(model, Network)
    if not is_model:
        raise TypeError(f"no model, but {brief(model)}")
    if not model.layers:
        raise ValueError(f"{model.name}, which has no layers")
    if compile and config.get("compile_config"):
        model.compile_from_config(config["compile_config"])
    return model


def _parsed(text: bytes, state: Reading) -> Any:
    state.take(f"text of {len(text)} bytes", len(text) * TEXT)
    objects = text.count(b'"class_name"')
    state.take(f"a model of {objects} objects", objects * OBJECT)
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from error


#: What reads other libraries' files.
FOREIGN = {
    **dict.fromkeys((".pt", ".pth"), "; bridges.from_torch(path, into=model) takes PyTorch's weights"),
    ".onnx": "; bridges.from_onnx and to_onnx are for these",
}


def _path(filepath: Any, *endings: str) -> Path:
    path = check_path("filepath", filepath)
    if path.suffix in weights.OLDER and not endings:
        raise ValueError(f"filepath must end in .keras, got {str(path)!r}, Keras's older format, which is read alone")
    if path.suffix not in (".keras", *endings):
        raise ValueError(
            f"filepath must end in {' or '.join(('.keras', '.safetensors', *endings))}, got {str(path)!r}"
            f"{FOREIGN.get(path.suffix, '')}"
        )
    return path


def _marked(config: Any) -> list[dict[str, Any]]:
    """All parts of a configuration that say which object they are of."""
    parts = config.values() if isinstance(config, dict) else config if isinstance(config, list | tuple) else ()
    own = [config] if isinstance(config, dict) and "shared_object_id" in config else []
    return own + [marked for part in parts for marked in _marked(part)]


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A model from what its `to_json` gave, or Keras's, with new weights, and not compiled.

    Args:
        json_string: that. custom_objects: classes of the user's by name, beside registered ones.

    Raises:
        ValueError, TypeError: it is not that, or names a layer that is not known here.
    """
    try:
        config = json.loads(json_string)
    except (ValueError, TypeError):
        raise ValueError(f"json_string must be what to_json gives, got {brief(json_string)}") from None
    return deserialize(config, custom_objects)
