"""Constraints on weights, under Keras's names: what a weight becomes after each step of the optimizer.

    layers.LSTM(8, recurrent_constraint=constraints.MaxNorm(3))     # or "max_norm", with Keras's default of 2

A norm is taken along `axis`, an integer or several; 0 for a kernel (inputs, units): that of what goes into each unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import core
from .configured import Configured
from .core.arguments import places
from .exports import public
from .lookup import Lookup, both, names_in

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

Array = NDArray[Any]

#: Added to norms before they divide.
EPSILON = 1e-7


class Constraint(Configured):
    """A function from a weight to an allowed weight. A subclass lists its constructor's arguments in `arguments`.

    Example:
        >>> class Rounded(Constraint):
        ...     def __call__(self, w):
        ...         return np.round(w, 2)
    """

    def __call__(self, w: Any) -> Array:
        """A new array of the same shape and dtype; `w` stays as it is."""
        raise NotImplementedError(f"{type(self).__name__}.__call__ is not written")


class NonNeg(Constraint):
    """Negative numbers become 0."""

    def __call__(self, w: Any) -> Array:
        return np.asarray(np.maximum(w, 0))


class _Norm(Constraint):
    """Scales what lies along `axis` to a norm that depends on the norm it has."""

    def __init__(self, axis: int | Sequence[int]) -> None:
        self.axis = _axes(axis)

    def wanted(self, norms: Array) -> Array | float:
        raise NotImplementedError

    def __call__(self, w: Any) -> Array:
        a = np.asarray(w)
        norms = np.sqrt(np.square(a).sum(axis=places("axis", self.axis, a.shape), keepdims=True))
        return np.asarray(a * (self.wanted(norms) / (norms + EPSILON)), a.dtype)


class MaxNorm(_Norm):
    """Norms above max_value are scaled down to it."""

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0) -> None:
        super().__init__(axis)
        self.max_value = core.check_number("max_value", max_value, 0)

    def wanted(self, norms: Array) -> Array:
        return np.minimum(norms, self.max_value)


class UnitNorm(_Norm):
    """Every norm becomes 1; zeros stay zeros."""

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        super().__init__(axis)

    def wanted(self, norms: Array) -> float:
        return 1.0


class MinMaxNorm(_Norm):
    """Norms are moved into min_value .. max_value, all the way with rate 1, a part of it with less."""

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int | Sequence[int] = 0
    ) -> None:
        super().__init__(axis)
        self.min_value = core.check_number("min_value", min_value, 0)
        self.max_value = core.check_number("max_value", max_value, 0)
        if self.min_value > self.max_value:
            raise ValueError(f"min_value must be at most max_value, got {min_value!r} and {max_value!r}")
        self.rate = core.check_number("rate", rate, 0, 1)

    def wanted(self, norms: Array) -> Array:
        return self.rate * np.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms


def _axes(axis: int | Sequence[int]) -> int | list[int]:
    """An axis, or a list of them, that goes through JSON."""
    several = isinstance(axis, list | tuple)
    for one in axis if isinstance(axis, list | tuple) else (axis,):
        if isinstance(one, bool) or not isinstance(one, int | np.integer):
            raise TypeError(f"axis must be an integer or a list of them, got {axis!r}")
    if isinstance(axis, list | tuple) and not axis:
        raise ValueError(f"axis must be an integer or a list of one or more, got {axis!r}")
    return [int(a) for a in axis] if several else int(axis)  # type: ignore[union-attr, arg-type]


#: Keras's other names of the classes.
max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm

_LOOKUP: Lookup[Constraint] = Lookup("constraint", Constraint, names_in(globals(), Constraint))


def get(identifier: Any, argument: str = "constraint") -> Constraint | None:
    """A constraint from its name, its class, its configuration, or itself; None is none.

    `argument` is the name to blame in a message.

    Raises:
        ValueError: none has this name. TypeError: it is none of these; for a function of the user's, subclass
        `Constraint`.
    """
    return None if identifier is None else _LOOKUP.get(identifier, argument)


serialize, deserialize = both(get)


__dir__ = public(globals())
