"""Accuracies, and the choice among them that "accuracy" stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..losses.alignment import Array
from ..ops import check_bool, check_count, check_number, plain
from .means import MeanMetricWrapper


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> Array:
    """1 where (y_pred > threshold) equals y_true. A last axis of length 1 may be missing on either side."""
    t, p = _alike(y_true, y_pred)
    return np.asarray(np.equal(t, p > threshold), float)


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where the largest entry of y_pred (..., n) is where that of y_true (..., n) is."""
    t, p = _one_hot(y_true, y_pred)
    return np.asarray(t.argmax(-1) == p.argmax(-1), float)


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where the largest entry of y_pred (..., n) is at the label y_true (...) or (..., 1)."""
    t, p = _labels(y_true, y_pred)
    return np.asarray(t == p.argmax(-1), float)


def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """1 where the largest entry of y_true (..., n) is among the k largest of y_pred (..., n)."""
    t, p = _one_hot(y_true, y_pred)
    return sparse_top_k_categorical_accuracy(t.argmax(-1), p, k)


def sparse_top_k_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> Array:
    """1 where the label y_true (...) or (..., 1) is among the k largest of y_pred (..., n), ties included.

    With from_sorted_ids, y_pred holds labels, the best first.
    """
    t, p = _labels(y_true, y_pred)
    labels = t[..., None]
    if from_sorted_ids:
        return np.asarray((p[..., :k] == labels).any(-1), float)
    inside = (labels >= 0) & (labels < p.shape[-1])
    own = np.take_along_axis(p, np.where(inside, labels, 0).astype(np.intp), -1)
    return np.asarray(inside[..., 0] & ((p > own).sum(-1) < k) & np.isfinite(own[..., 0]), float)


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where y_pred equals y_true."""
    t, p = _alike(y_true, y_pred)
    return np.asarray(np.equal(t, p), float)


def _alike(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Targets in the shape of the predictions, from which they may differ in a last axis of length 1."""
    t, p = plain("y_true", y_true), plain("y_pred", y_pred)
    if t.shape != p.shape and (*t.shape, 1) != p.shape and t.shape != (*p.shape, 1):
        raise ValueError(f"y_true must have the shape {p.shape} of y_pred, got {t.shape}")
    return t.reshape(p.shape), p


def _one_hot(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Targets and predictions, both (..., n)."""
    t, p = plain("y_true", y_true), plain("y_pred", y_pred)
    if t.shape != p.shape:
        raise ValueError(f"y_true must have the shape {p.shape} of y_pred, one entry a class, got {t.shape}")
    return t, p


def _labels(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Labels (...) for predictions (..., n)."""
    t, p = plain("y_true", y_true), plain("y_pred", y_pred)
    shape = p.shape[:-1]
    if t.shape != shape and t.shape != (*shape, 1):
        raise ValueError(f"y_true must have the shape {shape} or {(*shape, 1)}, one label a value, got {t.shape}")
    return t.reshape(shape), p


class _Plain(MeanMetricWrapper):
    """The mean of a function of this file that takes no options."""

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
    arguments = ("threshold",)

    def __init__(self, name: str | None = None, dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=check_number("threshold", threshold))


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class of a one-hot target is among the k most probable."""

    default_name, direction = "top_k_categorical_accuracy", "up"
    arguments = ("k",)

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=check_count("k", k))


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the label is among the k most probable classes; from_sorted_ids: y_pred is labels, the best first."""

    default_name, direction = "sparse_top_k_categorical_accuracy", "up"
    arguments = ("k", "from_sorted_ids")

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
