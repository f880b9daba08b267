"""Weights in `.weights.h5` files, in Keras 3's layout: real Keras reads what is written here, and the other way round.

    layers/<class in snake case>[_k]/...   a layer; k counts those of its class in the model, 1 for the second
    .../<attribute>/...                    what a layer is made of: `cell`, `forward_layer`, `cells/lstm_cell`, ...
    .../vars/0, 1, ...                     the weights that it owns itself, in order
    optimizer/vars/0, 1, ...               the state of the optimizer, if it has made a step
    optimizer/calls/0                      the steps of each weight, if some were frozen for a while
    optimizer/frozen/<k>/0, 1, ...         of weight k, which is frozen now and was trained before: steps, and slots

Needs h5py. Nothing is assigned before the whole file has been read and fits. A checksum of the file stands at its end.
"""

from __future__ import annotations

import io
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..atomic import replacing
from ..configured import levels_to_user
from ..layers import InputLayer, Variable
from ..layers.module import Module
from ..lookup import snake_case
from ..optimizers.flat import State
from ..untrusted import FileError, Limit, blamed, open_file
from . import archive, hdf5, legacy

Array = NDArray[Any]
#: What Keras's older files end in.
OLDER = (".h5", ".hdf5")
#: Where the optimizer's state is.
STATE = "optimizer/vars"
#: Where the steps of each of its variables are, if they have not all taken part in all; Keras passes this by.
CALLS = "optimizer/calls"
#: Where the states of weights are that are frozen and were trained before; Keras passes this by too.
FROZEN = "optimizer/frozen"


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
    for part in module.parts:
        own = any(part is one for one in module._parts)
        for name, value in vars(module).items():
            # `_gate_dense` is the one of Keras's that is not public
            if name.startswith("_") and (name == "_parts" or own) and name != "_gate_dense":
                continue
            value = list(value.values()) if isinstance(value, dict) else value
            if value is part:
                yield name, part
                break
            if isinstance(value, list | tuple) and any(v is part for v in value):
                yield f"{name}/", part
                break


