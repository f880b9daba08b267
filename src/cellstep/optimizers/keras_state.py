"""The state of an optimizer as Keras's files hold it: one array after another, without names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core import check_natural

if TYPE_CHECKING:
    from .base import Optimizer

Array = NDArray[Any]


def stored_arrays(optimizer: Optimizer) -> list[Array]:
    """The state in the order of Keras's files; slots are views of their variables' shapes."""
    slots = optimizer.slots
    options = [name for name in optimizer.all_slots if name not in slots]
    single = [name for name in slots if name not in optimizer.paired]
    arrays: list[Array] = [np.asarray(optimizer.calls, np.int32)]
    if not optimizer.scheduled:
        arrays.append(np.asarray(optimizer.rate, np.float32))
    states = optimizer.states()
    for names in (*((name,) for name in options), optimizer.paired, *((name,) for name in single)):
        for variable in optimizer._variables:
            arrays += [states[variable].slots[name].reshape(variable.shape) for name in names]
    return arrays + optimizer._scalars()


def load_state(optimizer: Optimizer, store: Mapping[str, Any]) -> None:
    """Restore what `stored_arrays` gave, by position; ValueError where something does not fit, and nothing changes."""
    wanted = stored_arrays(optimizer)
    if len(store) != len(wanted):
        raise ValueError(f"expected the state of {optimizer.name} to hold {len(wanted)} arrays, got {len(store)}")
    arrays = [np.asarray(store[str(i)]) for i in range(len(wanted))]
    calls = check_natural("the number of steps", arrays[0][()])
    head, tail = 1 if optimizer.scheduled else 2, len(wanted) - len(optimizer._scalars())
    for i, (target, array) in enumerate(zip(wanted[head:tail], arrays[head:tail], strict=True), head):
        if array.shape != target.shape:
            raise ValueError(f"expected array {i} of the state to have shape {target.shape}, got {array.shape}")
    # files hold it in float32: one that was 0.1 stays 0.1
    if not optimizer.scheduled and np.float32(optimizer.rate) != arrays[1]:
        optimizer.learning_rate = float(arrays[1])
    for target, array in zip(wanted[head:tail], arrays[head:tail], strict=True):
        target[...] = array
    optimizer._calls = calls
    optimizer.calls_of_each = [calls] * len(optimizer._variables)
