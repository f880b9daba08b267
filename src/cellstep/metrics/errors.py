"""Metrics that average the values of a loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import losses
from ..losses.base import align, match
from ..ops import plain
from .base import LossMetric


class MeanSquaredError(LossMetric):
    """The mean of (y_pred - y_true)**2."""

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.MeanSquaredError(), name, dtype)


class MeanAbsoluteError(LossMetric):
    """The mean of abs(y_pred - y_true)."""

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(losses.MeanAbsoluteError(), name, dtype)


class BinaryCrossentropy(LossMetric):
    """The mean binary crossentropy."""

    arguments = ("from_logits", "label_smoothing")

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        self.from_logits, self.label_smoothing = from_logits, label_smoothing
        super().__init__(losses.BinaryCrossentropy(from_logits, label_smoothing), name, dtype)


class CategoricalCrossentropy(LossMetric):
    """The mean crossentropy of one-hot targets; arguments as of the loss."""

    arguments = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis
        super().__init__(losses.CategoricalCrossentropy(from_logits, label_smoothing, axis), name, dtype)


class SparseCategoricalCrossentropy(LossMetric):
    """The mean crossentropy of integer labels; arguments as of the loss."""

    arguments: tuple[str, ...] = ("from_logits", "ignore_class", "axis")

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        loss = losses.SparseCategoricalCrossentropy(from_logits, ignore_class, axis)
        self.from_logits, self.ignore_class, self.axis = loss.from_logits, loss.ignore_class, axis
        super().__init__(loss, name, dtype)

    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        if self.ignore_class is not None:
            # As in the loss, what is ignored does not count; Keras 3.15 counts it as 0 in the metric.
            counts = plain("y_true", y_true).reshape(np.shape(y_pred)[:-1]) != self.ignore_class
            mask = counts if mask is None else counts & align("mask", plain("mask", mask).astype(bool), counts.shape)
        super().update_state(y_true, y_pred, sample_weight, mask)


class Perplexity(SparseCategoricalCrossentropy):
    """exp of the mean crossentropy of integer labels: among how many equal choices a model seems to guess.

    Beyond Keras. Arguments as of `SparseCategoricalCrossentropy`.
    """

    arguments = ("from_logits", "ignore_class")

    def __init__(
        self, name: str = "perplexity", dtype: Any = None, from_logits: bool = False, ignore_class: int | None = None
    ) -> None:
        super().__init__(name, dtype, from_logits, ignore_class)

    def result(self) -> float:
        """1 and more; 0 where nothing was added."""
        return math.exp(self.total / self.count) if self.count else 0.0


class RootMeanSquaredError(LossMetric):
    """The root of the mean of (y_pred - y_true)**2. Weights may have the shape of the predictions too."""

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.MeanSquaredError(), name, dtype)

    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        p = plain("y_pred", y_pred)
        self.add((match(plain("y_true", y_true), p, None) - p) ** 2, sample_weight, mask)

    def result(self) -> float:
        return math.sqrt(super().result())


class MeanAbsolutePercentageError(LossMetric):
    """100 times the mean of abs((y_pred - y_true) / y_true)."""

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(losses.MeanAbsolutePercentageError(), name, dtype)


class MeanSquaredLogarithmicError(LossMetric):
    """The mean of (log(1 + y_pred) - log(1 + y_true))**2."""

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(losses.MeanSquaredLogarithmicError(), name, dtype)


class LogCoshError(LossMetric):
    """The mean of log(cosh(y_pred - y_true))."""

    def __init__(self, name: str = "logcosh", dtype: Any = None) -> None:
        super().__init__(losses.LogCosh(), name, dtype)


class Poisson(LossMetric):
    """The mean of y_pred - y_true log(y_pred)."""

    def __init__(self, name: str = "poisson", dtype: Any = None) -> None:
        super().__init__(losses.Poisson(), name, dtype)


class KLDivergence(LossMetric):
    """The mean of sum(y_true log(y_true / y_pred)) over the last axis."""

    def __init__(self, name: str = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(losses.KLDivergence(), name, dtype)


class Hinge(LossMetric):
    """The mean of max(1 - y_true y_pred, 0)."""

    def __init__(self, name: str = "hinge", dtype: Any = None) -> None:
        super().__init__(losses.Hinge(), name, dtype)


class SquaredHinge(LossMetric):
    """The mean of max(1 - y_true y_pred, 0)**2."""

    def __init__(self, name: str = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(losses.SquaredHinge(), name, dtype)


class CategoricalHinge(LossMetric):
    """The mean of the hinge between the right class and its nearest rival."""

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(losses.CategoricalHinge(), name, dtype)


class CosineSimilarity(LossMetric):
    """The mean cosine between y_true and y_pred over the last axis: 1 is alike (the loss has the other sign)."""

    direction = "up"
    arguments = ("axis",)

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        self.axis = axis
        super().__init__(losses.CosineSimilarity(axis=axis), name, dtype)

    def result(self) -> float:
        return 0.0 - super().result()
