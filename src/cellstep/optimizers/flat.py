"""Flat: the variables of one dtype, laid end to end, so that an update is a few passes over one array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Trainable(Protocol):
    """What an optimizer needs of a variable."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def grad(self) -> Array: ...
    @property
    def buffer(self) -> Array: ...
    @property
    def constraint(self) -> Callable[[Array], Array] | None: ...
    def bind(self, value_buffer: Array, grad_buffer: Array) -> None: ...
    def touch(self) -> None: ...


class State(NamedTuple):
    """What an optimizer keeps for one variable: the steps that it has taken part in, and its part (n,) of each slot."""

    calls: int
    slots: Mapping[str, Array]


class Flat:
    """One buffer for the values, one for the gradients and one for each slot of the optimizer, all (N,).

    Attributes:
        variables: in the order of their segments.
        segments: where each variable is.
        value, grad: the storage that the variables are bound to.
        slots: the optimizer's arrays by name, zeros at first.
        calls: the steps that these variables have taken part in.
        scratch: as long as the others; holds nothing between calls.
    """

    def __init__(
        self, dtype: np.dtype[Any], variables: Sequence[Trainable], slots: Sequence[str], calls: int = 0
    ) -> None:
        sizes = [int(np.prod(v.shape)) for v in variables]
        ends = np.cumsum([0, *sizes]).tolist()
        self.variables, self.calls = tuple(variables), calls
        self.segments = [slice(a, b) for a, b in pairwise(ends)]
        self.value = np.zeros(ends[-1], dtype)
        self.grad = np.zeros(ends[-1], dtype)
        self.slots = {name: np.zeros(ends[-1], dtype) for name in slots}
        self.scratch = np.empty(ends[-1], dtype)
        self._spare: Array | None = None
        self.bind()

    @property
    def spare(self) -> Array:
        """A second scratch array, for rules that need one; made when it is first asked for."""
        if self._spare is None:
            self._spare = np.empty_like(self.value)
        return self._spare

    def bind(self) -> None:
        """Move every variable that is elsewhere into the buffers; values and gradients stay what they are."""
        for variable, at in zip(self.variables, self.segments, strict=True):
            if variable.buffer.base is not self.value:
                variable.bind(self.value[at].reshape(variable.shape), self.grad[at].reshape(variable.shape))

    def states(self) -> Iterator[tuple[Trainable, State]]:
        """Each variable with its state, whose arrays are views."""
        for variable, at in zip(self.variables, self.segments, strict=True):
            yield variable, State(self.calls, {name: array[at] for name, array in self.slots.items()})

    def constrain(self) -> None:
        """Make the values of each variable what its constraint allows."""
        for variable in self.variables:
            if variable.constraint is not None:
                variable.buffer[...] = variable.constraint(variable.buffer)

    def touch(self) -> None:
        """Tell the variables that their values have changed."""
        for variable in self.variables:
            variable.touch()


def group(variables: Sequence[Trainable], slots: Mapping[str, float], states: Mapping[Trainable, State]) -> list[Flat]:
    """One Flat for the variables of each dtype that have taken part in the same number of steps.

    Args:
        variables: their order is kept; one that is given twice is taken once.
        slots: the names of the slots, and what they hold for a variable that is not in `states`.
        states: what there is for variables already; it is copied.
    """
    alike: dict[tuple[np.dtype[Any], int], list[Trainable]] = {}
    for variable in dict.fromkeys(variables):
        calls = states[variable].calls if variable in states else 0
        alike.setdefault((np.dtype(variable.dtype), calls), []).append(variable)
    flats = [Flat(dtype, members, list(slots), calls) for (dtype, calls), members in alike.items()]
    for flat in flats:
        for variable, at in zip(flat.variables, flat.segments, strict=True):
            before: Mapping[str, Any] = states[variable].slots if variable in states else slots
            for name, array in flat.slots.items():
                array[at] = before.get(name, slots[name])
    return flats
