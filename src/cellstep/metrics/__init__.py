"""Metrics, by class or by name, as in `keras.metrics`.

metric = metrics.SparseCategoricalAccuracy()
metric.update_state(y_true, y_pred, sample_weight, mask)
metric.result()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .accuracy import Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy, resolve
from .base import LossMetric, Mean, MeanMetricWrapper, Metric
from .errors import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "LossMetric",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "Metric",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "get",
]

_CLASSES: dict[str, Callable[..., Metric]] = {
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
}
_SHORT = {"mse": MeanSquaredError, "mae": MeanAbsoluteError, "MSE": MeanSquaredError, "MAE": MeanAbsoluteError}
_BY_NAME = _CLASSES | {str(getattr(c, "__name__", "")): c for c in _CLASSES.values()} | _SHORT
ACCURACY = ("accuracy", "acc")


def check(identifier: Any) -> None:
    """Raise what `get` would, before any data has been seen."""
    if isinstance(identifier, str):
        if identifier not in _BY_NAME and identifier not in ACCURACY:
            known = [*ACCURACY, "mse", "mae", *_CLASSES]
            raise ValueError(f"metrics must be among {', '.join(known)}, got {identifier!r}")
    elif not isinstance(identifier, Metric) and not callable(identifier):
        raise TypeError(f"metrics must be names, cellstep.metrics.Metric objects or functions, got {identifier!r}")


def get(
    identifier: str | Metric | Callable[..., Any],
    true_shape: tuple[int, ...] | None = None,
    pred_shape: tuple[int, ...] | None = None,
) -> Metric:
    """The metric for a name, a Metric as it is, or a function `fn(y_true, y_pred)` wrapped in a mean.

    Args:
        identifier: what to look up. "accuracy" and "acc" stand for a binary, categorical or sparse accuracy.
        true_shape: the shape of the targets, which that choice needs.
        pred_shape: the shape of the predictions, which it needs too.

    Raises:
        ValueError: no metric has this name; the message lists the names. Or "accuracy" without shapes.
        TypeError: none of the three kinds.
    """
    check(identifier)
    if isinstance(identifier, Metric):
        return identifier
    if not isinstance(identifier, str):
        return MeanMetricWrapper(identifier)
    if identifier in ACCURACY:
        if true_shape is None or pred_shape is None:
            raise ValueError(f"true_shape and pred_shape must be given for {identifier!r}, which depends on them")
        return resolve(identifier, true_shape, pred_shape)
    return _BY_NAME[identifier](name=identifier)
