"""Losses of overlap, Dice and Tversky, and generalized crossentropy, which noisy labels disturb less.

They are written as a user would write one: the gradient follows from the operations.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import math
from ..ops import check_number
from ..ops.arguments import check_axes
from .base import EPSILON, Array, Loss
from .tracing import targets


class Tversky(Loss):
    """1 - both / (both + alpha only_true + beta only_predicted), each a sum of products over axes.

    Args:
        alpha: what counts a target that is not predicted. beta: what counts a prediction that is no target.
        axis: the axes of the sums, such as (1, 2) for one value a row; all where None, which gives one number for the
            batch, without weights or a mask.
        reduction, name, dtype: as in `Loss`.

    Source: Salehi et al. 2017.
    """

    default_name = "tversky"
    arguments: ClassVar[tuple[str, ...]] = ("alpha", "beta", "axis")

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.alpha, self.beta = check_number("alpha", alpha), check_number("beta", beta)
        self.axis = None if axis is None else check_axes("axis", axis)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        both = math.sum(y_true * y_pred, axis=self.axis)
        only_true = math.sum((1 - y_pred) * y_true, axis=self.axis)
        only_predicted = math.sum(y_pred * (1 - y_true), axis=self.axis)
        return 1 - both / (both + self.alpha * only_true + self.beta * only_predicted + EPSILON)


class Dice(Loss):
    """1 - 2 sum(true * predicted) / (sum(true) + sum(predicted)); axis as of `Tversky`."""

    default_name = "dice"
    arguments: ClassVar[tuple[str, ...]] = ("axis",)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Any = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.axis = None if axis is None else check_axes("axis", axis)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        both = math.sum(y_true * y_pred, axis=self.axis)
        return 1 - 2 * both / (math.sum(y_true, axis=self.axis) + math.sum(y_pred, axis=self.axis) + EPSILON)


class CategoricalGeneralizedCrossEntropy(Loss):
    """(1 - p**q) / q for the probability p of the class that is labelled.

    Args:
        q: between 0, where it is crossentropy, and 1, where it is the mean absolute error, both left out.
        reduction, name, dtype: as in `Loss`.

    Targets are labels (B, ...) 0 .. n - 1 for probabilities (B, ..., n).

    Source: Zhang and Sabuncu 2018.
    """

    default_name = "categorical_generalized_cross_entropy"
    arguments: ClassVar[tuple[str, ...]] = ("q",)

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        if not 0 < check_number("q", q) < 1:
            raise ValueError(f"q must be between 0 and 1, both left out, got {q!r}")
        self.q = float(q)

    def prepare(self, y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
        labels = targets(y_true, y_pred, live)
        classes = y_pred.shape[-1]
        wrong = labels[(labels < 0) | (labels >= classes) | (labels != np.trunc(labels))]
        if wrong.size:
            raise ValueError(f"y_true must hold labels from 0 to {classes - 1}, got {wrong.flat[0]:g}")
        return labels

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if len(y_true.shape) == len(y_pred.shape):
            y_true = y_true[..., 0]
        chosen = math.one_hot(math.cast(y_true, "int32"), y_pred.shape[-1], dtype=str(y_pred.dtype))
        return (1 - math.sum(y_pred * chosen, axis=-1) ** self.q) / self.q
