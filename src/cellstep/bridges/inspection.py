"""Inspection: what a file holds, and whether it would load, from its names, sizes and configuration alone."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..core import check_count
from ..layers.stream import KIND
from ..models import archive, hdf5, legacy, saving, tensors, weights
from ..tensor_file import TensorFile
from ..untrusted import FileError, Limit, named, open_file
from .formats import FORMATS, ending_of
from .onnx.loading import model_of
from .onnx.reading import read
from .pytorch.state_dicts import check_archive, load, what


@dataclass
class Contents:
    """What a file holds.

    Attributes:
        file: its name. holds: what it is, in words. size: in bytes.
        facts: what else it says, by name: "layers", "keras_version".
        tensors: (name, dtype, shape) of each.
        problem: why it would not load; empty where it would.
        how: what loads it.
    """

    file: str
    holds: str
    size: int
    facts: dict[str, str] = field(default_factory=dict)
    tensors: list[tuple[str, str, tuple[int, ...]]] = field(default_factory=list)
    problem: str = ""
    how: str = ""

    def __str__(self) -> str:
        lines = [f"{self.file}: {self.holds}, {self.size:,} bytes"]
        lines += [f"{name:14} {text}" for name, text in self.facts.items()]
        lines += table(self.tensors)
        return "\n".join([*lines, f"would load     {'no: ' + self.problem if self.problem else 'yes: ' + self.how}"])


def table(rows: list[tuple[str, str, tuple[int, ...]]], most: int = 1000) -> list[str]:
    """Lines with names, dtypes and shapes of tensors."""
    width = max((len(name) for name, _, _ in rows[:most]), default=0)
    lines = [f"  {name:{width}}  {dtype:8} {'x'.join(map(str, shape)) or 'one'}" for name, dtype, shape in rows[:most]]
    return lines if len(rows) <= most else [*lines, f"  and {len(rows) - most} more"]


def inspect(path: Any, max_bytes: int | None = None) -> Contents:
    """What a file of a model or of weights holds, and whether it would load.

    Nothing in it is run, and no array is read, but that a file of ONNX is in memory as it is. A configuration, or the
    operators of ONNX with all that they say, are followed to a model whose weights take no memory. A file that cannot
    be read at all is told as one that would not load.

    Args:
        path: of a file that `convert` knows. max_bytes: the most memory that may be taken; see `load_model`.

    Raises:
        FileNotFoundError: there is no such file. ValueError: its name ends otherwise.

    Example:
        >>> model.save("net.safetensors")
        >>> inspect("net.safetensors").problem
        ''
    """
    ending = ending_of("path", path)
    limit = None if max_bytes is None else check_count("max_bytes", max_bytes)
    with open_file(path) as file:
        found = Contents(named(path), FORMATS[ending], file.seek(0, os.SEEK_END))
        try:
            READERS[ending](found, file, limit)
        except (ValueError, TypeError, ModuleNotFoundError) as error:
            found.problem = error.reason if isinstance(error, FileError) and not error.place else str(error)
    return found


def _safetensors(found: Contents, file: Any, max_bytes: int | None) -> None:
    tensor_file = TensorFile(file, found.file, max_bytes)
    found.tensors = [(name, entry.dtype, entry.shape) for name, entry in tensor_file.entries.items()]
    found.facts |= {key: _short(text) for key, text in tensor_file.metadata.items() if key != tensors.MODEL}
    if tensors.MODEL in tensor_file.metadata:
        found.holds, found.how = "layers and weights of cellstep's", "models.load_model(path)"
        text = tensors.configuration(tensor_file).encode()
        model = saving.model_of(text, tensors.MODEL, tensor_file.limit.left, found.file)
        found.facts["layers"] = layers_of(model)
        tensors.check(model, tensor_file)
    elif KIND in tensor_file.metadata:
        found.holds, found.how = "states of a stream", "stream.state = StreamState.load(path)"
    elif tensors.LAYOUT.keys() <= tensor_file.metadata.keys():
        found.holds, found.how = "weights of cellstep's", "model.load_weights(path), of a model with these weights"
    else:
        found.how = "bridges.from_torch(path, into=model, mapping=...)"


def _keras(found: Contents, file: Any, max_bytes: int | None) -> None:
    limit = Limit(found.file, found.size, max_bytes).left
    with archive.opened(file, found.file) as members:
        with suppress(ValueError, AttributeError):  # nothing depends on it
            about = json.loads(archive.member(members, archive.METADATA, found.file, 2**16))
            found.facts |= {str(key): _short(value) for key, value in about.items()}
        text = archive.member(members, archive.CONFIG, found.file, limit // saving.TEXT)
        content = archive.member(members, archive.WEIGHTS, found.file, limit)
    with hdf5.opened(io.BytesIO(content), found.file) as arrays:
        found.tensors = list(_arrays(arrays))
        model = saving.model_of(text, archive.CONFIG, limit, found.file, compile=True)
        found.facts["layers"] = layers_of(model)
        weights.matched(model, arrays, found.file)
    found.how = "models.load_model(path)"


def _hdf5(found: Contents, file: Any, max_bytes: int | None) -> None:
    hdf5.check_checksum(file, found.file)
    limit = Limit(found.file, found.size, max_bytes).left
    with hdf5.opened(file, found.file) as arrays:
        found.tensors = list(_arrays(arrays))
        text = legacy.text(arrays, "model_config", limit // saving.TEXT)
        if text is not None:
            compiled = legacy.text(arrays, "training_config", limit // saving.TEXT)
            model = saving.model_of(text, "model_config", limit, found.file, compile=True, compiled=compiled)
            found.facts["layers"] = layers_of(model)
            weights.matched(model, arrays, found.file)
    found.how = "model.load_weights(path), of a model with these weights" if text is None else "models.load_model(path)"


def _arrays(file: hdf5.File) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    return ((entry.place, str(entry.dtype), entry.shape) for entry in file.entries())


def _pytorch(found: Contents, file: Any, max_bytes: int | None) -> None:
    limit = Limit(found.file, found.size, max_bytes)
    names, arrays = check_archive(file, limit)
    found.facts |= {"names in it": _short(", ".join(names)), "arrays": str(arrays)}
    state = load(file, limit, "meta")  # names and shapes, and no numbers
    rows = state.items() if isinstance(state, dict) else ()
    found.tensors = [
        (name, str(value.dtype).removeprefix("torch."), tuple(value.shape))
        for name, value in rows
        if isinstance(name, str) and hasattr(value, "shape")
    ]
    if not found.tensors or len(found.tensors) < len(rows):
        raise FileError(found.file, "", f"expected tensors by name, as of state_dict(), got {what(state)}")
    found.how = "bridges.from_torch(path, into=model, mapping=...)"


def _onnx(found: Contents, file: Any, max_bytes: int | None) -> None:
    graph = read(found.file, max_bytes)
    kinds = Counter(node.kind for node in graph.operators)
    found.facts["operators"] = _short(", ".join(f"{number} {kind}" for kind, number in kinds.items()))
    found.facts |= {"inputs": _short(", ".join(graph.inputs)), "outputs": _short(", ".join(graph.outputs))}
    found.tensors = [(name, str(array.dtype), array.shape) for name, array in graph.constants.items()]
    found.facts["layers"] = layers_of(model_of(graph, weighted=False))
    found.how = "bridges.from_onnx(path)"


READERS = {
    ".weights.h5": _hdf5,
    ".keras": _keras,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".safetensors": _safetensors,
    ".onnx": _onnx,
    ".pt": _pytorch,
    ".pth": _pytorch,
    ".bin": _pytorch,
}


def layers_of(model: Any) -> str:
    """The layers of a model in a line."""
    return _short(", ".join(f"{layer.name} ({type(layer).__name__})" for layer in model.layers))


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 300 else f"{text[:290]}..."
