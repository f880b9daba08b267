"""Operations along axes: sums, means, extremes; and products of arrays. Rules are as in `arithmetic`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import core
from .arithmetic import Array, Back, Rule, to_shape, without


def _axes(x: Any, axis: Any) -> tuple[int, ...]:
    """The axes counted from the front."""
    if axis is None:
        return tuple(range(np.ndim(x)))
    listed, rank = axis if isinstance(axis, list | tuple) else [axis], np.ndim(x)
    if any([not -rank <= a < rank for a in listed]):
        raise ValueError(f"expected an axis that an array of shape {np.shape(x)} has, got {axis}")
    return tuple([int(a) % rank for a in listed])


def _spread(d: Array, x: Any, axes: tuple[int, ...]) -> Array:
    """What was reduced, with its axes back, broadcast to x."""
    return np.broadcast_to(np.reshape(d, [1 if i in axes else n for i, n in enumerate(np.shape(x))]), np.shape(x))


def total(x: Any, axis: Any = None, keepdims: bool = False) -> tuple[Any, Back]:
    """The sum along axes, or of all."""
    axes = _axes(x, axis)
    return np.sum(x, axes, keepdims=keepdims), lambda dy: [_spread(dy, x, axes)]


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> tuple[Any, Back]:
    """The mean along axes, or of all."""
    axes = _axes(x, axis)
    count = math.prod(np.shape(x)[a] for a in axes)
    return np.mean(x, axes, keepdims=keepdims), lambda dy: [_spread(dy, x, axes) / count]


def variance(x: Any, axis: Any = None, keepdims: bool = False) -> tuple[Any, Back]:
    """The mean square of what differs from the mean."""
    axes = _axes(x, axis)
    count = math.prod(np.shape(x)[a] for a in axes)
    away = x - np.mean(x, axes, keepdims=True)
    return np.mean(away * away, axes, keepdims=keepdims), lambda dy: [_spread(dy, x, axes) * away * (2 / count)]


def _extreme(reduce: Any) -> Any:
    def rule(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> tuple[Any, Back]:
        axes = _axes(x, axis)
        bound = {} if initial is None else {"initial": initial}
        y = reduce(x, axis=axes, keepdims=keepdims, **bound)

        def back(dy: Array) -> list[Array | None]:
            best = np.equal(x, _spread(y, x, axes))
            # those that are equal share it, as in Keras on JAX
            return [best * (_spread(dy, x, axes) / np.maximum(best.sum(axes, keepdims=True), 1))]

        return y, back

    return rule


largest, smallest = _extreme(np.max), _extreme(np.min)


def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> tuple[Any, Back]:
    """The sums of all up to each place."""

    def back(dy: Array) -> list[Array | None]:
        if axis is None:
            return [np.cumsum(dy[::-1])[::-1].reshape(np.shape(x))]
        return [np.flip(np.cumsum(np.flip(dy, axis), axis), axis)]

    return np.cumsum(x, axis, dtype), back


def _before(x: Array) -> Array:
    """The product of all before each place along the last axis."""
    return np.cumprod(np.concatenate([np.ones_like(x[..., :1]), x[..., :-1]], -1), -1)


def product(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> tuple[Any, Back]:
    """The product along axes, or of all."""
    axes = _axes(x, axis)

    def back(dy: Array) -> list[Array | None]:
        # the product of all others, also where one is 0
        rest = [i for i in range(np.ndim(x)) if i not in axes]
        turned = np.transpose(x, [*rest, *axes])
        row = turned.reshape([*turned.shape[: len(rest)], -1])
        others = _before(row) * np.flip(_before(np.flip(row, -1)), -1)
        return [_spread(dy, x, axes) * np.transpose(others.reshape(turned.shape), np.argsort([*rest, *axes]))]

    return np.prod(x, axes, dtype, keepdims=keepdims), back


def places(function: Callable[..., Any]) -> Rule:
    """A rule of places and counts, int32, through which no gradient goes."""
    return without(lambda *args, **options: np.asarray(function(*args, **options)).astype(np.int32))


def _in_one_dtype(*arrays: Any) -> list[Array] | None:
    """The arrays in the dtype of their product; None where that is not ours (and so no work for BLAS's threads)."""
    dtype = np.result_type(*arrays)
    return [np.asarray(x, dtype) for x in arrays] if dtype in (np.float32, np.float64) else None


def _matmul(a: Any, b: Any) -> Array:
    floats = _in_one_dtype(a, b)
    return np.matmul(a, b) if floats is None or 0 in (np.ndim(a), np.ndim(b)) else core.matmul(*floats)


def _einsum(terms: list[str], out: str, operands: Any) -> Array:
    floats = _in_one_dtype(*operands)
    if len(operands) == 1 or floats is None:
        return np.asarray(np.einsum(f"{','.join(terms)}->{out}", *operands))
    return core.einsum(floats[0], terms[0], floats[1], terms[1], out)


def matmul(x1: Any, x2: Any) -> tuple[Any, Back]:
    """Products of matrices, as `numpy.matmul`."""
    a = x1[None] if np.ndim(x1) == 1 else x1
    b = x2[:, None] if np.ndim(x2) == 1 else x2
    product = _matmul(a, b)
    places = [axis for axis, x in ((-2, x1), (-1, x2)) if np.ndim(x) == 1]
    y = product.squeeze(tuple(places))[()]

    def back(dy: Array) -> list[Array | None]:
        d = dy[..., None] if np.ndim(x2) == 1 else dy
        d = np.expand_dims(d, -2) if np.ndim(x1) == 1 else d
        da, db = _matmul(d, np.swapaxes(b, -1, -2)), _matmul(np.swapaxes(a, -1, -2), d)
        return [to_shape(da, a).reshape(np.shape(x1)), to_shape(db, b).reshape(np.shape(x2))]

    return y, back


def dot(x1: Any, x2: Any) -> tuple[Any, Back]:
    """Sums over the last axis of x1 and the last but one of x2, as `numpy.dot`; for x2 of at most two axes."""
    if np.ndim(x2) > 2:
        raise ValueError(f"expected x2 of dot to have at most two axes, got shape {np.shape(x2)}; use matmul or einsum")
    if np.ndim(x1) == 0 or np.ndim(x2) == 0:
        return np.multiply(x1, x2), lambda dy: [to_shape(dy * x2, x1), to_shape(dy * x1, x2)]
    return matmul(x1, x2)


def einsum(*operands: Any, subscripts: str) -> tuple[Any, Back]:
    """Sums of products by letters, "bij,bjk->bik": of one or two arrays, each letter once in each of them."""
    terms, arrow, out = subscripts.replace(" ", "").partition("->")
    letters = terms.split(",")
    plain = arrow and "." not in subscripts and all(len(set(t)) == len(t) for t in (*letters, out))
    if not plain or len(letters) != len(operands) or len(letters) > 2:
        raise NotImplementedError(
            "subscripts must be like 'bij,bjk->bik', for one or two arrays, without an ellipsis or a letter twice in "
            f"one array, got {subscripts!r} for {len(operands)} arrays"
        )

    def back(dy: Array) -> list[Array | None]:
        return [_partial(i, dy) for i in range(len(operands))]

    def _partial(i: int, dy: Array) -> Array:
        others = [(letters[j], operands[j]) for j in range(len(operands)) if j != i]
        known = set(out).union(*(names for names, _ in others))
        kept = "".join(c for c in letters[i] if c in known)
        partial = _einsum([out, *(names for names, _ in others)], kept, [dy, *(value for _, value in others)])
        # a letter that stands here alone was summed over: its gradient is the same everywhere
        shape = [size if c in known else 1 for c, size in zip(letters[i], operands[i].shape, strict=True)]
        return np.array(np.broadcast_to(partial.reshape(shape), operands[i].shape))

    return _einsum(letters, out, operands)[()], back
