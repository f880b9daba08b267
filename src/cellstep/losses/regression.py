"""Losses that are a mean over the last axis of a function of each prediction and its target.

Targets have the shape of the predictions; a last axis of length 1 may be left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import add, ndarray
from numpy.typing import DTypeLike, NDArray

from ..core import check_number
from .alignment import EPSILON, Array, LossPullback, match
from .base import Loss, mean_of_entries, one_a_row


class Elementwise(Loss):
    """A mean over the last axis; a subclass gives the values and their slopes by the predictions."""

    by_step = True

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: DTypeLike | None = None
    ) -> None:
        super().__init__(name, reduction, dtype)

    def each(self, t: Array, p: Array) -> tuple[Array, Array]:
        """Values and slopes, both of the shape of the predictions p."""
        raise NotImplementedError(f"{type(self).__name__} must implement each")

    def prepare(self, y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
        if live is None and y_true.shape == y_pred.shape and y_true.dtype is y_pred.dtype:
            return y_true  # as most often
        return match(y_true, y_pred, live)

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, LossPullback]:
        return mean_of_entries(*self.each(y_true, y_pred), y_pred)

    def _alike(self, y_true: Any, y_pred: Any) -> tuple[Any, Array] | None:
        """Of predictions of one number each, whose mean over the last axis is that."""
        if type(y_pred) is not ndarray or type(y_true) is not ndarray or self.dtype is not None:
            return None
        shape, dtype = y_pred.shape, y_pred.dtype
        if len(shape) < 2 or shape[-1] != 1 or dtype.char not in "fd" or self.reduction in ("none", None):
            return None
        if type(self).forward is not Elementwise.forward:
            return None
        values, slopes = self.each(self.prepare(y_true, y_pred, None), y_pred)
        if values.dtype is not dtype or slopes.dtype is not dtype:
            return None
        factor = self._factor(shape, dtype)
        return add.reduce(values * factor, axis=None), slopes * factor


class MeanSquaredError(Elementwise):
    """mean((p - t)**2). Short name: "mse"."""

    default_name = "mean_squared_error"

    def each(self, t: Array, p: Array) -> tuple[Array, Array]:
        d = p - t
        return d * d, d + d


class MeanAbsoluteError(Elementwise):
    """mean(abs(p - t)). Short name: "mae". The gradient at 0 is 0."""

    default_name = "mean_absolute_error"

    def each(self, t: Array, p: Array) -> tuple[Array, Array]:
        d = p - t
        return np.abs(d), np.sign(d)


class MeanAbsolutePercentageError(Elementwise):
    """100 mean(abs(p - t) / abs(t)), with 1e-7 for smaller targets. Short name: "mape"."""

    default_name = "mean_absolute_percentage_error"

    def each(self, t: Array, p: Array) -> tuple[Array, Array]:
        d, scale = p - t, 100 / np.maximum(np.abs(t), EPSILON)
        return np.abs(d) * scale, np.sign(d) * scale


class MeanSquaredLogarithmicError(Elementwise):
    """mean((log(1 + p) - log(1 + t))**2), numbers below 1e-7 taken as that. Short name: "msle"."""

    default_name = "mean_squared_logarithmic_error"

    def each(self, t: Array, p: Array) -> tuple[Array, Array]:
        d = np.log1p(np.maximum(p, EPSILON)) - np.log1p(np.maximum(t, EPSILON))
        return np.square(d), np.where(p > EPSILON, 2 * d / (1 + np.maximum(p, EPSILON)), 0)


class Huber(Elementwise):
    """mean of d**2 / 2 where abs(d) <= delta, else delta abs(d) - delta**2 / 2, for d = p - t."""

    default_name = "huber_loss"

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        self.delta = check_number("delta", delta, 0)

    def each(self, t: Array, p: Array) -> tuple[Array, Array]:
        d = p - t
        size = np.abs(d)
        values = np.where(size <= self.delta, d * d / 2, self.delta * size - self.delta * self.delta / 2)
        return values, np.clip(d, -self.delta, self.delta)


class LogCosh(Elementwise):
    """mean(log(cosh(p - t))): half the square where small, the absolute value less log 2 where large."""

    default_name = "log_cosh"

    def each(self, t: Array, p: Array) -> tuple[Array, Array]:
        d = p - t
        size = np.abs(d)
        return size + np.log1p(np.exp(-2 * size)) - np.log(2), np.tanh(d)


class Poisson(Elementwise):
    """mean(p - t log(p + 1e-7)), for counts t and rates p."""

    default_name = "poisson"

    def each(self, t: Array, p: Array) -> tuple[Array, Array]:
        return p - t * np.log(p + EPSILON), 1 - t / (p + EPSILON)


class Hinge(Elementwise):
    """mean(max(1 - t p, 0)), for targets -1 and 1. Where all targets are 0 or 1, 0 stands for -1."""

    default_name = "hinge"

    def prepare(self, y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
        t = match(y_true, y_pred, live)
        return 2 * t - 1 if ((t == 0) | (t == 1)).all() else t

    def each(self, t: Array, p: Array) -> tuple[Array, Array]:
        gap = 1 - t * p
        return np.maximum(gap, 0), np.where(gap > 0, -t, 0)


class SquaredHinge(Hinge):
    """mean(max(1 - t p, 0)**2), for targets as of `Hinge`."""

    default_name = "squared_hinge"

    def each(self, t: Array, p: Array) -> tuple[Array, Array]:
        gap = np.maximum(1 - t * p, 0)
        return np.square(gap), -2 * t * gap


class _OverClasses(Elementwise):
    """One value for the whole last axis. A subclass gives the values and their slopes by each prediction."""

    def whole(self, t: Array, p: Array) -> tuple[Array, Array]:
        raise NotImplementedError(f"{type(self).__name__} must implement whole")

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, LossPullback]:
        return one_a_row(*self.whole(y_true, y_pred), y_pred)


class CategoricalHinge(_OverClasses):
    """max(1 + max((1 - t) p) - sum(t p), 0) over the last axis, for one-hot targets t."""

    default_name = "categorical_hinge"

    def whole(self, t: Array, p: Array) -> tuple[Array, Array]:
        others = (1 - t) * p
        rival = others.argmax(-1)[..., None]
        gap = 1 + np.take_along_axis(others, rival, -1)[..., 0] - (t * p).sum(-1)
        slope = np.array(-t)
        at = np.take_along_axis(slope, rival, -1) + 1 - np.take_along_axis(t, rival, -1)
        np.put_along_axis(slope, rival, at, -1)
        return np.maximum(gap, 0), np.where((gap > 0)[..., None], slope, 0)


class KLDivergence(_OverClasses):
    """sum(t log(t / p)) over the last axis, both first clipped to [1e-7, 1]. Short name: "kld"."""

    default_name = "kl_divergence"

    def whole(self, t: Array, p: Array) -> tuple[Array, Array]:
        t, q = np.clip(t, EPSILON, 1), np.clip(p, EPSILON, 1)
        return (t * np.log(t / q)).sum(-1), np.where((p < EPSILON) | (p > 1), 0, -t / q)


class CosineSimilarity(_OverClasses):
    """The cosine between t and p over the last axis, times -1: from -1, alike, to 1, opposite."""

    default_name = "cosine_similarity"

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(reduction, name, dtype)
        if axis != -1:
            raise NotImplementedError(f"axis other than -1 is not implemented, got {axis!r}")
        self.axis = axis

    def whole(self, t: Array, p: Array) -> tuple[Array, Array]:
        (t, _), (q, inverse) = _unit(t), _unit(p)
        cosine = (t * q).sum(-1, keepdims=True)
        # a norm below epsilon is taken as epsilon, and does not change with p
        along = np.where(inverse < 1 / EPSILON, q * cosine, 0)
        return -cosine[..., 0], (along - t) * inverse


def _unit(a: Array) -> tuple[Array, Any]:
    """a over its norm along the last axis, and the inverse of that norm, at most 1e7."""
    inverse = 1 / np.maximum(np.sqrt(np.square(a).sum(-1, keepdims=True)), EPSILON)
    return a * inverse, inverse
