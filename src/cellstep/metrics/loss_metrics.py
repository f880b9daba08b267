"""Metrics that average the values of a loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import losses
from ..core import plain
from ..losses.alignment import Array, as_mask, match
from .means import LossMetric


class _Plain(LossMetric):
    """The mean of the values of a loss that takes no options."""

    loss_class: type[losses.Loss]

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(self.loss_class(), name, dtype)


class MeanSquaredError(_Plain):
    """The mean of (y_pred - y_true)**2."""

    default_name, loss_class = "mean_squared_error", losses.MeanSquaredError


class MeanAbsoluteError(_Plain):
    """The mean of abs(y_pred - y_true)."""

    default_name, loss_class = "mean_absolute_error", losses.MeanAbsoluteError


class MeanAbsolutePercentageError(_Plain):
    """100 times the mean of abs((y_pred - y_true) / y_true)."""

    default_name, loss_class = "mean_absolute_percentage_error", losses.MeanAbsolutePercentageError


class MeanSquaredLogarithmicError(_Plain):
    """The mean of (log(1 + y_pred) - log(1 + y_true))**2."""

    default_name, loss_class = "mean_squared_logarithmic_error", losses.MeanSquaredLogarithmicError


class LogCoshError(_Plain):
    """The mean of log(cosh(y_pred - y_true))."""

    default_name, loss_class = "logcosh", losses.LogCosh


class Poisson(_Plain):
    """The mean of y_pred - y_true log(y_pred)."""

    default_name, loss_class = "poisson", losses.Poisson


class KLDivergence(_Plain):
    """The mean of sum(y_true log(y_true / y_pred)) over the last axis."""

    default_name, loss_class = "kl_divergence", losses.KLDivergence


class Hinge(_Plain):
    """The mean of max(1 - y_true y_pred, 0)."""

    default_name, loss_class = "hinge", losses.Hinge


class SquaredHinge(_Plain):
    """The mean of max(1 - y_true y_pred, 0)**2."""

    default_name, loss_class = "squared_hinge", losses.SquaredHinge


class CategoricalHinge(_Plain):
    """The mean of the hinge between the right class and its nearest rival."""

    default_name, loss_class = "categorical_hinge", losses.CategoricalHinge


class RootMeanSquaredError(_Plain):
    """The root of the mean of (y_pred - y_true)**2. Weights may have the shape of the predictions too."""

    default_name, loss_class = "root_mean_squared_error", losses.MeanSquaredError

    def values(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any, mask: Any) -> Array:
        p = plain("y_pred", y_pred)
        squares: Array = (match(plain("y_true", y_true), p, None) - p) ** 2
        return squares

    def result(self) -> float:
        return math.sqrt(super().result())


class CosineSimilarity(LossMetric):
    """The mean cosine between y_true and y_pred over the last axis: 1 is alike (the loss has the other sign)."""

    default_name, direction = "cosine_similarity", "up"

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1) -> None:
        super().__init__(losses.CosineSimilarity(axis), name, dtype)

    def result(self) -> float:
        return 0.0 - super().result()


class BinaryCrossentropy(LossMetric):
    """The mean binary crossentropy."""

    default_name = "binary_crossentropy"

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(losses.BinaryCrossentropy(from_logits, label_smoothing), name, dtype)


class CategoricalCrossentropy(LossMetric):
    """The mean crossentropy of one-hot targets; arguments as of the loss."""

    default_name = "categorical_crossentropy"

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        super().__init__(losses.CategoricalCrossentropy(from_logits, label_smoothing, axis), name, dtype)


class SparseCategoricalCrossentropy(LossMetric):
    """The mean crossentropy of integer labels; arguments as of the loss."""

    default_name = "sparse_categorical_crossentropy"
    ignore_class: int | None

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(losses.SparseCategoricalCrossentropy(from_logits, ignore_class, axis), name, dtype)

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
            mask = counts if mask is None else counts & as_mask(mask, counts.shape)
        super().update_state(y_true, y_pred, sample_weight, mask)


class Perplexity(SparseCategoricalCrossentropy):
    """exp of the mean crossentropy of integer labels: among how many equal choices a model seems to guess.

    Beyond Keras. Arguments as of `SparseCategoricalCrossentropy`.
    """

    default_name = "perplexity"

    def __init__(
        self, name: str | None = None, dtype: Any = None, from_logits: bool = False, ignore_class: int | None = None
    ) -> None:
        super().__init__(name, dtype, from_logits, ignore_class)

    def result(self) -> float:
        """1 and more; 0 where nothing was added."""
        return math.exp(self.total / self.count) if self.count else 0.0
