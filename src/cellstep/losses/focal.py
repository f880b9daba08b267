"""Focal crossentropies: what is predicted well already counts less, by a power of what is missing from 1.

Source: Lin et al. 2018. Probabilities are clipped as in the other crossentropies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..core import check_bool, check_number
from .alignment import EPSILON, Array, LossPullback, match
from .base import mean_of_entries, one_a_row
from .crossentropy import CategoricalCrossentropy, Crossentropy, smoothing


def _power(base: Array, gamma: float) -> tuple[Array, Array]:
    """base ** gamma and its derivative by the base, 0 at a base of 0."""
    base = np.maximum(base, 0)
    safe = np.where(base > 0, base, 1)
    return base**gamma, np.where(base > 0, gamma * safe ** (gamma - 1), 0)


class BinaryFocalCrossentropy(Crossentropy):
    """Binary crossentropy times (1 - p_t)**gamma, p_t the probability of what is so; the mean over the last axis.

    Args:
        apply_class_balancing: weigh class 1 by alpha and class 0 by 1 - alpha.
        alpha, gamma: as above.
        from_logits, label_smoothing, axis, reduction, name, dtype: as in `BinaryCrossentropy`.
    """

    default_name = "binary_focal_crossentropy"

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(from_logits, axis, reduction, name, dtype)
        self.apply_class_balancing = check_bool("apply_class_balancing", apply_class_balancing)
        self.alpha, self.gamma = check_number("alpha", alpha), check_number("gamma", gamma, 0)
        self.label_smoothing = smoothing(label_smoothing)

    def prepare(self, y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
        t, s = match(y_true, y_pred, live), self.label_smoothing
        return t * (1 - s) + s / 2 if s else t

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, LossPullback]:
        t, p = y_true, y_pred
        if self.from_logits:
            small = np.exp(-np.abs(y_pred))
            p = np.where(y_pred >= 0, 1, small) / (1 + small)
        q = np.clip(p, EPSILON, 1 - EPSILON)
        cross = -(t * np.log(q) + (1 - t) * np.log1p(-q))
        dcross = np.where((p < EPSILON) | (p > 1 - EPSILON), 0, (q - t) / (q * (1 - q)))
        factor, dfactor = _power(1 - (t * p + (1 - t) * (1 - p)), self.gamma)
        weight: Any = t * self.alpha + (1 - t) * (1 - self.alpha) if self.apply_class_balancing else 1
        slope = weight * (factor * dcross - dfactor * (2 * t - 1) * cross)
        if self.from_logits:
            slope = slope * p * (1 - p)
        return mean_of_entries(weight * factor * cross, slope, y_pred)


class CategoricalFocalCrossentropy(CategoricalCrossentropy):
    """-sum(alpha (1 - p)**gamma t log p) over the last axis, for one-hot targets.

    Args:
        alpha: a number, or one for each class. gamma: as above.
        from_logits, label_smoothing, axis, reduction, name, dtype: as in `CategoricalCrossentropy`.
    """

    default_name = "categorical_focal_crossentropy"

    def __init__(
        self,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        one = np.ndim(alpha) == 0
        self.alpha = check_number("alpha", alpha) if one else [check_number("alpha", a) for a in alpha]  # type: ignore[union-attr]
        self.gamma = check_number("gamma", gamma, 0)

    def prepare(self, y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
        if isinstance(self.alpha, list) and len(self.alpha) != y_pred.shape[-1]:
            raise ValueError(
                f"alpha must be one number, or one for each of {y_pred.shape[-1]} classes, got {self.alpha}"
            )
        return super().prepare(y_true, y_pred, live)

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, LossPullback]:
        e = np.exp(y_pred - y_pred.max(-1, keepdims=True)) if self.from_logits else y_pred
        total = e.sum(-1, keepdims=True)
        share = e / total
        p = np.clip(share, EPSILON, 1 - EPSILON)
        cross, (factor, dfactor) = -y_true * np.log(p), _power(1 - p, self.gamma)
        alpha = np.asarray(self.alpha, y_pred.dtype)
        slope = alpha * np.where((share < EPSILON) | (share > 1 - EPSILON), 0, -factor * y_true / p - dfactor * cross)
        slope = slope - (slope * share).sum(-1, keepdims=True)
        slope = slope * share if self.from_logits else slope / total
        return one_a_row((alpha * factor * cross).sum(-1), slope, y_pred)
