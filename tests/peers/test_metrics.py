"""Metrics with random options, shapes and weights give what Keras's give after two batches."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from cellstep import metrics

#: Of the mean of losses, by what their targets and predictions are.
REAL = ["MeanSquaredError", "MeanAbsoluteError", "RootMeanSquaredError", "MeanAbsolutePercentageError", "LogCoshError"]
SHARES = ["KLDivergence", "Poisson", "MeanSquaredLogarithmicError"]
SIGNS = ["Hinge", "SquaredHinge", "CategoricalHinge", "CosineSimilarity"]
COUNTS = ["TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives"]
BOUNDS = {
    "PrecisionAtRecall": "recall",
    "RecallAtPrecision": "precision",
    "SensitivityAtSpecificity": "specificity",
    "SpecificityAtSensitivity": "sensitivity",
}
LABELS = ["CategoricalAccuracy", "CategoricalCrossentropy", "TopKCategoricalAccuracy"]
LABELS += ["SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", "SparseTopKCategoricalAccuracy"]
NAMES = [*REAL, *SHARES, *SIGNS, *COUNTS, *BOUNDS, *LABELS, "BinaryAccuracy", "BinaryCrossentropy", "Precision"]
NAMES += ["Recall", "AUC", "F1Score", "FBetaScore", "R2Score", "Mean", "Sum"]


def drawn(name: str, rng: np.random.Generator) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Options, and (y_true, y_pred, sample_weight) or (values, sample_weight)."""

    def one(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    flat = name in ("F1Score", "FBetaScore", "R2Score", *BOUNDS, *COUNTS, "Precision", "Recall", "AUC")
    shape = one((6, 1), (6, 3)) if flat else one((6, 1), (6, 3), (6, 4, 1), (6, 4, 3))
    weight = one(None, rng.integers(0, 4, 6), rng.integers(0, 4, (6, 1)), rng.integers(0, 4, shape[:-1]))
    options: dict[str, Any] = {}
    bits, shares = rng.integers(0, 2, shape).astype(float), np.round(rng.random(shape), one(1, 6))
    if name in ("Mean", "Sum"):
        return {}, (rng.standard_normal(shape), weight)
    if name in REAL or name == "R2Score":
        if name == "R2Score":
            kinds = (None, "uniform_average", "variance_weighted_average")
            options = {"class_aggregation": one(*kinds), "num_regressors": one(0, 2)}
            weight = None if weight is None else weight.reshape(6)
        return options, (rng.standard_normal(shape), rng.standard_normal(shape), weight)
    if name in SHARES:
        return {}, (rng.random(shape), rng.random(shape), weight)
    if name in SIGNS:
        return {}, (bits, rng.standard_normal(shape), weight)
    if name == "BinaryAccuracy":
        return {"threshold": one(0.5, 0.3)}, (bits, shares, weight)
    if name == "BinaryCrossentropy":
        return {"from_logits": one(True, False), "label_smoothing": one(0, 0.1)}, (bits, 0.05 + 0.9 * shares, weight)
    if name in COUNTS:
        return {"thresholds": one(None, 0.3, [0.2, 0.8])}, (bits, shares, weight)
    if name in ("Precision", "Recall"):
        last = shape[-1] - 1
        options = {"thresholds": one(None, 0.3, [0.2, 0.8]), "class_id": one(None, last)}
        return {**options, "top_k": one(None, 1, last or 1)}, (bits, shares, weight)
    if name in BOUNDS:
        options = {BOUNDS[name]: one(0.1, 0.5, 0.9), "num_thresholds": one(1, 2, 5, 200), "class_id": one(None, 0)}
        return options, (bits, rng.random(shape), weight)
    if name == "AUC":
        options = {"num_thresholds": one(2, 3, 10, 200), "curve": one("ROC", "PR")}
        options |= {"summation_method": one("interpolation", "minoring", "majoring"), "from_logits": one(True, False)}
        if shape[-1] == 3 and one(True, False):
            options |= {"multi_label": True, "num_labels": one(None, 3), "label_weights": one(None, [1.0, 2.0, 0.5])}
        return options, (bits, rng.standard_normal(shape) if options["from_logits"] else shares, weight)
    if name in ("F1Score", "FBetaScore"):
        options = {"average": one(None, "micro", "macro", "weighted"), "threshold": one(None, 0.2, 0.5)}
        options |= {"beta": one(0.5, 2.0)} if name == "FBetaScore" else {}
        # Keras takes weights of this shape alone, and mixes up rows with micro
        weight = None if options["average"] == "micro" or weight is None else rng.integers(0, 4, 6)
        return options, (bits, rng.random(shape), weight)
    scores = rng.random((*shape[:-1], 3))
    labels = rng.integers(0, 3, shape[:-1])
    if "TopK" in name:
        options["k"] = one(1, 2, 5)
    if "Crossentropy" in name:
        options["from_logits"] = one(True, False)
        scores = scores / scores.sum(-1, keepdims=True)
    if name == "CategoricalCrossentropy":
        options["label_smoothing"] = one(0, 0.1)
    return options, (labels if "Sparse" in name else np.eye(3)[labels], scores, weight)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_results(name: str) -> None:
    rng = np.random.default_rng(sum(map(ord, name)))
    for _ in range(12):
        options, data = drawn(name, rng)
        found = []
        for library in (metrics, keras.metrics):
            metric = getattr(library, name)(**options)
            metric.update_state(*data)
            metric.update_state(*(part if part is None else part[:3] for part in data))
            found.append(np.asarray(metric.result(), float))
        assert found[0].shape == found[1].shape, options
        np.testing.assert_allclose(found[0], found[1], rtol=2e-4, atol=2e-5, err_msg=f"{options} {data}")


#: What some metrics cannot be made without.
NEEDED: dict[str, dict[str, Any]] = {
    **{name: {bound: 0.5} for name, bound in BOUNDS.items()},
}


@pytest.mark.parametrize("name", NAMES)
def test_configurations_go_both_ways(name: str) -> None:
    theirs, ours = (getattr(kind, name)(name="one", **NEEDED.get(name, {})) for kind in (keras.metrics, metrics))
    read = metrics.deserialize(keras.metrics.serialize(theirs))
    assert {**read.get_config(), "dtype": 0} == {**ours.get_config(), "dtype": 0}
    back = keras.metrics.deserialize(metrics.serialize(ours))
    assert {**back.get_config(), "dtype": 0} == {**theirs.get_config(), "dtype": 0}
