"""Flat: the variables of one dtype, laid end to end, so that an update is a few passes over one array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol

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


class Flat:
    """One buffer for the values, one for the gradients and one for each slot of the optimizer, all (N,).

    Attributes:
        variables: in the order of their segments.
        segments: where each variable is.
        value, grad: the storage that the variables are bound to.
        slots: the optimizer's arrays by name, zeros at first.
        scratch: as long as the others; holds nothing between calls.
    """

    def __init__(self, dtype: np.dtype[Any], variables: Sequence[Trainable], slots: Sequence[str]) -> None:
        sizes = [int(np.prod(v.shape)) for v in variables]
        ends = np.cumsum([0, *sizes]).tolist()
        self.variables = tuple(variables)
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

    def slot(self, name: str, variable: Trainable) -> Array | None:
        """The part (n,) of a slot that belongs to a variable, or None where there is none."""
        for other, at in zip(self.variables, self.segments, strict=True):
            if other is variable and name in self.slots:
                return self.slots[name][at]
        return None

    def constrain(self) -> None:
        """Make the values of each variable what its constraint allows."""
        for variable in self.variables:
            if variable.constraint is not None:
                variable.buffer[...] = variable.constraint(variable.buffer)

    def touch(self) -> None:
        """Tell the variables that their values have changed."""
        for variable in self.variables:
            variable.touch()


def group(variables: Sequence[Trainable], slots: Sequence[str]) -> list[Flat]:
    """One Flat for each dtype, variables in the order given, a variable that is given twice taken once."""
    by_dtype: dict[np.dtype[Any], list[Trainable]] = {}
    for variable in {id(v): v for v in variables}.values():
        by_dtype.setdefault(np.dtype(variable.dtype), []).append(variable)
    return [Flat(dtype, of_dtype, slots) for dtype, of_dtype in by_dtype.items()]
