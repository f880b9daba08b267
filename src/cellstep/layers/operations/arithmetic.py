"""Elementwise operations: their values, and the gradient of each argument.

A rule takes arrays or numbers, which broadcast as in NumPy, and gives y and `back(dy) -> gradients`, one an argument,
each of the shape that its argument has; None for an argument that has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import activations, core

Array = NDArray[Any]
Back = Callable[[Array], Sequence[Array | None]]
Rule = Callable[..., tuple[Any, Back]]


def to_shape(gradient: Any, like: Any) -> Array:
    """The gradient of an argument from that of what it was broadcast to."""
    shape = np.shape(like)
    d: Array = np.asarray(gradient)
    if d.shape == shape:
        return d
    d = d.sum(axis=tuple(range(d.ndim - len(shape))))
    axes = tuple(i for i, size in enumerate(shape) if size == 1 and d.shape[i] != 1)
    return np.asarray(d.sum(axis=axes, keepdims=True)) if axes else np.asarray(d)


def floats(x: Any) -> Array:
    """x, or where it holds integers the same in float32."""
    a: Array = np.asarray(x)
    return np.asarray(a if a.dtype.kind == "f" else a.astype(np.float32))


def binary(value: Callable[..., Any], slopes: Callable[..., tuple[Any, Any]]) -> Rule:
    """A rule of two arguments: slopes(a, b, y) are dy/da and dy/db."""

    def rule(a: Any, b: Any) -> tuple[Any, Back]:
        y = np.asarray(value(a, b))

        def back(dy: Array) -> list[Array | None]:
            with np.errstate(all="ignore"):
                da, db = slopes(a, b, y)
            return [to_shape(dy * da, a), to_shape(dy * db, b)]

        return y, back

    return rule


def unary(value: Callable[..., Any], slope: Callable[..., Any]) -> Rule:
    """A rule of one argument: slope(x, y) is dy/dx; both take the options."""

    def rule(x: Any, **options: Any) -> tuple[Any, Back]:
        y = np.asarray(value(x, **options))

        def back(dy: Array) -> list[Array | None]:
            with np.errstate(all="ignore"):
                return [dy * slope(x, y, **options)]

        return y, back

    return rule


def without(value: Callable[..., Any]) -> Rule:
    """A rule through which no gradient goes."""

    def rule(*args: Any, **options: Any) -> tuple[Any, Back]:
        return np.asarray(value(*args, **options)), lambda dy: [None] * len(args)

    return rule


def activation(name: str) -> Rule:
    """One of `cellstep.activations`."""

    def rule(x: Any) -> tuple[Any, Back]:
        y, back = activations.get(name).forward(floats(x))
        return y, lambda dy: [back(dy)]

    return rule


#: NumPy has no error function; the C library's, one number at a time, is exact in float64.
_ERF = np.frompyfunc(math.erf, 1, 1)


def erf(x: Any) -> Array:
    return np.asarray(_ERF(x), floats(x).dtype)


def elu(x: Any, alpha: float) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def leaky(x: Any, negative_slope: float) -> Any:
    return np.where(x > 0, x, negative_slope * x)


def divide_no_nan(a: Any, b: Any) -> Any:
    """a / b, and 0 where b is 0."""
    return np.where(np.equal(b, 0), 0, np.true_divide(a, np.where(np.equal(b, 0), 1, b)))


def along(name: str) -> Rule:
    """One of `cellstep.activations` that works along the last axis, along another."""

    def rule(x: Any, axis: int = -1) -> tuple[Any, Back]:
        y, back = activations.get(name).forward(np.ascontiguousarray(np.moveaxis(floats(x), axis, -1)))

        def turned(dy: Array) -> list[Array | None]:
            return [np.moveaxis(back(np.ascontiguousarray(np.moveaxis(dy, axis, -1))), -1, axis)]

        return np.moveaxis(y, -1, axis), turned

    return rule


def power_slopes(a: Any, b: Any, y: Any) -> tuple[Any, Any]:
    positive = np.asarray(a) > 0
    return b * np.power(a, np.asarray(b) - 1.0), np.where(positive, y * np.log(np.where(positive, a, 1)), 0)


def extreme_slopes(a: Any, b: Any, y: Any) -> tuple[Any, Any]:
    """Where both are equal they share the gradient, as in Keras on JAX."""
    tie = np.equal(a, b)
    of_a = np.where(tie, 0.5, np.equal(a, y))
    return of_a, 1 - of_a


def full(shape: Any, fill_value: Any, dtype: Any) -> Any:
    """An array of one number, or of an array that is repeated."""
    return np.full(shape, fill_value, dtype or core.floatx())


def arange(start: Any, stop: Any, step: Any, dtype: Any) -> Any:
    """Numbers at equal distances, up to `stop`, or from 0 up to `start`; integers where all are."""
    start, stop = (0, start) if stop is None else (start, stop)
    return np.arange(start, stop, 1 if step is None else step, dtype=dtype)


def clip(x: Any, x_min: float, x_max: float) -> tuple[Any, Back]:
    """x within bounds; the gradient is 1 inside, 0 outside, and a half on a bound, as in Keras on JAX."""
    y = np.clip(x, x_min, x_max)

    def back(dy: Array) -> list[Array | None]:
        above = (np.greater(x, x_min) + 1.0 * np.greater_equal(x, x_min)) / 2
        below = (np.less(x, x_max) + 1.0 * np.less_equal(x, x_max)) / 2
        return [dy * (above * below)]

    return y, back


def where(condition: Any, x1: Any, x2: Any) -> tuple[Any, Back]:
    """x1 where the condition holds, else x2."""

    def back(dy: Array) -> list[Array | None]:
        return [None, to_shape(np.where(condition, dy, 0), x1), to_shape(np.where(condition, 0, dy), x2)]

    return np.where(condition, x1, x2), back


def cast(x: Any, dtype: Any) -> tuple[Any, Back]:
    """x in another dtype; the gradient goes through floats alone, into the dtype that x has."""
    x = np.asarray(x)
    y = x.astype(dtype)
    through = x.dtype.kind == "f" and y.dtype.kind == "f"
    return y, lambda dy: [dy.astype(x.dtype) if through else None]


def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> tuple[Any, Back]:
    """A row with a 1 at the place of each label; zeros for a label that is out of range, as in Keras."""
    if sparse:
        raise NotImplementedError(f"sparse=True is not built; expected sparse=False, got {sparse!r}")
    rows = np.asarray(x)[..., None] == np.arange(num_classes)
    return np.moveaxis(rows.astype(dtype or core.floatx()), -1, axis), lambda dy: [None]


def stop_gradient(x: Any) -> tuple[Any, Back]:
    """x, through which no gradient goes."""
    return np.asarray(x), lambda dy: [None]
