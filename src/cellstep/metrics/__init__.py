"""Metrics, by class or by name, as in `keras.metrics`.

metric = metrics.SparseCategoricalAccuracy()
metric.update_state(y_true, y_pred, sample_weight, mask)
metric.result()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import registry
from ..core import brief
from ..lookup import Lookup, absent, both, unknown
from . import thresholds
from .accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    resolve,
)
from .auc import AUC
from .base import Metric
from .functions import (
    FUNCTIONS,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
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

#: The classes above by their own names, as they stand in configurations.
_CLASSES: dict[str, Any] = {
    kind.__name__: kind
    for kind in tuple(globals().values())
    if isinstance(kind, type) and issubclass(kind, Metric) and kind not in (Metric, LossMetric)
}
#: Those of them that can be made without arguments.
_NAMED = {
    name: kind
    for name, kind in _CLASSES.items()
    if not issubclass(kind, thresholds.BestRate) and kind is not MeanMetricWrapper
}
#: What names in snake case stand for. "accuracy" is one of several; "mean" and "sum" are functions of other things.
_SNAKE = {kind.default_name: kind for kind in _NAMED.values() if kind not in (Accuracy, Mean, Sum, LogCoshError)}
_SNAKE["log_cosh"] = LogCoshError
_SHORT = {
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
    "rmse": RootMeanSquaredError,
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
}
_LOOKUP: Lookup[Metric] = Lookup("metric", Metric, _CLASSES, of_function=MeanMetricWrapper)
_BY_NAME = _SNAKE | _NAMED | _SHORT | {name.upper(): kind for name, kind in _SHORT.items()}
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
globals().update({name: function for name, function in FUNCTIONS.items() if name not in globals()})
if TYPE_CHECKING:
    from ..losses import mse as _loss

    accuracy = binary_crossentropy = binary_focal_crossentropy = categorical_crossentropy = categorical_hinge = _loss
    categorical_focal_crossentropy = hinge = huber = kl_divergence = log_cosh = mean_absolute_error = _loss
    mean_absolute_percentage_error = mean_squared_error = mean_squared_logarithmic_error = poisson = _loss
    sparse_categorical_crossentropy = squared_hinge = _loss
ACCURACY = ("accuracy", "acc")


def check(identifier: Any) -> None:
    """Raise what `get` would, before any data has been seen."""
    if isinstance(identifier, str):
        known = (*_BY_NAME, *FUNCTIONS, *ACCURACY)
        if identifier not in known and registry.find(identifier) is None:
            raise ValueError(unknown("metrics", identifier, [*ACCURACY, "mse", "mae", *_SNAKE]))
    elif isinstance(identifier, dict):
        if registry.find(identifier) is None and identifier.get("class_name") not in _CLASSES:
            raise ValueError(unknown("metrics", identifier.get("class_name"), list(_NAMED)))
    elif not isinstance(identifier, Metric) and not callable(identifier):
        raise TypeError(f"metrics must be names, cellstep.metrics.Metric objects or functions, got {brief(identifier)}")


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
    if not isinstance(identifier, str) or registry.find(identifier) is not None:
        return _LOOKUP.get(identifier, "metrics")
    if identifier in ACCURACY:
        if true_shape is None or pred_shape is None:
            raise ValueError(f"true_shape and pred_shape must be given for {identifier!r}, which depends on them")
        return resolve(identifier, true_shape, pred_shape)
    if identifier not in _BY_NAME:
        return MeanMetricWrapper(FUNCTIONS[identifier])
    metric: Metric = _BY_NAME[identifier](name=identifier)
    return metric


serialize, deserialize = both(get)

absent(globals(), FUNCTIONS)