def save(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write the weights of a model, and its optimizer's state once there is one.

    Args:
        model: built. filepath: ends in .weights.h5. overwrite: replace a file that is there.

    The file at the path is replaced as a whole, or not at all; see `atomic.replacing`.

    Raises:
        ValueError: the model is not built, or the name. FileExistsError: there is such a file, without `overwrite`.
    """
    path, h5py = check_path(filepath), hdf5.h5py()
    check_built(model)
    with replacing(path, overwrite) as replacement:
        with h5py.File(replacement, "w") as file:
            write(model, file)
        hdf5.add_checksum(replacement)


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
        if not optimizer.serves(model.weights):
            optimizer.build(model.trainable_weights)  # it has trained another model since
        store: dict[str, Array] = {}
        optimizer.save_own_variables(store)
        group = file.create_group(STATE)
        group.attrs["name"] = optimizer.name
        for key, array in store.items():
            group[key] = array
        if set(optimizer.calls_of_each) != {optimizer.calls}:
            file[f"{CALLS}/0"] = np.array(optimizer.calls_of_each, np.int64)
        resting = optimizer.resting
        for k, weight in enumerate(model.weights):
            if weight in resting:
                calls, slots = resting[weight]
                for number, array in enumerate((np.array(calls, np.int64), *(slots[s] for s in optimizer.all_slots))):
                    file[f"{FROZEN}/{k}/{number}"] = array


def load(model: Any, filepath: Any, skip_mismatch: bool = False, max_bytes: int | None = None) -> None:
    """Read weights that `save` wrote, or Keras; also the optimizer's state, where the model is compiled.

    Args:
        model: built. filepath: ends in .weights.h5, or in .keras: then it is a whole model's. Keras's older files of
            either kind end in .h5 or .hdf5.
        skip_mismatch: leave layers as they are whose weights are not in the file or have other shapes, with a warning.
        max_bytes: the most that the weights in a .keras file may take; see `load_model`.

    Raises:
        ValueError: the model is not built. FileError: the file is damaged or does not fit it; nothing was assigned.
    """
    path = check_path(filepath, ".keras", *OLDER)
    if not model.built:
        raise ValueError(f"{model.name} must be built before weights are loaded: give it an Input, or call it once")
    with open_file(path, "filepath") as file:
        if path.suffix == ".keras":
            limit = Limit(str(path), file.seek(0, os.SEEK_END), max_bytes).left
            with archive.opened(file, str(path)) as members:
                content = archive.member(members, archive.WEIGHTS, str(path), limit)
            read(model, io.BytesIO(content), str(path), skip_mismatch)
        else:
            hdf5.check_checksum(file, str(path))
            read(model, file, str(path), skip_mismatch)


def read(model: Any, content: BinaryIO, path: str, skip_mismatch: bool = False) -> None:
    """Assign the weights and the optimizer's state from an HDF5 file; see `load`."""
    with hdf5.opened(content, path) as file:
        pairs = matched(model, file, path, skip_mismatch)
        state, misfit = _state(model, file, legacy.is_legacy(file))
        calls = file.entry(f"{CALLS}/0").read_as(np.dtype(np.int64)) if file.count(CALLS) else None
        frozen = _frozen(model, file) if state else {}
        arrays = [entry.read_as(weight.dtype) for weight, entry in pairs]
    if misfit:
        warnings.warn(
            f"the optimizer starts anew, as its state in {path} does not fit: {misfit}", stacklevel=levels_to_user()
        )
    elif state:
        with blamed(path, STATE, (ValueError, TypeError), f"must hold the state of {model.optimizer.name}, got"):
            model.optimizer.load_own_variables(state)
            if calls is not None:
                model.optimizer.calls_of_each = calls.tolist()
            if frozen:
                model.optimizer.restore(model.optimizer.calls, model.optimizer.states() | frozen)
    for (weight, _), array in zip(pairs, arrays, strict=True):
        weight.assign(array)


def matched(model: Any, file: hdf5.File, path: str, skip_mismatch: bool = False) -> list[tuple[Variable, hdf5.Entry]]:
    """The weights of a model with their arrays in a file, which are not read.

    Raises:
        FileError: those of a layer are missing or have other shapes, without `skip_mismatch`.
    """

    def skip(module: Module, error: FileError) -> None:
        warnings.warn(f"{module.name} keeps its weights: {error}", stacklevel=levels_to_user())

    if legacy.is_legacy(file):
        return legacy.matched(model, file, skip if skip_mismatch else None)
    found: list[tuple[Variable, hdf5.Entry]] = []
    for at, module in places(model):
        if isinstance(module, InputLayer):
            continue
        try:
            found += _matched(file, f"{at}/vars".lstrip("/"), module, path)
        except FileError as error:
            if not skip_mismatch:
                raise
            skip(module, error)
    return found


def _matched(file: hdf5.File, place: str, module: Module, path: str) -> list[tuple[Variable, hdf5.Entry]]:
    """The weights that a module owns itself with their arrays in the file; FileError where they do not fit."""
    count = file.count(place)
    if count != len(module._weights):
        hint = "" if module.built else f"; {module.name} is not built yet: call the model once"
        raise FileError(path, place, f"must hold {len(module._weights)} weights of {module.name}, got {count}{hint}")
    matched = []
    for number, weight in enumerate(module._weights):
        entry = file.entry(f"{place}/{number}")
        if entry.shape != weight.shape:
            raise FileError(path, entry.place, f"must hold {weight.path} of shape {weight.shape}, got {entry.shape}")
        matched.append((weight, entry))
    return matched


def _state(model: Any, file: hdf5.File, older: bool) -> tuple[dict[str, Array], str]:
    """The arrays of the optimizer's state, none where there is none to take; and what does not fit, if something."""
    optimizer = model.optimizer
    if optimizer is None:
        return {}, ""
    listed = legacy.optimizer_places(file) if older else [f"{STATE}/{k}" for k in range(file.count(STATE))]
    count = len(listed)
    if not count or (count <= 2 and not _number(file.entry(listed[0]))):
        return {}, ""  # Keras writes no more before the first step
    optimizer.build(model.trainable_weights)
    kinds = optimizer.state_kinds()
    # Keras 2 has no learning rate there
    lacks = not optimizer.scheduled and count == len(kinds) - 1
    if count != len(kinds) - lacks:
        return {}, f"expected the state of {optimizer.name} to hold {len(kinds)} arrays, got {count}"
    entries = [file.entry(place) for place in listed]
    wanted = [kinds[0], *kinds[1 + lacks :]]
    if len(wanted) > 2 and wanted[-1][0] == () != wanted[-2][0] and entries[2].shape == ():
        entries.append(entries.pop(2))  # Keras before 3.10 has a number of all weights in front
    for entry, (shape, _) in zip(entries, wanted, strict=True):
        if entry.shape != shape:
            return {}, f"expected {entry.place} of shape {shape}, got {entry.shape}"
    arrays = [entry.read_as(dtype) for entry, (_, dtype) in zip(entries, wanted, strict=True)]
    if lacks:
        arrays.insert(1, np.asarray(optimizer.rate, np.float32))
    return {str(i): array for i, array in enumerate(arrays)}, ""


def _frozen(model: Any, file: hdf5.File) -> dict[Variable, State]:
    """The states of weights that are frozen; FileError where one does not fit."""
    states, names = {}, model.optimizer.all_slots
    for k, weight in enumerate(model.weights):
        place = f"{FROZEN}/{k}"
        count = file.count(place)
        if not count or weight.trainable:
            continue
        shapes = [(), *[(weight.size,)] * len(names)]
        entries = [file.entry(f"{place}/{number}") for number in range(count)]
        if [entry.shape for entry in entries] != shapes:
            got = [entry.shape for entry in entries]
            wanted = f"{len(shapes)} arrays of {weight.path}, of shapes {shapes}"
            raise FileError(file.path, place, f"must hold {wanted}, got {got}")
        calls, steps = int(entries[0].read_as(np.dtype(np.int64))), _steps(file)
        if not 0 <= calls <= steps:
            raise FileError(file.path, f"{place}/0", f"must hold a number from 0 to {steps}, got {calls}")
        arrays = [entry.read_as(weight.dtype) for entry in entries[1:]]
        states[weight] = State(calls, dict(zip(names, arrays, strict=True)))
    return states


def _steps(file: hdf5.File) -> int:
    """The number of steps in an optimizer's state."""
    return _number(file.entry(f"{STATE}/0"))


def _number(entry: hdf5.Entry) -> int:
    """The number of steps in the first array of an optimizer's state."""
    return int(entry.read()) if entry.shape == () and entry.dtype.kind in "iu" else 1
