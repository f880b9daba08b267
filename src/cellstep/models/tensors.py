"""Tensors: weights in .safetensors files, which need no library, and in which every framework can read them.

    layers/lstm/cell/kernel     the weight's name in the place that `weights.places` gives its layer
    "cellstep" in the metadata  the version of this layout
    "model" in the metadata     the configuration of the layers, as `to_json` gives it, where they can be written down

Optimizers' states are in .keras and .weights.h5 files.
"""

from __future__ import annotations

import json
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import tensor_file
from ..configured import levels_to_user
from ..layers import InputLayer, Variable
from ..registry import serialize_shared
from ..tensor_file import TensorFile, opened
from ..untrusted import FileError
from . import weights

Array = NDArray[Any]

#: Where the configuration is in the metadata.
MODEL = "model"
#: What stands there for the layout of names.
LAYOUT = {"cellstep": "1"}


def is_path(filepath: Any) -> bool:
    """Whether a file is of this format by its name."""
    return isinstance(filepath, str | os.PathLike) and Path(filepath).suffix == ".safetensors"


def named(model: Any) -> dict[str, Variable]:
    """All weights by the names that they have in a file."""
    found: dict[str, Variable] = {}
    for at, module in weights.places(model):
        for weight in [] if isinstance(module, InputLayer) else module._weights:
            name, number = f"{at}/{weight.name}".lstrip("/"), 0
            while name in found:
                number += 1
                name = f"{at}/{weight.name}_{number}".lstrip("/")
            found[name] = weight
    return found


def save(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write the weights of a model, and the configuration of its layers where that can be written down.

    Args:
        model: built. filepath: ends in .safetensors. overwrite: replace a file that is there.

    Raises:
        ValueError: the model is not built. FileExistsError: there is such a file, without `overwrite`.
    """
    weights.check_built(model)
    metadata = dict(LAYOUT)
    with suppress(TypeError, NotImplementedError):  # a function or class of the user's, which the weights do without
        metadata[MODEL] = json.dumps(serialize_shared(model))
    tensor_file.write(filepath, {name: weight.value for name, weight in named(model).items()}, metadata, overwrite)


def load(model: Any, filepath: Any, skip_mismatch: bool = False, max_bytes: int | None = None) -> None:
    """Read weights that `save` wrote.

    Args:
        model: built. filepath: of the file.
        skip_mismatch: leave weights as they are that are not in the file or have other shapes, with a warning.
        max_bytes: the most memory that reading may take; see `load_model`.

    Raises:
        ValueError: the model is not built. FileError: the file is damaged or does not fit it; nothing was assigned.
    """
    if not model.built:
        raise ValueError(f"{model.name} must be built before weights are loaded: give it an Input, or call it once")
    with opened(filepath, max_bytes) as file:
        assign(model, file, skip_mismatch)


def configuration(file: TensorFile) -> str:
    """The configuration of the layers, as JSON.

    Raises:
        FileError: there is none.
    """
    if MODEL not in file.metadata:
        raise FileError(
            file.name,
            "__metadata__",
            f"expected the configuration of a model in {MODEL}, got none; `load_weights` takes weights into a "
            "model, and `bridges.from_torch` takes PyTorch's",
        )
    return file.metadata[MODEL]


def check(model: Any, file: TensorFile, skip_mismatch: bool = False) -> list[tuple[str, Variable]]:
    """The names and weights of a model for which a file has arrays of their shapes; nothing is read.

    Raises:
        FileError: one is missing, left over, or of another shape, without `skip_mismatch`.
    """
    wanted = named(model)
    wrong = {name: f"expected the weights of {model.name}, got another name" for name in file.entries.keys() - wanted}
    for name, weight in wanted.items():
        entry = file.entries.get(name)
        if entry is None:
            wrong[name] = f"expected {weight.path} of shape {weight.shape}, got no such tensor"
        elif entry.shape != weight.shape:
            wrong[name] = f"expected {weight.path} of shape {weight.shape}, got {entry.shape}"
    for name, reason in sorted(wrong.items()):
        error = FileError(file.name, f"tensor {name!r:.100}", reason)
        if not skip_mismatch:
            raise error
        warnings.warn(f"weights stay as they are: {error}", stacklevel=levels_to_user())
    return [(name, weight) for name, weight in wanted.items() if name not in wrong]


def assign(model: Any, file: TensorFile, skip_mismatch: bool = False) -> None:
    """Give a model the weights in a file; see `load`."""
    fitting = check(model, file, skip_mismatch)
    arrays = [in_dtype(file.name, f"tensor {name!r}", file.read(name), weight.dtype) for name, weight in fitting]
    for (_, weight), array in zip(fitting, arrays, strict=True):
        weight.assign(array)


def in_dtype(file: str, place: str, array: Array, dtype: Any) -> Array:
    """An array from a file in the dtype of a weight.

    Raises:
        FileError: it is another kind of numbers, or some are too large for this dtype.
    """
    wanted = np.dtype(dtype)
    if array.dtype.kind not in {"f": "f", "b": "b"}.get(wanted.kind, "iu"):
        raise FileError(file, place, f"expected numbers for {wanted}, got {array.dtype}")
    with np.errstate(over="ignore"):
        found = array.astype(wanted, copy=False)
    lost = np.isinf(found) & np.isfinite(array) if wanted.kind == "f" else found != array
    if lost.any():
        raise FileError(file, place, f"expected numbers that {wanted} can hold, got {array[lost][0]}")
    return found
