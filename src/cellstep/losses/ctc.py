"""CTC: the loss of labels whose places in a longer sequence are not known.

-log of the probability of all paths of one class a step that become the labels when repetitions are drawn together and
blanks are left out. Source: Graves et al. 2006; in logarithms, forward and backward, over batch and labels at once.

With the labels l_1 ... l_N and blanks around each, S = 2N + 1 places, and p_t(s) the probability of place s at step t:

    alpha_t(s) = p_t(s) (alpha_t-1(s) + alpha_t-1(s-1) + alpha_t-1(s-2), this where s is a label unlike that at s-2)
    beta_t(s)  = the same from the end, without p_t(s)
    d loss / d logit_t(k) = softmax_t(k) - sum over the places s of class k of alpha_t(s) beta_t(s) / P
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .alignment import Array, LossPullback
from .base import Loss

#: The class that stands for no label; padding of labels too.
BLANK = 0


class CTC(Loss):
    """One value a sequence, for logits (B, T, classes) and labels (B, N), padded with 0 on the right.

    Class 0 is the blank, as in Keras; labels are 1 .. classes - 1. A mask (B, T) says which steps there are: the others
    are taken as certainly blank, which for padding on either side is to leave them out (Keras does not look at it).

    Args:
        reduction, name, dtype: as in `Loss`.

    Raises:
        ValueError: a label out of range, a 0 before a label, or more labels than the steps can hold.
    """

    default_name = "ctc"

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: DTypeLike | None = None
    ) -> None:
        super().__init__(name, reduction, dtype)

    def value_shape(self, y_pred: Array, y_true: Array) -> tuple[int, ...]:
        if y_pred.ndim != 3:
            raise ValueError(f"y_pred must be (batch, time, classes) for CTC, got shape {y_pred.shape}")
        return y_pred.shape[:1]

    def prepare(self, y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
        (B,), classes = self.value_shape(y_pred, y_true), y_pred.shape[-1]
        if y_true.ndim != 2 or len(y_true) != B:
            raise ValueError(f"y_true must be (batch, labels) with {B} rows for CTC, got shape {y_true.shape}")
        if y_true.dtype.kind not in "iub" and not (y_true.dtype.kind == "f" and (y_true == np.trunc(y_true)).all()):
            raise ValueError(f"y_true must hold integer labels, got dtype {y_true.dtype}")
        labels = y_true.astype(np.intp)
        if live is not None:
            labels = np.where(live[:, None], labels, BLANK)
        if labels.size and not (labels.min() >= 0 and labels.max() < classes):
            bad = labels[(labels < 0) | (labels >= classes)].flat[0]
            raise ValueError(f"y_true must hold labels from 0 to {classes - 1} for {classes} classes, got {bad}")
        if ((labels[:, :-1] == BLANK) & (labels[:, 1:] != BLANK)).any():
            raise ValueError("y_true must have its zeros, which are padding, after the labels of a row, got one before")
        # a step for each label, and one for a blank between two that are alike
        held = (y_pred[..., 1:] > _NEVER / 2).any(-1).sum(-1) if classes > 1 else np.zeros(B)
        needed = (labels != BLANK).sum(-1) + ((labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] != BLANK)).sum(-1)
        if (needed > held).any():
            row = int((needed > held).argmax())
            raise ValueError(f"y_true must fit into the steps: row {row} needs {needed[row]}, got {int(held[row])}")
        return labels

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, LossPullback]:
        B, T, classes = y_pred.shape
        # float64 whatever comes: sums of T logarithms are taken back out of the logarithm
        z = y_pred.astype(np.float64)
        z -= z.max(-1, keepdims=True, initial=_NEVER)
        log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
        places = np.full((B, 2 * y_true.shape[1] + 1), BLANK)
        places[:, 1::2] = y_true
        jumps = np.zeros(places.shape, bool)
        jumps[:, 2:] = (places[:, 2:] != BLANK) & (places[:, 2:] != places[:, :-2])
        emitted = np.take_along_axis(log_p, places[:, None, :], 2).swapaxes(0, 1)
        ends = 2 * (y_true != BLANK).sum(-1)[:, None]
        rows = np.arange(places.shape[1])
        alpha = _forward(emitted, jumps)
        ended = (rows == ends) | (rows == ends - 1)
        last = alpha[-1] if T else np.where(rows == 0, 0.0, -np.inf)
        log_total = np.logaddexp.reduce(np.where(ended, last, -np.inf), axis=-1)

        def pullback(dvalues: Array) -> Array:
            beta = _backward(emitted, jumps, ended)
            shares = np.exp(alpha + beta - log_total[:, None]).swapaxes(0, 1)
            steps = (np.arange(B)[:, None] * T + np.arange(T)) * classes
            at = steps[..., None] + places[:, None, :]
            taken = np.bincount(at.ravel(), shares.ravel(), B * T * classes).reshape(y_pred.shape)
            return np.asarray((np.exp(log_p) - taken) * dvalues[:, None, None], y_pred.dtype)

        return np.asarray(-log_total, y_pred.dtype), pullback

    def differentiable(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None, mask: ArrayLike | None
    ) -> tuple[Any, Callable[[Array | None], Array]]:
        if mask is None or np.ndim(mask) != 2 or np.ndim(y_pred) != 3 or np.shape(mask) != np.shape(y_pred)[:2]:
            return super().differentiable(y_true, y_pred, sample_weight, mask)
        runs = np.asarray(mask).astype(bool, copy=False)[..., None]
        pred = self._predictions(y_pred)
        blank = np.where(np.arange(pred.shape[-1]) == BLANK, 0, _NEVER).astype(pred.dtype)
        value, gradient = super().differentiable(y_true, np.where(runs, pred, blank), sample_weight, None)
        return value, lambda d: np.where(runs, gradient(d), 0)


#: A logit whose probability is 0, finite so that differences of two of them are.
_NEVER = -1e30


def _shifted(a: Array, by: int) -> Array:
    """a moved along its last axis, minus infinity where nothing comes from."""
    out = np.full_like(a, -np.inf)
    if by > 0:
        out[:, by:] = a[:, :-by]
    else:
        out[:, :by] = a[:, -by:]
    return out


def _forward(emitted: Array, jumps: Array) -> Array:
    """log alpha (T, B, S), for log probabilities of places (T, B, S)."""
    alpha = np.empty_like(emitted)
    before = np.full(jumps.shape, -np.inf)
    before[:, 0] = 0
    for t, e in enumerate(emitted):
        came = np.logaddexp(before, _shifted(before, 1))
        if t:
            came = np.logaddexp(came, np.where(jumps, _shifted(before, 2), -np.inf))
        before = alpha[t] = came + e
    return alpha


def _backward(emitted: Array, jumps: Array, ended: Array) -> Array:
    """log beta (T, B, S)."""
    beta = np.empty_like(emitted)
    after = np.where(ended, 0.0, -np.inf)
    for t in reversed(range(len(emitted))):
        beta[t] = after
        ahead = after + emitted[t]
        after = np.logaddexp(ahead, _shifted(ahead, -1))
        after = np.logaddexp(after, _shifted(np.where(jumps, ahead, -np.inf), -2))
    return beta
