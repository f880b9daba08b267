"""Accuracies, and the choice among them that "accuracy" stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import check_bool, check_count, check_number
from ..losses.alignment import Array
from .functions import (
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from .means import MeanMetricWrapper


class _Plain(MeanMetricWrapper):
    """The mean of a function that takes no options."""

    direction = "up"
    function: Callable[..., Array]

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(type(self).function, name, dtype)


class Accuracy(_Plain):
    """How often y_pred equals y_true."""

    default_name = "accuracy"
    function = staticmethod(accuracy)


class CategoricalAccuracy(_Plain):
    """How often the most probable class is that of a one-hot target. Logits will do."""

    default_name = "categorical_accuracy"
    function = staticmethod(categorical_accuracy)


class SparseCategoricalAccuracy(_Plain):
    """How often the most probable class is the integer label. Logits will do."""

    default_name = "sparse_categorical_accuracy"
    function = staticmethod(sparse_categorical_accuracy)


class BinaryAccuracy(MeanMetricWrapper):
    """How often y_pred is on the side of `threshold` that y_true, 0 or 1, says."""

    default_name, direction = "binary_accuracy", "up"

    def __init__(self, name: str | None = None, dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=check_number("threshold", threshold))


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class of a one-hot target is among the k most probable."""

    default_name, direction = "top_k_categorical_accuracy", "up"

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=check_count("k", k))


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the label is among the k most probable classes; from_sorted_ids: y_pred is labels, the best first."""

    default_name, direction = "sparse_top_k_categorical_accuracy", "up"

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None, from_sorted_ids: bool = False) -> None:
        options = {"k": check_count("k", k), "from_sorted_ids": check_bool("from_sorted_ids", from_sorted_ids)}
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, **options)


def resolve(name: str, true_shape: tuple[int, ...], pred_shape: tuple[int, ...]) -> MeanMetricWrapper:
    """The metric that "accuracy" stands for: Keras decides by shapes alone, and so do we.

    One output is binary; targets of a lower rank, or with one column for several outputs, are labels; otherwise they
    are one-hot.
    """
    if pred_shape[-1] == 1:
        return BinaryAccuracy(name)
    if len(true_shape) < len(pred_shape) or true_shape[-1] == 1:
        return SparseCategoricalAccuracy(name)
    return CategoricalAccuracy(name)
