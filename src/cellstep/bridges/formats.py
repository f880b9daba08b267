"""Formats: the files that hold models or weights, by what their names end in; how each is read and written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import tensor_file
from ..models import Model, clone_model, load_model, saving, tensors
from ..untrusted import Limit, library, named, open_file
from .onnx import from_onnx, to_onnx
from .pytorch.models import from_torch, to_torch
from .pytorch.state_dicts import ENDINGS as PYTORCH

#: What files of each format end in, the longest first, and what they hold.
FORMATS = {
    ".weights.h5": "weights of Keras's",
    ".keras": "a model of Keras's",
    ".h5": "a model of older Keras's",
    ".hdf5": "a model of older Keras's",
    ".safetensors": "tensors",
    ".onnx": "an ONNX graph",
    **dict.fromkeys(PYTORCH, "a state dict of PyTorch's"),
}


def ending_of(argument: str, path: Any) -> str:
    """What a file's name ends in, of FORMATS.

    Raises:
        TypeError: no path. ValueError: it ends otherwise.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{argument} must be a path, got {path!r}")
    name = os.fspath(path)
    for ending in FORMATS:
        if name.endswith(ending):
            return ending
    raise ValueError(f"{argument} must end in one of {', '.join(FORMATS)}, got {name!r}")


def read(
    source: Any, like: Any = None, mapping: Mapping[str, Any] | None = None, max_bytes: int | None = None
) -> Model:
    """The model in a file; or with its weights another one.

    Args:
        source: the path. like: for a file of weights alone the model that they belong to, or its path, a .json file of
            `to_json` too; its own weights are left as they are. mapping: as for `from_torch`.
        max_bytes: the most memory that it may take; see `load_model`.

    Raises:
        ValueError: it is a file of weights alone, without `like`. FileError, FileNotFoundError: as its reader.
    """
    ending = ending_of("source", source)
    if ending in (".keras", ".h5", ".hdf5"):
        return load_model(source, max_bytes=max_bytes)
    if ending == ".onnx":
        return from_onnx(source, batch_first=True, max_bytes=max_bytes)
    own = ending == ".safetensors" and _is_ours(source)
    if own and like is None:
        return load_model(source, max_bytes=max_bytes)
    if like is None:
        raise ValueError(f"like must be a model, as {os.fspath(source)} holds weights and no structure, got None")
    model = _model(like)
    if own or ending == ".weights.h5":
        model.load_weights(source, max_bytes=max_bytes)
        return model
    return from_torch(source, into=model, mapping=mapping, max_bytes=max_bytes)


def write(model: Model, target: Path) -> None:
    """Write a model to a new file, as far as its format holds it.

    Raises:
        ValueError, NotImplementedError: it cannot be written so.
    """
    ending = ending_of("target", target)
    if ending == ".weights.h5":
        model.save_weights(target)
    elif ending == ".onnx":
        to_onnx(model, target)
    elif ending in PYTORCH:
        library("torch", "torch", ".pt files").save(to_torch(model).state_dict(), target)
    else:
        model.save(target)


def again(target: Path, model: Model) -> Any:
    """What predicts by the file that was written of a model, read anew: a model, or a function."""
    ending = ending_of("target", target)
    if ending not in PYTORCH:
        return read(target, like=clone_model(model) if ending in (".weights.h5", ".safetensors") else None).predict
    torch = library("torch", "torch", ".pt files")
    module = to_torch(clone_model(model)).eval()
    module.load_state_dict(torch.load(target, weights_only=True))

    def predict(x: Any, verbose: int = 0) -> Any:
        with torch.no_grad():
            return module(torch.from_numpy(x)).numpy()

    return predict


def _is_ours(source: Any) -> bool:
    with tensor_file.opened(source) as file:
        return tensors.LAYOUT.keys() <= file.metadata.keys()


def _model(like: Any) -> Model:
    """A model that may be changed."""
    if isinstance(like, Model):
        return clone_model(like)
    if os.fspath(like).endswith(".json"):
        with open_file(like, "like") as file:
            limit = Limit(named(like), file.seek(0, os.SEEK_END)).left
            file.seek(0)
            return saving.model_of(file.read(), "", limit, named(like))
    return read(like)
