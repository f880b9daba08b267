"""Weights in `.weights.h5` files, in Keras 3's layout: real Keras reads what is written here, and the other way round.

    layers/<class in snake case>[_k]/...   a layer; k counts those of its class in the model, 1 for the second
    .../<attribute>/...                    what a layer is made of: `cell`, `forward_layer`, `cells/lstm_cell`, ...
    .../vars/0, 1, ...                     the weights that it owns itself, in order
    optimizer/vars/0, 1, ...               the state of the optimizer, if it has made a step

Needs h5py. Nothing is assigned before the whole file has been read and fits.
"""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import replacing
from ..layers import InputLayer, Variable
from ..layers.module import Module, snake_case
from .archive import WEIGHTS, member, opened

Array = NDArray[Any]
#: A file's arrays beside the layers'.
OPTIMIZER = "optimizer"


def _h5py() -> Any:
    try:
        import h5py  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ImportError("files of models and weights need h5py: pip install h5py") from error
    return h5py


def check_path(filepath: Any, *endings: str) -> Path:
    """The path; ValueError unless it ends in .weights.h5, as Keras wants it, or in one of the endings."""
    if not isinstance(filepath, str | os.PathLike):
        raise TypeError(f"filepath must be a path that ends in .weights.h5, got {filepath!r}")
    path = Path(filepath)
    if not path.name.endswith((".weights.h5", *endings)):
        raise ValueError(f"filepath must end in {' or '.join(['.weights.h5', *endings])}, got {os.fspath(filepath)!r}")
    return path


def places(module: Module, at: str = "") -> Iterator[tuple[str, Module]]:
    """Every module with the group that holds it: the model itself at the root, a part that is shared once."""
    seen: set[int] = set()

    def walk(module: Module, at: str) -> Iterator[tuple[str, Module]]:
        if id(module) in seen:
            return
        seen.add(id(module))
        yield at, module
        used: Counter[str] = Counter()
        for name, part in _parts(module):
            # the parts of a list are told apart by their classes
            key = name + snake_case(part.keras_name) if name.endswith("/") else name
            number = used[key]
            used[key] += 1
            yield from walk(part, f"{at}/{key}_{number}".lstrip("/") if number else f"{at}/{key}".lstrip("/"))

    return walk(module, at)


def _parts(module: Module) -> Iterator[tuple[str, Module]]:
    """The parts with the attribute that holds each; a list's with a slash at the end."""
    layers = getattr(module, "layers", None)
    if isinstance(layers, list | tuple):
        yield from (("layers/", layer) for layer in layers if isinstance(layer, Module))
        return
    for part in module._parts:
        for name, value in vars(module).items():
            if name.startswith("_"):
                continue
            if value is part:
                yield name, part
                break
            if isinstance(value, list | tuple) and any(v is part for v in value):
                yield f"{name}/", part
                break


def save(model: Any, filepath: Any, overwrite: bool = True, note: Mapping[str, Any] | None = None) -> None:
    """Write the weights of a model, and its optimizer's state once there is one.

    Args:
        model: built. filepath: ends in .weights.h5. overwrite: replace a file that is there.
        note: attributes for the root of the file, which readers of weights pass by.

    The file at the path is replaced as a whole, or not at all; see `atomic.replacing`.

    Raises:
        ValueError: the model is not built, or the name. FileExistsError: there is such a file, without `overwrite`.
    """
    path, h5py = check_path(filepath), _h5py()
    check_built(model)
    with replacing(path, overwrite) as replacement, h5py.File(replacement, "w") as file:
        file.attrs.update(note or {})
        write(model, file)


def check_built(model: Any) -> None:
    """ValueError where there are no weights yet."""
    if not model.built:
        raise ValueError(f"{model.name} has no weights to save yet: build it, or call it once")


def write(model: Any, file: Any) -> None:
    """Put the weights and the optimizer's state into an open HDF5 file."""
    for at, module in places(model):
        group = file.create_group(f"{at}/vars".lstrip("/"))
        group.attrs["name"] = module.name
        if not isinstance(module, InputLayer):
            for number, weight in enumerate(module._weights):
                group[str(number)] = weight.value
    optimizer = model.optimizer
    if optimizer is not None and optimizer.built:
        store: dict[str, Array] = {}
        optimizer.save_own_variables(store)
        group = file.create_group(f"{OPTIMIZER}/vars")
        group.attrs["name"] = optimizer.name
        for key, array in store.items():
            group[key] = array


