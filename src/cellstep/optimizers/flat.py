"""Flat: the variables of one dtype, laid end to end, so that an update is a few passes over one array."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..layers import variable

Array = NDArray[Any]
Update = TypeVar("Update", bound=Callable[..., None])


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


def elementwise(update: Update) -> Update:
    """Marks an optimizer's `update` as elementwise: it may be called with a part of a variable.

    The function is marked, so an `update` that a subclass writes is not.
    """
    update.elementwise = True  # type: ignore[attr-defined]
    return update


class Part:
    """Elements that a rule updates at once, with all that it needs of them. All arrays are (n,).

    Attributes:
        variables: whose they are, in the order of their segments.
        segments: where each variable is.
        value, grad: the elements and their gradients.
        slots: the optimizer's arrays by name.
        scratch: holds nothing between calls.
    """

    def __init__(
        self,
        variables: Sequence[Trainable],
        segments: Sequence[slice],
        value: Array,
        grad: Array,
        slots: Mapping[str, Array],
        scratch: Array,
    ) -> None:
        self.variables, self.segments = tuple(variables), list(segments)
        self.value, self.grad, self.slots, self.scratch = value, grad, dict(slots), scratch
        self._spare: Array | None = None

    @property
    def spare(self) -> Array:
        """A second scratch array, for rules that need one; made when it is first asked for."""
        if self._spare is None:
            self._spare = np.empty_like(self.value)
        return self._spare


class VariableGroup:
    """Variables that an optimizer has taken charge of, and what it keeps for them.

    Attributes: variables, segments, slots: as of a Part. calls: the steps that these variables have taken part in.
    """

    def __init__(
        self, variables: Sequence[Trainable], segments: Sequence[slice], slots: Mapping[str, Array], calls: int
    ) -> None:
        self.variables, self.segments = tuple(variables), list(segments)
        self.slots, self.calls = dict(slots), calls

    def states(self) -> Iterator[tuple[Trainable, State]]:
        """Each variable with its state, whose arrays are views."""
        for one, at in zip(self.variables, self.segments, strict=True):
            yield one, State(self.calls, {name: array[at] for name, array in self.slots.items()})


class Flat(VariableGroup, Part):
    """One buffer for the values, one for the gradients and one for each slot of the optimizer, all (N,).

    Attributes: as of a VariableGroup and of a Part, whose value and grad are what the variables are bound to.
    """

    def __init__(
        self, dtype: np.dtype[Any], variables: Sequence[Trainable], slots: Mapping[str, float], calls: int = 0
    ) -> None:
        sizes = [int(np.prod(v.shape)) for v in variables]
        ends = np.cumsum([0, *sizes]).tolist()
        segments, N = [slice(a, b) for a, b in pairwise(ends)], ends[-1]
        arrays = {name: np.full(N, first, dtype) for name, first in slots.items()}
        Part.__init__(self, variables, segments, np.zeros(N, dtype), np.zeros(N, dtype), arrays, np.empty(N, dtype))
        self.calls = calls
        self.bind()

    def bind(self) -> None:
        """Move every variable that is elsewhere into the buffers; values and gradients stay what they are."""
        self._moved = variable.moved  # what another thread moves meanwhile is seen next time
        for one, at in zip(self.variables, self.segments, strict=True):
            if one.buffer.base is not self.value:
                one.bind(self.value[at].reshape(one.shape), self.grad[at].reshape(one.shape))

    def zero_grad(self) -> None:
        """Set the gradients to zero, here in the buffers."""
        if self._moved != variable.moved:
            self.bind()
        self.grad.fill(0)

    def accumulate(self, sums: Array, steps: int, due: bool) -> None:
        """Add the gradients to `sums`; where due, their means become the gradients and they begin again at zero."""
        if due:
            self.grad += sums
            self.grad /= steps
            sums.fill(0)
        else:
            sums += self.grad

    @property
    def clipped(self) -> Part:
        """What is clipped."""
        return self

    def parts(self, idle: bool, elementwise: bool) -> tuple[Part]:
        """What a rule is to update: all at once."""
        return (self,)

    def pieces(self) -> tuple[Part]:
        """All numbers."""
        return (self,)
