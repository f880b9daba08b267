"""Conversion: a model from one file to another, held against itself before anything is written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import layers as L
from ..atomic import replacing
from ..layers import nested
from ..models import Model
from ..untrusted import FileError
from .formats import again, ending_of, read, write

#: How far numbers of the self-test may differ, beside 1 and relative to theirs; rows and steps of it.
TOLERANCE, ROWS, STEPS = 1e-5, 3, 16


def convert(
    source: Any,
    target: Any,
    *,
    like: Any = None,
    mapping: Mapping[str, Any] | None = None,
    overwrite: bool = True,
    max_bytes: int | None = None,
) -> Model:
    """Read a model from one file and write it to another, of the formats that their names say.

    What is written is read again, and must give for random inputs what the model gives; else nothing is written.

    Args:
        source: the path of a .keras, .h5, .safetensors, .onnx, .weights.h5 or .pt file. target: likewise.
        like: for a file of weights alone, such as .weights.h5 and .pt, the model that they belong to, or its path.
        mapping: for the prefixes of PyTorch's tensors the layers of `like`; see `from_torch`.
        overwrite: replace a file that is there. max_bytes: the most memory that reading may take; see `load_model`.

    Returns:
        The model.

    Raises:
        FileError: the source is damaged or does not fit, or the file written gives other numbers.
        ValueError, NotImplementedError: the target's format cannot hold the model.
        FileExistsError: there is such a file, without `overwrite`.

    Example:
        >>> model.save("net.keras")
        >>> same = convert("net.keras", "net.safetensors")
    """
    ending_of("target", target)
    if not overwrite and os.path.exists(target):
        raise FileExistsError(f"target exists already: {os.fspath(target)}; overwrite=True replaces it")
    model = read(source, like, mapping, max_bytes)
    x = random_inputs(model)
    right = model.predict(x, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / Path(target).name
        write(model, written)
        check_same(os.fspath(target), again(written, model)(x, verbose=0), right)
        with open(written, "rb") as file, replacing(target, overwrite) as place:
            shutil.copyfileobj(file, place)
    return model


def random_inputs(model: Any) -> Any:
    """Random inputs for a model: one array, or a list."""
    draw = np.random.default_rng(0)
    heads = model._signature.heads
    shapes = [(head.batch_shape, np.dtype(head.dtype)) for head in heads]
    if not shapes:
        shapes = [(shape, np.dtype("float32")) for shape in model.input_shapes or [model.input_shape]]
    entries = min([layer.input_dim for layer in model.walk() if isinstance(layer, L.Embedding)], default=2)
    arrays = []
    for shape, dtype in shapes:
        sizes = [STEPS if size is None else size for size in shape]
        sizes[0] = shape[0] or ROWS
        whole = dtype.kind in "iub" or (len(shapes) == 1 and isinstance(_first(model), L.Embedding))
        array = draw.integers(0, entries, sizes) if whole else draw.standard_normal(sizes)
        arrays.append(array.astype(dtype))
    return arrays[0] if len(arrays) == 1 else arrays


def _first(model: Any) -> Any:
    return next((layer for layer in model.layers if not isinstance(layer, L.InputLayer)), None)


def check_same(file: str, found: Any, right: Any) -> None:
    """FileError where outputs are others."""
    pairs = list(zip(nested.flatten(found), nested.flatten(right), strict=True))
    for number, (a, b) in enumerate(pairs):
        a, b = np.asarray(a), np.asarray(b)
        same = a.shape == b.shape and np.allclose(a, b, TOLERANCE, TOLERANCE, equal_nan=True)
        if not same:
            far = (
                f"a difference of {np.max(np.abs(a - b)):.3g}"
                if a.shape == b.shape
                else f"shape {a.shape}, not {b.shape}"
            )
            output = f"output {number} of the self-test" if len(pairs) > 1 else "the self-test"
            raise FileError(file, output, f"expected what the source's model gives, got {far}; nothing was written")
