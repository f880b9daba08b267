"""Weights in `.weights.h5` files, in Keras 3's layout: real Keras reads what is written here, and the other way round.

    layers/<class in snake case>[_k]/...   a layer; k counts those of its class in the model, 1 for the second
    .../<attribute>/...                    what a layer is made of: `cell`, `forward_layer`, `cells/lstm_cell`, ...
    .../vars/0, 1, ...                     the weights that it owns itself, in order
    optimizer/vars/0, 1, ...               the state of the optimizer, if it has made a step

Needs h5py. Nothing is assigned before the whole file has been read and fits.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers import InputLayer, Variable
from ..layers.module import Module, snake_case

Array = NDArray[Any]
#: A file's arrays beside the layers'.
OPTIMIZER = "optimizer"


def _h5py() -> Any:
    try:
        import h5py  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ImportError("weights files need h5py: pip install h5py") from error
    return h5py


def check_path(filepath: Any) -> Path:
    """The path; ValueError unless it ends in .weights.h5, as Keras wants it."""
    path = Path(filepath)
    if not path.name.endswith(".weights.h5"):
        raise ValueError(f"filepath must end in .weights.h5, got {os.fspath(filepath)!r}")
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
            key = name + snake_case(type(part).__name__) if name.endswith("/") else name
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

    The file is written beside its place and then moved there: a reader never sees half of it.

    Raises:
        ValueError: the model is not built, or the name. FileExistsError: there is such a file, without `overwrite`.
    """
    path, h5py = check_path(filepath), _h5py()
    if not model.built:
        raise ValueError(f"{model.name} has no weights to save yet: build it, or call it once")
    if path.exists() and not overwrite:
        raise FileExistsError(f"filepath exists already: {path}; overwrite=True replaces it")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with h5py.File(beside, "w") as file:
            file.attrs.update(note or {})
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
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load(model: Any, filepath: Any) -> dict[str, Any]:
    """Read weights that `save` wrote, or Keras; also the optimizer's state, where the model is compiled.

    Returns:
        the attributes of the file's root.

    Raises:
        ValueError: the model is not built, or the file does not fit it; nothing was assigned.
    """
    path, h5py = check_path(filepath), _h5py()
    if not model.built:
        raise ValueError(f"{model.name} must be built before weights are loaded: give it an Input, or call it once")
    found: list[tuple[Variable, Array]] = []
    with h5py.File(path, "r") as file:
        for at, module in places(model):
            if isinstance(module, InputLayer) or not module._weights:
                continue
            place = f"{at}/vars".lstrip("/")
            arrays = _read(h5py, file, place)
            if len(arrays) != len(module._weights):
                raise ValueError(
                    f"{path} must hold {len(module._weights)} weights of {module.name} in {place}, got {len(arrays)}"
                )
            for number, weight in enumerate(module._weights):
                array = arrays[str(number)]
                if array.shape != weight.shape:
                    raise ValueError(
                        f"{path} must hold {weight.path} of shape {weight.shape} in {place}/{number}, got {array.shape}"
                    )
                found.append((weight, array))
        state = _read(h5py, file, f"{OPTIMIZER}/vars")
        note = dict(file.attrs)
    for weight, array in found:
        weight.assign(array)
    optimizer = model.optimizer
    if optimizer is not None and state:
        optimizer.build(model.trainable_weights)
        try:
            optimizer.load_own_variables(state)
        except ValueError as error:
            warnings.warn(f"the optimizer starts anew, as its state in {path} does not fit: {error}", stacklevel=3)
    return note


def _read(h5py: Any, file: Any, place: str) -> dict[str, Array]:
    """The datasets of a group; empty where there is none.

    Raises:
        ValueError: something other than a plain dataset of numbers. Links could lead out of the file.
    """
    group = file
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
