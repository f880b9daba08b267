"""Functions of targets and predictions that metrics average: accuracies, one a value, and the losses of Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import losses
from ..core import plain
from ..losses.alignment import Array


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


_ACCURACIES = (
    *(binary_accuracy, categorical_accuracy, sparse_categorical_accuracy, accuracy),
    *(top_k_categorical_accuracy, sparse_top_k_categorical_accuracy),
)
#: What `losses` has, and Keras among metrics too.
_LOSSES = (
    *("binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy", "categorical_hinge"),
    *("categorical_focal_crossentropy", "hinge", "huber", "kl_divergence", "log_cosh", "mean_absolute_error"),
    *("mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error", "poisson"),
    *("sparse_categorical_crossentropy", "squared_hinge"),
)
FUNCTIONS: dict[str, Callable[..., Any]] = {name: getattr(losses, name) for name in _LOSSES}
FUNCTIONS |= {function.__name__: function for function in _ACCURACIES}
