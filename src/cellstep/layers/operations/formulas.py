"""Operations that are formulas of others: norms, losses, quantiles, differences, products along axes.

Each is written once, with operators and functions of ops; its gradient follows (`composed`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import core
from .composed import f


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The logarithm of the sum of exponentials along axes, or of all, without overflow."""
    top = f.max(x, axis=axis, keepdims=True)
    top = f.stop_gradient(f.where(f.isfinite(top), top, 0))
    y = f.log(f.sum(f.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else f.squeeze(y, axis=axis)


def average(x: Any, weights: Any = None, axis: int | None = None) -> Any:
    """The mean along an axis, or of all, by weights: of x's shape, or one for each place along the axis."""
    if weights is None:
        return f.mean(x, axis=axis)
    if weights.ndim != x.ndim and axis is not None:
        weights = f.reshape(weights, newshape=[-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    return f.sum(x * weights, axis=axis) / f.sum(f.ones_like(x) * weights, axis=axis)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The root of the variance."""
    return f.sqrt(f.var(x, axis=axis, keepdims=keepdims))


def gelu(x: Any, approximate: bool = True) -> Any:
    """x times the normal distribution below it, by default nearly so, through tanh."""
    if approximate:
        return 0.5 * x * (1 + f.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + f.erf(x * math.sqrt(0.5)))


def unstack(x: Any, num: int | None = None, axis: int = 0) -> Any:
    """The parts of length 1 along an axis, without it."""
    parts = f.split(x, indices_or_sections=x.shape[axis], axis=axis)
    return [f.squeeze(part, axis=axis) for part in parts]


def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """The mean and the variance along axes."""
    return [f.mean(x, axis=axes, keepdims=keepdims), f.var(x, axis=axes, keepdims=keepdims)]


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm along an axis: the Euclidean one by default, or that of an order; over several axes, or all where None,
    the root of the sum of squares."""
    sizes = {"axis": axis, "keepdims": keepdims}
    one = x.ndim == 1 if axis is None else np.ndim(axis) == 0 or len(axis) == 1
    if ord is None or (ord == "fro" and not one) or (ord == 2 and one):
        return f.sqrt(f.sum(x * x, **sizes))
    if not one or isinstance(ord, str):
        raise ValueError(f"ord must be None, or with one axis a number, got {ord!r} with axis={axis!r}")
    if abs(ord) == math.inf:
        return (f.max if ord > 0 else f.min)(f.absolute(x), **sizes)
    if ord == 0:
        return f.sum(f.cast(f.not_equal(x, 0), dtype=x.dtype), **sizes)
    return f.power(f.sum(f.absolute(x) ** ord, **sizes), 1 / ord)


def normalize(x: Any, axis: Any = -1, order: float = 2, epsilon: float | None = None) -> Any:
    """x over its norm along an axis."""
    epsilon = core.epsilon() if epsilon is None else epsilon
    if order == 2:
        return x * f.rsqrt(f.maximum(f.sum(x * x, axis=axis, keepdims=True), epsilon**2))
    return x / f.maximum(norm(x, order, axis, True), epsilon)


def _log_shares(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return f.log_softmax(output, axis=axis)
    shares = output / f.sum(output, axis=axis, keepdims=True)
    return f.log(f.clip(shares, x_min=core.epsilon(), x_max=1 - core.epsilon()))


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """The crossentropy of shares along an axis: of probabilities, or of logits."""
    return -f.sum(target * _log_shares(output, from_logits, axis), axis=axis)


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """The crossentropy of labels along an axis: of probabilities, or of logits."""
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = f.squeeze(target, axis=-1)
    shares = f.one_hot(target, num_classes=output.shape[axis], axis=axis, dtype=output.dtype)
    return -f.sum(shares * _log_shares(output, from_logits, axis), axis=axis)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """The crossentropy of each probability, or logit."""
    if from_logits:
        return -(target * f.log_sigmoid(output) + (1 - target) * f.log_sigmoid(-output))
    output = f.clip(output, x_min=core.epsilon(), x_max=1 - core.epsilon())
    return -(target * f.log(output) + (1 - target) * f.log(1 - output))


def sort(x: Any, axis: int | None = -1) -> Any:
    """The entries in order along an axis, or of the flat array."""
    x, axis = (f.reshape(x, newshape=-1), 0) if axis is None else (x, axis)
    return f.take_along_axis(x, f.argsort(x, axis=axis), axis=axis)


def top_k(x: Any, k: int, sorted: bool = True) -> Any:
    """The k largest along the last axis, in descending order, and their places, int32."""
    places = f.argsort(-x, axis=-1)[..., :k]
    return [f.take_along_axis(x, places, axis=-1), places]


def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """What a share q of the entries along an axis, or of all, lies below; for a vector of shares along a new first
    axis."""
    if method != "linear":
        raise NotImplementedError(f"method={method!r} is not built; expected method='linear', got {method!r}")
    axes = sorted({a % x.ndim for a in (range(x.ndim) if axis is None else np.atleast_1d(axis).tolist())})
    rest = [i for i in range(x.ndim) if i not in axes]
    flat = f.reshape(f.transpose(x, axes=[*rest, *axes]), newshape=[*(x.shape[i] for i in rest), -1])
    ordered = f.sort(flat, axis=-1)
    place = q * (ordered.shape[-1] - 1.0)
    low, high = (f.take(ordered, f.cast(end(place), dtype="int32"), axis=-1) for end in (f.floor, f.ceil))
    y = low + (high - low) * (place - f.floor(place))
    y = f.moveaxis(y, source=-1, destination=0) if q.ndim else y
    return f.expand_dims(y, axis=[a + q.ndim for a in axes]) if keepdims else y


def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The entry in the middle along axes, or of all; the mean of the two there where their number is even."""
    return quantile(x, np.asarray(0.5), axis, keepdims=keepdims)


def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """What each entry along an axis differs from the one before; n times."""
    before = (slice(None),) * (axis % a.ndim)
    for _ in range(n):
        a = a[(*before, slice(1, None))] - a[(*before, slice(None, -1))]
    return a


def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Sums of products over these axes of each, or over the last so many of x1 and the first of x2."""
    if isinstance(axes, int | np.integer):
        axes = [range(x1.ndim - axes, x1.ndim), range(axes)]
    over1, over2 = ([a % x.ndim for a in np.atleast_1d(part)] for x, part in zip((x1, x2), axes, strict=True))
    rest1, rest2 = ([i for i in range(x.ndim) if i not in over] for x, over in ((x1, over1), (x2, over2)))
    count = math.prod(x1.shape[a] for a in over1)
    left = f.reshape(f.transpose(x1, axes=[*rest1, *over1]), newshape=[-1, count])
    right = f.reshape(f.transpose(x2, axes=[*over2, *rest2]), newshape=[count, -1])
    return f.reshape(f.matmul(left, right), newshape=[*(x1.shape[i] for i in rest1), *(x2.shape[i] for i in rest2)])


def inner(x1: Any, x2: Any) -> Any:
    """Sums of products over the last axis of both."""
    return tensordot(x1, x2, ([-1], [-1])) if x1.ndim and x2.ndim else x1 * x2


def outer(x1: Any, x2: Any) -> Any:
    """The product of each entry of x1 with each of x2."""
    return f.reshape(x1, newshape=[-1, 1]) * f.reshape(x2, newshape=[1, -1])


def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum along axes, or of all, of what is not NaN."""
    return f.sum(f.where(f.isnan(x), 0, x), axis=axis, keepdims=keepdims)


def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean along axes, or of all, of what is not NaN."""
    return nansum(x, axis, keepdims) / f.sum(f.logical_not(f.isnan(x)), axis=axis, keepdims=keepdims)
