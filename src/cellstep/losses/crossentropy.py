"""Binary, categorical and sparse categorical crossentropy, on probabilities or on logits.

On logits the sigmoid or softmax is fused with the logarithm, so nothing overflows and the gradient is exactly
probability minus target. Probabilities are clipped to [eps, 1 - eps], eps = 1e-7, and have no gradient outside, as
in Keras: a saturated output does not learn. Give logits where that matters.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import core
from ..configured import levels_to_user
from .alignment import EPSILON, Array, LossPullback, match, steps_hint
from .base import Loss, mean_of_entries, one_a_row


class Crossentropy(Loss):
    """What crossentropies share: predictions may be logits."""

    by_step = True

    def __init__(
        self, from_logits: bool, axis: int, reduction: str | None, name: str | None, dtype: DTypeLike | None
    ) -> None:
        super().__init__(name, reduction, dtype)
        if axis != -1:
            raise NotImplementedError(f"axis other than -1 is not implemented, got {axis!r}")
        self.axis = axis
        self.from_logits = core.check_bool("from_logits", from_logits)


def _clipped(p: Array) -> NDArray[np.bool_]:
    """Where a probability is outside [eps, 1 - eps]. NaN is not: it must reach the gradient."""
    return np.asarray((p < EPSILON) | (p > 1 - EPSILON))


def smoothing(label_smoothing: float) -> float:
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be between 0 and 1, got {label_smoothing!r}")
    return float(label_smoothing)


class BinaryCrossentropy(Crossentropy):
    """-(t log p + (1 - t) log(1 - p)), the mean over the last axis.

    Args:
        from_logits: predictions are logits, p = sigmoid(y_pred).
        label_smoothing: s in [0, 1]; targets become t (1 - s) + s/2.
        axis: -1, nothing else.
        reduction, name, dtype: as in `Loss`.

    Targets have the shape of the predictions; a last axis of length 1 may be left out.
    """

    default_name = "binary_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(from_logits, axis, reduction, name, dtype)
        self.label_smoothing = smoothing(label_smoothing)

    def prepare(self, y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
        t = match(y_true, y_pred, live)
        if t.size and (t.min() < 0 or t.max() > 1):
            bad = t.min() if t.min() < 0 else t.max()
            warnings.warn(
                f"y_true of {self.name} should be from 0 to 1, got {bad:g}; for classes 0, 1, 2, ... use "
                "sparse_categorical_crossentropy",
                stacklevel=levels_to_user(),
            )
        s = self.label_smoothing
        return t * (1 - s) + s / 2 if s else t

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, LossPullback]:
        if self.from_logits:
            z = y_pred
            # log(1 + exp(z)) - t z, arranged so that exp never sees a positive number
            small = np.exp(-np.abs(z))
            values = np.maximum(z, 0) - z * y_true + np.log1p(small)
            slope = np.where(z >= 0, 1, small) / (1 + small) - y_true
        else:
            p = np.clip(y_pred, EPSILON, 1 - EPSILON)
            values = -(y_true * np.log(p) + (1 - y_true) * np.log1p(-p))
            slope = np.where(_clipped(y_pred), 0, (p - y_true) / (p * (1 - p)))
        return mean_of_entries(values, slope, y_pred)


def _log_softmax(z: Array) -> tuple[Array, Array]:
    """log(softmax(z)) over the last axis, and softmax(z)."""
    shifted = z - z.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(shifted)
    total = e.sum(-1, keepdims=True)
    e /= total
    shifted -= np.log(total)
    return shifted, e


class CategoricalCrossentropy(Crossentropy):
    """-sum(t log p) over the last axis, for targets that are distributions over the classes, one-hot most often.

    Args:
        from_logits: predictions are logits, p = softmax(y_pred); otherwise p = y_pred / sum(y_pred).
        label_smoothing: s in [0, 1]; targets become t (1 - s) + s / classes.
        axis: -1, nothing else.
        reduction, name, dtype: as in `Loss`.
    """

    default_name = "categorical_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(from_logits, axis, reduction, name, dtype)
        self.label_smoothing = smoothing(label_smoothing)

    def prepare(self, y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
        if y_true.shape != y_pred.shape:
            labels = y_true.shape in (y_pred.shape[:-1], (*y_pred.shape[:-1], 1))
            hint = steps_hint(y_true.ndim, y_pred.ndim)
            hint = "; for integer labels use sparse_categorical_crossentropy" if labels else hint
            raise ValueError(
                f"y_true must have the shape {y_pred.shape} of y_pred, one entry a class, got {y_true.shape}{hint}"
            )
        if y_pred.shape[-1] == 1:
            warnings.warn(
                f"y_pred of {self.name} should have 2 classes or more, got 1, whose probability is always 1; with a "
                "sigmoid use binary_crossentropy",
                stacklevel=levels_to_user(),
            )
        t = match(y_true, y_pred, live)
        s = self.label_smoothing
        return t * (1 - s) + s / t.shape[-1] if s else t

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, LossPullback]:
        if self.from_logits:
            log_p, p = _log_softmax(y_pred)
            values = -(y_true * log_p).sum(-1)
            slope = p * y_true.sum(-1, keepdims=True) - y_true
        else:
            total = y_pred.sum(-1, keepdims=True)
            share = y_pred / total
            p = np.clip(share, EPSILON, 1 - EPSILON)
            values = -(y_true * np.log(p)).sum(-1)
            inside = np.where(_clipped(share), 0, y_true)
            slope = (inside.sum(-1, keepdims=True) - inside / p) / total
        return one_a_row(values, slope, y_pred)


class SparseCategoricalCrossentropy(Crossentropy):
    """-log p[label], for integer labels.

    Args:
        from_logits: predictions are logits, p = softmax(y_pred); otherwise p = y_pred / sum(y_pred).
        ignore_class: a label, -1 often, whose entries do not count, as if they were masked.
        axis: -1, nothing else.
        reduction, name, dtype: as in `Loss`.

    Labels are (B,) or (B, 1) for predictions (B, classes), and (B, T) or (B, T, 1) for (B, T, classes): integers, or
    floats that hold integers, from 0 to classes - 1. Where a mask or a weight of 0 takes an entry out, its label may
    be anything.
    """

    default_name = "sparse_categorical_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(from_logits, axis, reduction, name, dtype)
        self.ignore_class = None if ignore_class is None else core.check_integer("ignore_class", ignore_class)

    def ignored(self, y_true: Array, y_pred: Array) -> NDArray[np.bool_] | None:
        if self.ignore_class is None:
            return None
        skip: NDArray[np.bool_] = np.equal(_label_shape(y_true, y_pred), self.ignore_class)
        return skip

    def prepare(self, y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
        labels = _label_shape(y_true, y_pred)
        if live is not None:
            labels = np.where(live, labels, 0)
        classes = y_pred.shape[-1]
        if labels.dtype.kind == "f" and not np.array_equal(labels, np.trunc(labels)):
            bad = labels[labels != np.trunc(labels)].flat[0]
            raise ValueError(f"y_true must hold integer labels, got {bad}")
        if labels.size and not (labels.min() >= 0 and labels.max() < classes):
            low, high = labels.min(), labels.max()
            bad = low if low < 0 else high
            hint = f"; the last layer needs {int(high) + 1} units for it"
            if low < 0:
                hint = f"; ignore_class={int(low)} of the loss leaves such labels out"
            elif low == 1 and high == classes:
                hint = "; labels begin at 0, so give y - 1"
            raise ValueError(
                f"y_true must hold labels from 0 to {classes - 1}, as there are {classes} units, got {bad}{hint}"
            )
        return labels.astype(np.intp, copy=False)

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, LossPullback]:
        # where the labels' entries are among all
        at = y_true.reshape(-1) + y_pred.shape[-1] * np.arange(y_true.size)
        if self.from_logits:
            log_p, p = _log_softmax(y_pred)

            def pullback(dvalues: Array) -> Array:
                grad: Array = np.multiply(p, dvalues[..., None], out=np.empty(y_pred.shape, y_pred.dtype))
                grad.reshape(-1)[at] -= dvalues.reshape(-1)
                return grad

            return -log_p.reshape(-1)[at].reshape(y_true.shape), pullback

        total = y_pred.sum(-1, keepdims=True)
        share = y_pred.reshape(-1)[at].reshape(total.shape) / total
        p_label = np.clip(share, EPSILON, 1 - EPSILON)
        clipped = _clipped(share)

        def pull(dvalues: Array) -> Array:
            base = np.where(clipped, 0, dvalues[..., None] / total)
            grad = np.array(np.broadcast_to(base, y_pred.shape), y_pred.dtype, order="C")
            grad.reshape(-1)[at] = (base - base / p_label).reshape(-1)
            return grad

        return -np.log(p_label)[..., 0], pull


def _label_shape(y_true: Array, y_pred: Array) -> Array:
    """Labels in the shape y_pred.shape[:-1], or an error that says so."""
    if y_true.dtype.kind not in "fiub":
        raise TypeError(f"y_true must hold integer labels, got {core.kind('y_true', y_true)}")
    shape = y_pred.shape[:-1]
    if y_true.shape != shape and y_true.shape != (*shape, 1):
        hint = "; for one-hot targets use categorical_crossentropy"
        if y_true.shape != y_pred.shape:
            hint = steps_hint(y_true.ndim + 1, y_pred.ndim)
        raise ValueError(
            f"y_true must have the shape {shape} or {(*shape, 1)}, one label a value, got {y_true.shape}{hint}"
        )
    return y_true.reshape(shape)
