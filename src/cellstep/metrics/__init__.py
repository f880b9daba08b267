"""Metrics, by class or by name, as in `keras.metrics`.

metric = metrics.SparseCategoricalAccuracy()
metric.update_state(y_true, y_pred, sample_weight, mask)
metric.result()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import losses, registry
from ..lookup import absent, unknown
from ..ops import shown
from .accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    resolve,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from .auc import AUC
from .base import Metric
from .loss_metrics import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Perplexity,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from .means import LossMetric, Mean, MeanMetricWrapper, Sum
from .scores import F1Score, FBetaScore, R2Score
from .thresholds import (
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)

#: Those that a name stands for, by that name.
_CLASSES: dict[str, Callable[..., Metric]] = {
    "log_cosh" if c is LogCoshError else c.default_name: c
    for c in (
        BinaryAccuracy,
        CategoricalAccuracy,
        SparseCategoricalAccuracy,
        MeanSquaredError,
        MeanAbsoluteError,
        BinaryCrossentropy,
        CategoricalCrossentropy,
        SparseCategoricalCrossentropy,
        TopKCategoricalAccuracy,
        SparseTopKCategoricalAccuracy,
        AUC,
        Precision,
        Recall,
        TruePositives,
        FalsePositives,
        TrueNegatives,
        FalseNegatives,
        F1Score,
        FBetaScore,
        R2Score,
        Perplexity,
        RootMeanSquaredError,
        MeanAbsolutePercentageError,
        MeanSquaredLogarithmicError,
        LogCoshError,
        Poisson,
        KLDivergence,
        Hinge,
        SquaredHinge,
        CategoricalHinge,
        CosineSimilarity,
    )
}
_SHORT: dict[str, Callable[..., Metric]] = {
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
    "rmse": RootMeanSquaredError,
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
}
_SHORT |= {k.upper(): v for k, v in _SHORT.items()}
_NAMED = {str(getattr(c, "__name__", "")): c for c in (*_CLASSES.values(), Accuracy, Mean, Sum)}
#: Those that need arguments have no name of their own.
_OF_ARGUMENTS = (
    *(PrecisionAtRecall, RecallAtPrecision, SensitivityAtSpecificity, SpecificityAtSensitivity, MeanMetricWrapper),
)
_WRITTEN = _NAMED | {c.__name__: c for c in _OF_ARGUMENTS}
_BY_NAME = _CLASSES | _NAMED | _SHORT
__all__ = [
    "SpecificityAtSensitivity",
    "SensitivityAtSpecificity",
    "RecallAtPrecision",
    "PrecisionAtRecall",
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "LossMetric",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "Perplexity",
    "Poisson",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "by_step",
    "categorical_accuracy",
    "check",
    "deserialize",
    "get",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]
#: Functions of arrays that `losses` has, and Keras here too.
_FUNCTIONS = {
    name: getattr(losses, name)
    for name in (
        *("binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy", "categorical_hinge"),
        *("categorical_focal_crossentropy", "hinge", "huber", "kl_divergence", "log_cosh", "mean_absolute_error"),
        *("mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error", "poisson"),
        *("sparse_categorical_crossentropy", "squared_hinge"),
    )
}
globals().update(_FUNCTIONS)
ACCURACY = ("accuracy", "acc")


def check(identifier: Any) -> None:
    """Raise what `get` would, before any data has been seen."""
    if isinstance(identifier, str):
        known = (*_BY_NAME, *_FUNCTIONS, *ACCURACY)
        if identifier not in known and registry.find(identifier) is None:
            raise ValueError(unknown("metrics", identifier, [*ACCURACY, "mse", "mae", *_CLASSES]))
    elif isinstance(identifier, dict):
        if registry.find(identifier) is None and identifier.get("class_name") not in _WRITTEN:
            raise ValueError(unknown("metrics", identifier.get("class_name"), list(_NAMED)))
    elif not isinstance(identifier, Metric) and not callable(identifier):
        raise TypeError(f"metrics must be names, cellstep.metrics.Metric objects or functions, got {shown(identifier)}")


def by_step(identifier: Any) -> bool:
    """Whether a metric takes each prediction by itself, as `Metric.by_step` says; False for one that is not known."""
    if isinstance(identifier, str):
        return registry.find(identifier) is None
    return isinstance(identifier, Metric) and identifier.by_step


def get(
    identifier: Any,
    true_shape: tuple[int, ...] | None = None,
    pred_shape: tuple[int, ...] | None = None,
) -> Metric:
    """The metric for a name or a configuration, a Metric as it is, a function `fn(y_true, y_pred)` in a mean.

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
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    if isinstance(identifier, str) and registry.find(identifier) is not None:
        return get(registry.find(identifier))
    if not isinstance(identifier, str):
        return MeanMetricWrapper(identifier)
    if identifier in ACCURACY:
        if true_shape is None or pred_shape is None:
            raise ValueError(f"true_shape and pred_shape must be given for {identifier!r}, which depends on them")
        return resolve(identifier, true_shape, pred_shape)
    if identifier not in _BY_NAME:
        return MeanMetricWrapper(_FUNCTIONS[identifier])
    return _BY_NAME[identifier](name=identifier)


def serialize(metric: Metric) -> dict[str, Any]:
    """Keras's dictionary {module, class_name, config, registered_name}.

    Raises:
        TypeError: it wraps a function that is not registered.
    """
    if type(metric) not in _WRITTEN.values():
        return registry.written(metric)
    name = type(metric).__name__
    return {"module": "keras.metrics", "class_name": name, "config": metric.get_config(), "registered_name": None}


def deserialize(config: dict[str, Any]) -> Metric:
    """A metric from what `serialize` gave, or Keras; ValueError for an unknown class."""
    check(config)
    kind: Any = registry.find(config) or _WRITTEN[config["class_name"]]
    made: Metric = kind.from_config(dict(config.get("config") or {}))
    return made


__getattr__ = absent(__name__)