def load(model: Any, filepath: Any, skip_mismatch: bool = False) -> dict[str, Any]:
    """Read weights that `save` wrote, or Keras; also the optimizer's state, where the model is compiled.

    Args:
        model: built. filepath: ends in .weights.h5, or in .keras: then it is a whole model's.
        skip_mismatch: leave layers as they are whose weights are not in the file or have other shapes, with a warning.

    Returns:
        the attributes of the file's root.

    Raises:
        ValueError: the model is not built, or the file does not fit it; nothing was assigned.
    """
    path, h5py = check_path(filepath, ".keras"), _h5py()
    if not model.built:
        raise ValueError(f"{model.name} must be built before weights are loaded: give it an Input, or call it once")
    if not path.is_file():
        raise FileNotFoundError(f"filepath must be a file that exists, got {os.fspath(filepath)!r}")
    if path.suffix != ".keras":
        if not h5py.is_hdf5(path):
            raise ValueError(f"filepath must be an HDF5 file, got another kind of file in {os.fspath(filepath)!r}")
        with h5py.File(path, "r") as file:
            return read(model, file, path, skip_mismatch)
    with opened(path) as archive:
        return read_member(model, archive, path, skip_mismatch)


def read_member(model: Any, archive: zipfile.ZipFile, path: Any, skip_mismatch: bool = False) -> dict[str, Any]:
    """Read the weights in a `.keras` file."""
    with _h5py().File(io.BytesIO(member(archive, WEIGHTS, path)), "r") as file:
        return read(model, file, path, skip_mismatch)


def read(model: Any, file: Any, path: Any, skip_mismatch: bool = False) -> dict[str, Any]:
    """Assign the weights and the optimizer's state from an open HDF5 file; see `load`."""
    found: list[tuple[Variable, Array]] = []
    for at, module in places(model):
        if isinstance(module, InputLayer) or not module._weights:
            continue
        try:
            found += _matched(file, f"{at}/vars".lstrip("/"), module, path)
        except ValueError as error:
            if not skip_mismatch:
                raise
            warnings.warn(f"{module.name} keeps its weights: {error}", stacklevel=4)
    state = _arrays(file, f"{OPTIMIZER}/vars")
    note = dict(file.attrs)
    for weight, array in found:
        weight.assign(array)
    optimizer = model.optimizer
    unused = len(state) <= 2 and "0" in state and not state["0"]  # Keras writes no more before the first step
    if optimizer is not None and state and not unused:
        optimizer.build(model.trainable_weights)
        try:
            optimizer.load_own_variables(state)
        except ValueError as error:
            warnings.warn(f"the optimizer starts anew, as its state in {path} does not fit: {error}", stacklevel=4)
    return note


def _matched(file: Any, place: str, module: Module, path: Any) -> list[tuple[Variable, Array]]:
    """The weights that a module owns itself with their arrays in the file; ValueError where they do not fit."""
    arrays = _arrays(file, place)
    if len(arrays) != len(module._weights):
        raise ValueError(
            f"{path} must hold {len(module._weights)} weights of {module.name} in {place}, got {len(arrays)}"
        )
    found = []
    for number, weight in enumerate(module._weights):
        array = arrays[str(number)]
        if array.shape != weight.shape:
            raise ValueError(
                f"{path} must hold {weight.path} of shape {weight.shape} in {place}/{number}, got {array.shape}"
            )
        found.append((weight, array))
    return found


def _arrays(file: Any, place: str) -> dict[str, Array]:
    """The datasets of a group; empty where there is none.

    Raises:
        ValueError: something other than a plain dataset of numbers. Links could lead out of the file.
    """
    h5py, group = _h5py(), file
    for name in place.split("/"):
        link = group.get(name, getlink=True)
        if link is None:
            return {}
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{file.filename} must hold no links, got one at {place}")
        group = group[name]
    arrays = {}
    for key in group:
        entry: Any = group[key] if isinstance(group.get(key, getlink=True), h5py.HardLink) else None
        plain = isinstance(entry, h5py.Dataset) and not entry.is_virtual and not entry.external
        if not plain or entry.dtype.kind not in "fiub":
            raise ValueError(f"{file.filename} must hold plain arrays of numbers, got something else at {place}/{key}")
        arrays[key] = np.asarray(entry[()])
    return arrays
