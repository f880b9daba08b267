"""Penalties on weights, under Keras's names: a number that training adds to the loss, and its gradient.

    layers.Dense(3, kernel_regularizer=regularizers.L2(1e-4))       # or "l2", with Keras's default of 0.01

`model.losses` holds the penalties of the weights as they are. Only weights that are trained are penalized.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from . import core
from .configured import Configured
from .exports import public
from .lookup import Lookup, both

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]

Array = NDArray[Any]


class Regularizer(Configured):
    """A penalty. A subclass gives its value and its gradient, and lists its constructor's arguments in `arguments`.

    Example:
        >>> class Offset(Regularizer):
        ...     def __call__(self, w):
        ...         return float((w - 1).sum() ** 2)
        ...
        ...     def gradient(self, w):
        ...         return np.full_like(w, 2 * (w - 1).sum())
    """

    _depends: ClassVar[Mapping[str, tuple[str, str]]] = {"__call__": ("gradient", "write gradient(w) too")}

    #: Whether the penalty of an array is the sum of those of its parts, so that parts may be taken together.
    additive = False

    def __call__(self, w: Any) -> float:
        """The penalty of an array."""
        raise NotImplementedError(f"{type(self).__name__}.__call__ is not written")

    def gradient(self, w: Any) -> Array:
        """Its derivative by each number of the array, in the array's shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__}.gradient is not written")


class L1L2(Regularizer):
    """l1 sum(abs(w)) + l2 sum(w**2); None stands for 0."""

    additive = True

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = core.check_number("l1", 0.0 if l1 is None else l1, 0)
        self.l2 = core.check_number("l2", 0.0 if l2 is None else l2, 0)

    def __call__(self, w: Any) -> float:
        a = _floats(w)
        total = self.l1 * float(np.abs(a).sum()) if self.l1 else 0.0
        return total + (self.l2 * float(np.square(a).sum()) if self.l2 else 0.0)

    def gradient(self, w: Any) -> Array:
        a = _floats(w)
        slope = a * (2 * self.l2)
        if self.l1:
            slope += self.l1 * np.sign(a)
        return np.asarray(slope, a.dtype)


class L1(L1L2):
    """l1 sum(abs(w)); at 0 the slope is taken as 0. None stands for 0.01."""

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(0.01 if l1 is None else l1, 0.0)


class L2(L1L2):
    """l2 sum(w**2). None stands for 0.01."""

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(0.0, 0.01 if l2 is None else l2)


class OrthogonalRegularizer(Regularizer):
    """factor times the mean absolute cosine between two different rows (or columns) of a matrix.

    Args:
        factor: a number >= 0. mode: "rows" or "columns".

    A row of zeros has cosine 0 to all others, and no gradient.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = core.check_number("factor", factor, 0)
        if mode not in ("rows", "columns"):
            raise ValueError(f"mode must be 'rows' or 'columns', got {mode!r}")
        self.mode = mode

    def __call__(self, w: Any) -> float:
        unit, _ = self._units(w)
        cosines = core.matmul(unit, unit.T)
        np.fill_diagonal(cosines, 0)
        return self._share(len(unit)) * float(np.abs(cosines).sum())

    def gradient(self, w: Any) -> Array:
        unit, inverse = self._units(w)
        signs = np.sign(core.matmul(unit, unit.T))
        np.fill_diagonal(signs, 0)
        dunit = 2 * self._share(len(unit)) * core.matmul(signs, unit)
        # a row's unit vector does not change along itself
        slope = (dunit - unit * (dunit * unit).sum(-1, keepdims=True)) * inverse
        return np.asarray(slope if self.mode == "rows" else slope.T, _floats(w).dtype)

    def _units(self, w: Any) -> tuple[Array, Array]:
        """The rows (columns) over their norms, and the inverses of the norms (n, 1), 0 for a row of zeros."""
        a = _floats(w)
        if a.ndim != 2:
            raise ValueError(f"expected a weight with two axes for an OrthogonalRegularizer, got shape {a.shape}")
        rows = a if self.mode == "rows" else a.T
        norms = np.sqrt(np.square(rows).sum(-1, keepdims=True))
        inverse = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
        return rows * inverse, inverse

    def _share(self, n: int) -> float:
        """What one of the n (n - 1) cosines counts; 0 where there is one row alone, and no pair."""
        return self.factor / (n * (n - 1)) if n > 1 else 0.0


def _floats(w: Any) -> Array:
    a = np.asarray(w)
    return a if a.dtype.kind == "f" else a.astype(np.float64)


#: Keras's other names of the classes.
l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

_LOOKUP: Lookup[Regularizer] = Lookup(
    "regularizer",
    Regularizer,
    {"l1": L1, "l2": L2, "l1l2": L1L2, "orthogonal_regularizer": OrthogonalRegularizer},
    {"l1_l2": L1L2},
)


def get(identifier: Any, argument: str = "regularizer") -> Regularizer | None:
    """A regularizer from its name, its class, its configuration, or itself; None is none.

    `argument` is the name to blame in a message.

    Raises:
        ValueError: none has this name. TypeError: it is none of these. A bare function has no gradient here: subclass
        `Regularizer`.
    """
    return None if identifier is None else _LOOKUP.get(identifier, argument)


serialize, deserialize = both(get)


class Penalized(Protocol):
    """What a penalty needs of a variable."""

    regularizer: Regularizer | None

    @property
    def value(self) -> Array: ...
    @property
    def grad(self) -> Array: ...


def penalties(variables: Iterable[Penalized]) -> list[float]:
    """The penalty of each variable that has a regularizer; of one that comes twice, once."""
    once = {id(v): v for v in variables}.values()
    return [float(v.regularizer(v.value)) for v in once if v.regularizer is not None]


def add_gradients(variables: Iterable[Penalized], scale: float = 1.0) -> None:
    """Add `scale` times the gradient of each penalty to the variable's `grad`, as a pullback adds the loss's.

    Training calls it once a step, before the optimizer's: clipping sees the sum, as in Keras.
    """
    for v in {id(v): v for v in variables}.values():
        if v.regularizer is not None:
            slope = v.regularizer.gradient(v.value)
            v.grad[...] += slope if scale == 1 else scale * slope


__dir__ = public(globals())
