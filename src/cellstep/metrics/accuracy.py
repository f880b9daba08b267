"""Accuracies, and the choice among them that "accuracy" stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..losses.base import Array
from ..ops import check_bool, check_count, check_number, plain
from .base import MeanMetricWrapper


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> Array:
    """1 where (y_pred > threshold) equals y_true. A last axis of length 1 may be missing on either side."""
    t, p = plain("y_true", y_true), plain("y_pred", y_pred)
    return np.asarray(np.equal(_like("y_true", t, p), p > threshold), float)


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where the largest entry of y_pred (..., n) is where that of y_true (..., n) is."""
    t, p = plain("y_true", y_true), plain("y_pred", y_pred)
    if t.shape != p.shape:
        raise ValueError(f"y_true must have the shape {p.shape} of y_pred, one entry a class, got {t.shape}")
    return np.asarray(t.argmax(-1) == p.argmax(-1), float)


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where the largest entry of y_pred (..., n) is at the label y_true (...) or (..., 1)."""
    t, p = plain("y_true", y_true), plain("y_pred", y_pred)
    shape = p.shape[:-1]
    if t.shape != shape and t.shape != (*shape, 1):
        raise ValueError(f"y_true must have the shape {shape} or {(*shape, 1)}, one label a value, got {t.shape}")
    return np.asarray(t.reshape(shape) == p.argmax(-1), float)


def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """1 where the largest entry of y_true (..., n) is among the k largest of y_pred (..., n)."""
    t, p = plain("y_true", y_true), plain("y_pred", y_pred)
    if t.shape != p.shape:
        raise ValueError(f"y_true must have the shape {p.shape} of y_pred, one entry a class, got {t.shape}")
    return sparse_top_k_categorical_accuracy(t.argmax(-1), p, k)


def sparse_top_k_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> Array:
    """1 where the label y_true (...) or (..., 1) is among the k largest of y_pred (..., n), ties included.

    With from_sorted_ids, y_pred holds labels, the best first.
    """
    t, p = plain("y_true", y_true), plain("y_pred", y_pred)
    shape = p.shape[:-1]
    if t.shape != shape and t.shape != (*shape, 1):
        raise ValueError(f"y_true must have the shape {shape} or {(*shape, 1)}, one label a value, got {t.shape}")
    labels = t.reshape((*shape, 1))
    if from_sorted_ids:
        return np.asarray((p[..., :k] == labels).any(-1), float)
    inside = (labels >= 0) & (labels < p.shape[-1])
    own = np.take_along_axis(p, np.where(inside, labels, 0).astype(np.intp), -1)
    return np.asarray(inside[..., 0] & ((p > own).sum(-1) < k) & np.isfinite(own[..., 0]), float)


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where y_pred equals y_true."""
    t, p = plain("y_true", y_true), plain("y_pred", y_pred)
    return np.asarray(np.equal(_like("y_true", t, p), p), float)


def _like(name: str, a: Array, b: Array) -> Array:
    """`a` in the shape of `b`, from which it may differ in a last axis of length 1."""
    if a.shape != b.shape and (*a.shape, 1) != b.shape and a.shape != (*b.shape, 1):
        raise ValueError(f"{name} must have the shape {b.shape} of y_pred, got {a.shape}")
    return a.reshape(b.shape)


class Accuracy(MeanMetricWrapper):
    """How often y_pred equals y_true."""

    direction = "up"

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often y_pred is on the side of `threshold` that y_true, 0 or 1, says."""

    direction = "up"

    arguments = ("threshold",)

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        self.threshold = check_number("threshold", threshold)
        super().__init__(binary_accuracy, name, dtype, threshold=self.threshold)


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the most probable class is that of a one-hot target. Logits will do."""

    direction = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the most probable class is the integer label. Logits will do."""

    direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class of a one-hot target is among the k most probable."""

    direction = "up"
    arguments = ("k",)

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        self.k = check_count("k", k)
        super().__init__(top_k_categorical_accuracy, name, dtype, k=self.k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the label is among the k most probable classes; from_sorted_ids: y_pred is labels, the best first."""

    direction = "up"
    arguments = ("k", "from_sorted_ids")

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        self.k, self.from_sorted_ids = check_count("k", k), check_bool("from_sorted_ids", from_sorted_ids)
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=self.k, from_sorted_ids=self.from_sorted_ids)


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
