"""What is computed both here and, once, by Keras (`make_golden.py`): optimizers, losses, one short training.

Needs NumPy alone. All numbers are quotients of small integers, so that no rounding depends on how they were written.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def spread(*shape: int, step: int = 7, start: int = 3) -> Array:
    """Float64 numbers between -2 and 2, none twice in a row."""
    n = int(np.prod(shape))
    return (((np.arange(n) * step + start) % 17 - 8) / 4).reshape(shape)


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


#: Class and arguments, by name.
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "sgd_momentum": ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    "sgd_nesterov": ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    "sgd_clipvalue": ("SGD", {"learning_rate": 0.1, "clipvalue": 0.3}),
    "sgd_global_clipnorm": ("SGD", {"learning_rate": 0.1, "global_clipnorm": 0.7}),
    "adam": ("Adam", {}),
    "adam_amsgrad": ("Adam", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "amsgrad": True}),
    "adam_clipnorm": ("Adam", {"learning_rate": 0.01, "clipnorm": 0.5}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop_momentum": ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.5}),
    "rmsprop_centered": ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5, "centered": True}),
    "adamw": ("AdamW", {}),
    "adamw_decay": ("AdamW", {"learning_rate": 0.1, "weight_decay": 0.5, "amsgrad": True}),
    "nadam": ("Nadam", {}),
    "nadam_fast": ("Nadam", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.8, "epsilon": 0.01}),
    "adamax": ("Adamax", {}),
    "adamax_fast": ("Adamax", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.8, "epsilon": 0.01}),
    "adagrad": ("Adagrad", {}),
    "adagrad_zero": ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.0, "epsilon": 0.01}),
    "adadelta": ("Adadelta", {}),
    "adadelta_paper": ("Adadelta", {"learning_rate": 1.0, "rho": 0.8, "epsilon": 0.01}),
    "lamb": ("Lamb", {}),
    "lamb_fast": ("Lamb", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.8, "epsilon": 0.01}),
    "lion": ("Lion", {}),
    "lion_fast": ("Lion", {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.7}),
    "sgd_decay": ("SGD", {"learning_rate": 0.1, "weight_decay": 0.5, "momentum": 0.5}),
    "sgd_ema": ("SGD", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 3}),
    "sgd_accumulation": ("SGD", {"learning_rate": 0.1, "gradient_accumulation_steps": 3, "clipvalue": 0.5}),
    "sgd_scale": ("SGD", {"learning_rate": 0.1, "loss_scale_factor": 8.0}),
    "adam_everything": (
        "Adam",
        {
            "learning_rate": 0.1,
            "weight_decay": 0.1,
            "clipnorm": 0.5,
            "loss_scale_factor": 0.5,
            "gradient_accumulation_steps": 2,
            "use_ema": True,
            "ema_momentum": 0.5,
            "ema_overwrite_frequency": 2,
        },
    ),
    "nadam_accumulation": ("Nadam", {"learning_rate": 0.1, "gradient_accumulation_steps": 2}),
}

#: Class and arguments, by name.
SCHEDULES: dict[str, tuple[str, dict[str, Any]]] = {
    "exponential": ("ExponentialDecay", {"initial_learning_rate": 0.5, "decay_steps": 4, "decay_rate": 0.3}),
    "exponential_stairs": (
        "ExponentialDecay",
        {"initial_learning_rate": 0.5, "decay_steps": 4, "decay_rate": 0.3, "staircase": True},
    ),
    "inverse": ("InverseTimeDecay", {"initial_learning_rate": 0.5, "decay_steps": 4, "decay_rate": 0.3}),
    "inverse_stairs": (
        "InverseTimeDecay",
        {"initial_learning_rate": 0.5, "decay_steps": 4, "decay_rate": 0.3, "staircase": True},
    ),
    "piecewise": ("PiecewiseConstantDecay", {"boundaries": [2, 5, 9], "values": [1.0, 0.5, 0.25, 0.125]}),
    "polynomial": ("PolynomialDecay", {"initial_learning_rate": 0.5, "decay_steps": 4, "end_learning_rate": 0.125}),
    "polynomial_cycle": (
        "PolynomialDecay",
        {"initial_learning_rate": 0.5, "decay_steps": 4, "end_learning_rate": 0.1, "power": 2.0, "cycle": True},
    ),
    "cosine": ("CosineDecay", {"initial_learning_rate": 0.5, "decay_steps": 8, "alpha": 0.25}),
    "cosine_warm": (
        "CosineDecay",
        {"initial_learning_rate": 0.125, "decay_steps": 6, "warmup_target": 0.5, "warmup_steps": 4, "alpha": 0.5},
    ),
    "restarts": ("CosineDecayRestarts", {"initial_learning_rate": 0.5, "first_decay_steps": 3, "m_mul": 0.5}),
    "restarts_even": (
        "CosineDecayRestarts",
        {"initial_learning_rate": 0.5, "first_decay_steps": 4, "t_mul": 1.0, "alpha": 0.25},
    ),
}
STEPS = range(24)

#: Two variables, and ten steps of gradients for them.
VALUES = (spread(2, 2), spread(3, start=5))
GRADS = [(spread(2, 2, start=i, step=5), spread(3, start=2 * i)) for i in range(10)]


class LossCase(NamedTuple):
    loss: str
    options: dict[str, Any]
    y_true: Array
    y_pred: Array
    sample_weight: Array | None = None
    mask: Array | None = None


_LOGITS = spread(4, 3)
_STEPS = spread(2, 4, 3, step=5)
_LABELS = np.array([[0, 2, 1, 1], [2, 2, 0, 1]])
_ONE_HOT = np.eye(3)[_LABELS]
_MASK = np.array([[True, True, False, True], [True, False, False, False]])
_ROWS = np.array([0.5, 2.0, 0.0, 1.0])
_EACH = spread(2, 4, start=11) + 2.5
_PROBABILITIES = 1 / (1 + np.exp(-_LOGITS))

LOSSES: dict[str, LossCase] = {
    "mse": LossCase("MeanSquaredError", {}, spread(4, 3, start=1), _LOGITS, _ROWS),
    "mse_mask": LossCase("MeanSquaredError", {}, spread(2, 4, 3, start=1), _STEPS, _EACH, _MASK),
    "mae": LossCase("MeanAbsoluteError", {}, spread(4, 3, start=1) + 0.125, _LOGITS),
    "mae_mask": LossCase("MeanAbsoluteError", {}, spread(2, 4, 3, start=1) + 0.125, _STEPS, None, _MASK),
    "bce": LossCase("BinaryCrossentropy", {}, (_LOGITS > 0.3) * 1.0, _PROBABILITIES, _ROWS),
    "bce_smooth": LossCase("BinaryCrossentropy", {"label_smoothing": 0.2}, (_LOGITS > 0.3) * 1.0, _PROBABILITIES),
    "bce_logits": LossCase("BinaryCrossentropy", {"from_logits": True}, (spread(4, 3) > 0) * 1.0, 3 * _LOGITS, _ROWS),
    "bce_logits_mask": LossCase("BinaryCrossentropy", {"from_logits": True}, _ONE_HOT, _STEPS, _EACH, _MASK),
    "cce": LossCase("CategoricalCrossentropy", {}, _ONE_HOT, softmax(_STEPS), _EACH, _MASK),
    "cce_smooth": LossCase("CategoricalCrossentropy", {"label_smoothing": 0.1}, _ONE_HOT, softmax(_STEPS)),
    "cce_unnormalized": LossCase("CategoricalCrossentropy", {}, _ONE_HOT[0], _PROBABILITIES, _ROWS),
    "cce_logits": LossCase("CategoricalCrossentropy", {"from_logits": True}, _ONE_HOT, _STEPS, None, _MASK),
    "scce": LossCase("SparseCategoricalCrossentropy", {}, _LABELS, softmax(_STEPS), _EACH, _MASK),
    "scce_column": LossCase("SparseCategoricalCrossentropy", {}, _LABELS[0][:, None], _PROBABILITIES, _ROWS),
    "scce_logits": LossCase("SparseCategoricalCrossentropy", {"from_logits": True}, _LABELS, _STEPS, _EACH, _MASK),
    "scce_ignore": LossCase(
        "SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}, _LABELS, _STEPS, None, _MASK
    ),
    "mse_sum": LossCase("MeanSquaredError", {"reduction": "sum"}, spread(2, 4, 3), _STEPS, _EACH, _MASK),
    "mape": LossCase("MeanAbsolutePercentageError", {}, spread(2, 4, 3, start=1) + 0.125, _STEPS, _EACH, _MASK),
    "msle": LossCase("MeanSquaredLogarithmicError", {}, spread(2, 4, 3, start=1), _STEPS + 0.03125, None, _MASK),
    "huber": LossCase("Huber", {}, spread(2, 4, 3, start=1), _STEPS, _EACH, _MASK),
    "huber_wide": LossCase("Huber", {"delta": 1.625}, spread(4, 3, start=1), _LOGITS),
    "log_cosh": LossCase("LogCosh", {}, spread(2, 4, 3, start=1), 3 * _STEPS, _EACH, _MASK),
    "poisson": LossCase("Poisson", {}, spread(2, 4, 3, start=1) + 2, softmax(_STEPS), _EACH, _MASK),
    "kld": LossCase("KLDivergence", {}, softmax(spread(2, 4, 3)), softmax(_STEPS), _EACH, _MASK),
    "kld_clipped": LossCase("KLDivergence", {}, spread(4, 3) + 0.5, _LOGITS + 0.03125),
    "hinge": LossCase("Hinge", {}, 2.0 * _ONE_HOT - 1, _STEPS + 0.0625, _EACH, _MASK),
    "hinge_binary": LossCase("Hinge", {}, _ONE_HOT, _STEPS + 0.0625),
    "squared_hinge": LossCase("SquaredHinge", {}, _ONE_HOT, _STEPS + 0.0625, _EACH, _MASK),
    "categorical_hinge": LossCase("CategoricalHinge", {}, _ONE_HOT, _STEPS + spread(3) / 64, _EACH, _MASK),
    "cosine": LossCase("CosineSimilarity", {}, spread(2, 4, 3), _STEPS, _EACH, _MASK),
    "focal": LossCase("BinaryFocalCrossentropy", {}, _ONE_HOT, softmax(_STEPS), _EACH, _MASK),
    "focal_balanced": LossCase(
        "BinaryFocalCrossentropy",
        {"apply_class_balancing": True, "alpha": 0.4, "gamma": 1.5, "from_logits": True, "label_smoothing": 0.1},
        *(_ONE_HOT, _STEPS, _EACH, _MASK),
    ),
    "categorical_focal": LossCase("CategoricalFocalCrossentropy", {}, _ONE_HOT[0], _PROBABILITIES, _ROWS),
    "categorical_focal_logits": LossCase(
        "CategoricalFocalCrossentropy",
        {"alpha": [0.25, 0.5, 1.0], "gamma": 1.5, "from_logits": True, "label_smoothing": 0.1},
        *(_ONE_HOT, _STEPS, _EACH, _MASK),
    ),
    "mae_weighted_mean": LossCase(
        "MeanAbsoluteError", {"reduction": "mean_with_sample_weight"}, spread(4, 3) + 0.125, _LOGITS, _ROWS
    ),
}

_SURE = 1 / (1 + np.exp(-spread(12, 3, start=4, step=5)))
_HITS = (spread(12, 3, start=6) > 0.2) * 1.0
_TWELVE = spread(12, start=2) + 2.5
_CLASSES = np.eye(3)[(np.arange(12) * 5 + np.arange(12) // 3) % 3]

#: Class, arguments, targets, predictions, weights; two halves are added one after the other.
_LABELS = (np.arange(12) % 3, np.arange(12) * 5 % 4)
_STEPS = np.abs(spread(12, 3, step=5)) / 2
METRICS: dict[str, tuple[str, dict[str, Any], Array, Array, Array | None]] = {
    "precision": ("Precision", {}, _HITS, _SURE, _TWELVE),
    "precision_thresholds": ("Precision", {"thresholds": [0.7, 0.2, 0.5]}, _HITS, _SURE, None),
    "precision_top": ("Precision", {"top_k": 2}, _HITS, _SURE, None),
    "recall": ("Recall", {"thresholds": 0.3}, _HITS, _SURE, _TWELVE),
    "recall_class": ("Recall", {"class_id": 1, "top_k": 1}, _HITS, _SURE, _TWELVE),
    "tp": ("TruePositives", {}, _HITS, _SURE, _TWELVE),
    "fp": ("FalsePositives", {"thresholds": [0.1, 0.9]}, _HITS, _SURE, None),
    "tn": ("TrueNegatives", {}, _HITS, _SURE, _TWELVE),
    "fn": ("FalseNegatives", {}, _HITS, _SURE, None),
    "auc": ("AUC", {}, _HITS[:, 0], _SURE[:, 0], None),
    "auc_weights": ("AUC", {"num_thresholds": 12}, _HITS, _SURE, _TWELVE),
    "auc_minoring": ("AUC", {"num_thresholds": 7, "summation_method": "minoring"}, _HITS, _SURE, None),
    "auc_thresholds": ("AUC", {"thresholds": [0.2, 0.9, 0.5], "summation_method": "majoring"}, _HITS, _SURE, None),
    "auc_pr": ("AUC", {"curve": "PR"}, _HITS, _SURE, _TWELVE),
    "auc_pr_minoring": ("AUC", {"curve": "PR", "summation_method": "minoring"}, _HITS, _SURE, None),
    "auc_labels": ("AUC", {"multi_label": True, "label_weights": [1.0, 2.0, 0.5]}, _HITS, _SURE, None),
    "auc_pr_labels": ("AUC", {"multi_label": True, "curve": "PR", "num_labels": 3}, _HITS, _SURE, None),
    "auc_logits": ("AUC", {"from_logits": True}, _HITS, 2 * spread(12, 3, start=1), None),
    "f1": ("F1Score", {}, _CLASSES, _SURE, None),
    "f1_micro": ("F1Score", {"average": "micro", "threshold": 0.4}, _CLASSES, _SURE, _TWELVE),
    "f1_macro": ("F1Score", {"average": "macro"}, _CLASSES, _SURE, _TWELVE),
    "fbeta_weighted": ("FBetaScore", {"average": "weighted", "beta": 2.0}, _CLASSES, _SURE, _TWELVE),
    "r2": ("R2Score", {}, spread(12, 3), spread(12, 3, step=5), None),
    "r2_each": ("R2Score", {"class_aggregation": None}, spread(12, 3), spread(12, 3, step=5), _TWELVE),
    "r2_adjusted": (
        "R2Score",
        {"class_aggregation": "variance_weighted_average", "num_regressors": 2},
        *(spread(12, 3), spread(12, 3, step=5), _TWELVE),
    ),
    "top_2": ("TopKCategoricalAccuracy", {"k": 2}, _CLASSES, _SURE, _TWELVE),
    "sparse_top_2": ("SparseTopKCategoricalAccuracy", {"k": 2}, _CLASSES.argmax(-1), _SURE, None),
    "rmse": ("RootMeanSquaredError", {}, spread(12, 3), spread(12, 3, step=5), _TWELVE),
    "mape": ("MeanAbsolutePercentageError", {}, spread(12, 3) + 0.125, spread(12, 3, step=5), _TWELVE),
    "msle": ("MeanSquaredLogarithmicError", {}, spread(12, 3) + 2, spread(12, 3, step=5) + 2, None),
    "logcosh": ("LogCoshError", {}, spread(12, 3), spread(12, 3, step=5), _TWELVE),
    "poisson": ("Poisson", {}, spread(12, 3) + 2, _SURE, _TWELVE),
    "kld": ("KLDivergence", {}, softmax(spread(12, 3)), softmax(_SURE), _TWELVE),
    "hinge": ("Hinge", {}, _HITS, _SURE, _TWELVE),
    "squared_hinge": ("SquaredHinge", {}, _HITS, _SURE, None),
    "categorical_hinge": ("CategoricalHinge", {}, _CLASSES, _SURE, _TWELVE),
    "cosine": ("CosineSimilarity", {}, spread(12, 3), spread(12, 3, step=5), _TWELVE),
    "precision_at": ("PrecisionAtRecall", {"recall": 0.6}, _HITS, _SURE, _TWELVE),
    "recall_at": ("RecallAtPrecision", {"precision": 0.6, "num_thresholds": 9, "class_id": 1}, _HITS, _SURE, None),
    "sensitivity_at": ("SensitivityAtSpecificity", {"specificity": 0.4}, _HITS, _SURE, _TWELVE),
    "specificity_at": ("SpecificityAtSensitivity", {"sensitivity": 0.7, "num_thresholds": 1}, _HITS, _SURE, None),
    "precision_ties": ("Precision", {"top_k": 1}, _HITS, np.round(_SURE), _TWELVE),
    "recall_ties": ("Recall", {"top_k": 2, "thresholds": [0.2, 0.8]}, _HITS, np.round(_SURE, 1), None),
    "precision_zeros": ("PrecisionAtRecall", {"recall": 0.2, "num_thresholds": 5}, _HITS, _STEPS, _TWELVE),
    "sensitivity_zeros": ("SensitivityAtSpecificity", {"specificity": 0.1, "num_thresholds": 2}, _HITS, _STEPS, None),
    "auc_beyond": ("AUC", {"num_thresholds": 5}, _HITS, 2 * _STEPS - 0.5, _TWELVE),
    "rmse_each": ("RootMeanSquaredError", {}, spread(12, 3), spread(12, 3, step=5), np.abs(spread(12, 3, start=5))),
    "f1_threshold": ("F1Score", {"average": None, "threshold": 0.5}, _HITS, _SURE, _TWELVE),
    "f1_weighted": ("F1Score", {"average": "weighted"}, _CLASSES, _SURE, None),
    "binary_accuracy": ("BinaryAccuracy", {"threshold": 0.3}, _HITS, _SURE, _TWELVE),
    "binary_smoothed": ("BinaryCrossentropy", {"label_smoothing": 0.2}, _HITS, _SURE, _TWELVE),
    "binary_logits": ("BinaryCrossentropy", {"from_logits": True}, _HITS, spread(12, 3), None),
    "categorical": ("CategoricalCrossentropy", {"label_smoothing": 0.1}, _CLASSES, softmax(_SURE), _TWELVE),
    "categorical_logits": ("CategoricalCrossentropy", {"from_logits": True}, _CLASSES, _SURE, _TWELVE),
    "sparse": ("SparseCategoricalCrossentropy", {}, _CLASSES.argmax(-1), softmax(_SURE), _TWELVE),
    "sparse_logits": ("SparseCategoricalCrossentropy", {"from_logits": True}, _CLASSES.argmax(-1), _SURE, None),
    "mse": ("MeanSquaredError", {}, spread(12, 3), spread(12, 3, step=5), _TWELVE),
    "mae": ("MeanAbsoluteError", {}, spread(12, 3), spread(12, 3, step=5), _TWELVE),
}

#: A tagger of padded sequences: tokens (N, T), 0 is padding; a label and a weight for each step.
TOKENS = np.array(
    [
        [1, 2, 3, 0, 0],
        [4, 1, 0, 0, 0],
        [2, 2, 4, 3, 1],
        [3, 0, 0, 0, 0],
        [1, 3, 2, 4, 0],
        [2, 1, 1, 0, 0],
        [4, 3, 2, 1, 3],
    ]
)
LABELS = (TOKENS * 2 + np.arange(5)) % 3
WEIGHTS = spread(7, 5, start=2) / 2 + 1.25
#: Its weights: embeddings; kernel, recurrent kernel, bias of an LSTM of 3 units; kernel and bias of a Dense layer.
TAGGER = [spread(5, 2), spread(2, 12) / 2, spread(3, 12, step=5) / 2, spread(12) / 4, spread(3, 3), spread(3) / 4]
FIT: dict[str, Any] = {"batch_size": 3, "epochs": 3, "verbose": 0, "shuffle": False, "validation_split": 0.3}
