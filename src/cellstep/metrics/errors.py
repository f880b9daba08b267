"""Metrics that average the values of a loss."""

from __future__ import annotations

from .. import losses
from .base import LossMetric


class MeanSquaredError(LossMetric):
    """The mean of (y_pred - y_true)**2."""

    def __init__(self, name: str = "mean_squared_error") -> None:
        super().__init__(losses.MeanSquaredError(), name)


class MeanAbsoluteError(LossMetric):
    """The mean of abs(y_pred - y_true)."""

    def __init__(self, name: str = "mean_absolute_error") -> None:
        super().__init__(losses.MeanAbsoluteError(), name)


class BinaryCrossentropy(LossMetric):
    """The mean binary crossentropy."""

    def __init__(
        self, name: str = "binary_crossentropy", from_logits: bool = False, label_smoothing: float = 0.0
    ) -> None:
        super().__init__(losses.BinaryCrossentropy(from_logits, label_smoothing), name)


class CategoricalCrossentropy(LossMetric):
    """The mean crossentropy of one-hot targets."""

    def __init__(
        self, name: str = "categorical_crossentropy", from_logits: bool = False, label_smoothing: float = 0.0
    ) -> None:
        super().__init__(losses.CategoricalCrossentropy(from_logits, label_smoothing), name)


class SparseCategoricalCrossentropy(LossMetric):
    """The mean crossentropy of integer labels."""

    def __init__(self, name: str = "sparse_categorical_crossentropy", from_logits: bool = False) -> None:
        super().__init__(losses.SparseCategoricalCrossentropy(from_logits), name)
