"""Metrics: which accuracy a name stands for, means over batches, masks and weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_cases as cases

from cellstep import metrics

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())["metrics"]


@pytest.mark.parametrize(
    ("true_shape", "pred_shape", "kind"),
    [
        ((8,), (8, 1), metrics.BinaryAccuracy),
        ((8, 1), (8, 1), metrics.BinaryAccuracy),
        ((8, 5), (8, 5, 1), metrics.BinaryAccuracy),
        ((8,), (8, 3), metrics.SparseCategoricalAccuracy),
        ((8, 1), (8, 3), metrics.SparseCategoricalAccuracy),
        ((8, 5), (8, 5, 3), metrics.SparseCategoricalAccuracy),
        ((8, 5, 1), (8, 5, 3), metrics.SparseCategoricalAccuracy),
        ((8, 3), (8, 3), metrics.CategoricalAccuracy),
        ((8, 5, 3), (8, 5, 3), metrics.CategoricalAccuracy),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_is_what_the_shapes_say(name: str, true_shape: Any, pred_shape: Any, kind: Any) -> None:
    metric = metrics.get(name, true_shape, pred_shape)
    assert type(metric) is kind
    assert metric.name == name
    assert metric.direction == "up"


def test_accuracies() -> None:
    for metric, y_true, y_pred, wanted in (
        (metrics.BinaryAccuracy(), [1, 1, 0, 0], [[0.98], [0.5], [0.0], [0.6]], 0.5),
        (metrics.BinaryAccuracy(threshold=0.7), [[1], [0]], [[0.6], [0.6]], 0.5),
        (metrics.CategoricalAccuracy(), np.eye(3)[[2, 1]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]], 0.5),
        (metrics.SparseCategoricalAccuracy(), [[2], [1]], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]], 0.5),
        (metrics.Accuracy(), [[1], [2], [3], [4]], [[0], [2], [3], [4]], 0.75),
    ):
        metric.update_state(y_true, y_pred)
        assert metric.result() == wanted, metric.name


def test_a_mean_over_batches_is_over_rows_not_over_batches() -> None:
    metric = metrics.Mean()
    metric.update_state([1, 3, 5])
    metric.update_state([7])
    assert metric.result() == 4
    metric.reset_state()
    assert metric.result() == 0
    metric.update_state([1, 3, 5, 7], sample_weight=[1, 1, 0, 0])
    assert metric.result() == 2
    metric.update_state(10.0, sample_weight=2)
    assert metric.result() == 6


def test_a_masked_step_counts_for_nothing_and_may_hold_anything() -> None:
    mask = np.array([[True, True, False], [True, False, False]])
    y_true, y_pred = np.array([[1, 0, 1], [1, 1, 1]]), np.array([[0.9, 0.9, 0.1], [0.9, np.nan, np.nan]])
    metric = metrics.BinaryAccuracy()
    metric.update_state(y_true, y_pred[..., None], mask=mask)
    np.testing.assert_allclose(metric.result(), 2 / 3)
    error = metrics.MeanSquaredError()
    error.update_state(y_true, y_pred[..., None], mask=mask)
    np.testing.assert_allclose(error.result(), (0.01 + 0.81 + 0.01) / 3)
    sparse = metrics.SparseCategoricalCrossentropy(from_logits=True)
    sparse.update_state([[0, -1]], np.zeros((1, 2, 4)), mask=[[True, False]])
    np.testing.assert_allclose(sparse.result(), np.log(4))
    metric.reset_state()
    metric.update_state(y_true, y_pred[..., None], mask=np.zeros((2, 3), bool))
    assert metric.result() == 0


def test_weights_and_mask_multiply() -> None:
    mask = np.array([[True, True, False], [True, False, False]])
    weights = np.array([[1.0, 2.0, 9.0], [3.0, 9.0, 9.0]])
    hits = np.array([[1, 0, 1], [1, 0, 0]])
    metric = metrics.BinaryAccuracy()
    metric.update_state(hits, np.ones((2, 3, 1)), weights, mask)
    np.testing.assert_allclose(metric.result(), (1 + 3) / 6)
    metric.reset_state()
    metric.update_state(hits, np.ones((2, 3, 1)), [1.0, 3.0])
    np.testing.assert_allclose(metric.result(), (2 * 1 + 1 * 3) / (3 * 4))


def test_a_function_becomes_the_mean_of_its_values() -> None:
    def bias(y_true: Any, y_pred: Any) -> Any:
        return y_pred - y_true

    metric = metrics.get(bias)
    assert metric.name == "bias"
    metric.update_state([[1.0], [2.0]], [[2.0], [2.0]])
    assert metric.result() == 0.5


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("mse", 0.5), ("MAE", 0.5), ("mean_squared_error", 0.5), ("MeanAbsoluteError", 0.5), ("binary_accuracy", 0.5)],
)
def test_names(name: str, wanted: float) -> None:
    metric = metrics.get(name)
    assert metric.name == name
    metric.update_state([[0.0], [1.0]], [[0.0], [0.0]])
    assert metric.result() == wanted


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: metrics.get("f1"), ValueError, "metrics must be one of .*got 'f1'"),
        (lambda: metrics.get(3), TypeError, "got 3"),
        (lambda: metrics.get("accuracy"), ValueError, "true_shape and pred_shape must be given for 'accuracy'"),
        (lambda: metrics.BinaryAccuracy().update_state([1, 0], np.ones((2, 3))), ValueError, r"got \(2,\)"),
        (lambda: metrics.CategoricalAccuracy().update_state([1, 0], np.ones((2, 3))), ValueError, r"got \(2,\)"),
        (lambda: metrics.SparseCategoricalAccuracy().update_state(np.eye(3), np.eye(3)), ValueError, r"got \(3, 3\)"),
        (lambda: metrics.Mean().update_state([1, 2], [1, 2, 3]), ValueError, "sample_weight must broadcast"),
    ],
)
def test_bad_arguments(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()


@pytest.mark.parametrize("name", cases.METRICS)
def test_two_batches_give_what_keras_gives(name: str) -> None:
    kind, options, y_true, y_pred, weights = cases.METRICS[name]
    metric = getattr(metrics, kind)(**options)
    for _ in range(2):
        for half in (slice(6), slice(6, 12)):
            metric.update_state(y_true[half], y_pred[half], None if weights is None else weights[half])
        np.testing.assert_allclose(np.ravel(metric.result()), GOLDEN[name], rtol=1e-6)
        # a reset forgets everything
        metric.reset_state()


@pytest.mark.parametrize("name", cases.METRICS)
def test_masked_rows_count_for_nothing(name: str) -> None:
    kind, options, y_true, y_pred, weights = cases.METRICS[name]
    metric, other = getattr(metrics, kind)(**options), getattr(metrics, kind)(**options)
    keep = np.arange(12) % 4 != 1
    y_true, junk = y_true.copy(), y_pred.copy()
    junk[~keep] = np.nan if junk.dtype.kind == "f" else 0
    metric.update_state(y_true, junk, weights, keep)
    other.update_state(y_true[keep], y_pred[keep], None if weights is None else weights[keep])
    np.testing.assert_allclose(metric.result(), other.result(), rtol=1e-12)


@pytest.mark.parametrize("name", cases.METRICS)
def test_configurations_go_through_json(name: str) -> None:
    kind, options, y_true, y_pred, weights = cases.METRICS[name]
    metric = getattr(metrics, kind)(**options)
    again = metrics.get(json.loads(json.dumps(metrics.serialize(metric))))
    assert again.get_config() == metric.get_config()
    assert set(options) - {"dtype"} <= set(metric.get_config())
    for m in (metric, again):
        m.update_state(y_true, y_pred, weights)
    np.testing.assert_array_equal(again.result(), metric.result())


@pytest.mark.parametrize("name", sorted({"accuracy", *metrics._BY_NAME}))
def test_every_name_has_a_metric(name: str) -> None:
    made = metrics.get(name, (3, 1), (3, 1))
    assert made.direction in ("up", "down") or name in ("Mean", "Sum")


def test_perplexity_is_the_number_of_equal_choices() -> None:
    metric = metrics.Perplexity(from_logits=True, ignore_class=0)
    metric.update_state([[1, 3, 0], [2, 0, 0]], np.zeros((2, 3, 4)))
    np.testing.assert_allclose(metric.result(), 4)
    with_mask = metrics.Perplexity(from_logits=True)
    with_mask.update_state([[1, 3, -7]], np.zeros((1, 3, 4)), mask=[[True, True, False]])
    np.testing.assert_allclose(with_mask.result(), 4)


def test_sums_and_sorted_labels() -> None:
    total = metrics.Sum()
    total.update_state([[1.0, 2.0], [3.0, 4.0]], [1.0, 0.5])
    total.update_state(2.0)
    assert total.result() == 1 + 2 + 1.5 + 2 + 2
    top = metrics.SparseTopKCategoricalAccuracy(2, from_sorted_ids=True)
    top.update_state([3, 1], [[3, 2, 1], [3, 2, 1]])
    assert top.result() == 0.5


def test_steps_of_sequences_count_one_by_one() -> None:
    auc = metrics.AUC(num_thresholds=3)
    auc.update_state([[1, 0, 1]], [[[0.9], [0.1], [0.2]]], mask=[[True, True, False]])
    assert auc.result() == 1
    recall = metrics.Recall()
    recall.update_state([[1, 0, 1]], [[[0.9], [0.1], [0.2]]])
    assert recall.result() == 0.5


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: metrics.AUC(curve="roc"), ValueError, "curve must be 'ROC' or 'PR', got 'roc'"),
        (lambda: metrics.AUC(num_thresholds=1), ValueError, "num_thresholds must be 2 or more, got 1"),
        (lambda: metrics.AUC(num_labels=2), ValueError, "num_labels needs multi_label=True, got num_labels=2"),
        (lambda: metrics.AUC(summation_method="x"), ValueError, "summation_method must be 'interpolation'.*got 'x'"),
        (lambda: metrics.Precision(thresholds=2), ValueError, "thresholds must be a finite number from 0 to 1, got 2"),
        (lambda: metrics.Precision(class_id=3).update_state([[1, 0]], [[1.0, 0.0]]), ValueError, "class_id.*0 to 1"),
        (lambda: metrics.Recall().update_state([1, 0], np.ones((2, 3))), ValueError, r"y_true must have.*got \(2,\)"),
        (lambda: metrics.F1Score(average="mean"), ValueError, "average must be None, 'micro'.*got 'mean'"),
        (lambda: metrics.FBetaScore(beta=0), ValueError, "beta must be positive, got 0"),
        (lambda: metrics.R2Score(num_regressors=-1), ValueError, "num_regressors must be 0 or more, got -1"),
        (lambda: metrics.TopKCategoricalAccuracy(0), ValueError, "k must be a positive integer, got 0"),
        (lambda: metrics.get({"class_name": "F2"}), ValueError, "metrics must be one of .*got 'F2'"),
        (lambda: metrics.get(metrics.serialize(metrics.get(abs))), ValueError, "must be a known function, got 'abs'"),
    ],
)
def test_bad_arguments_of_scores(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()


#: What Keras 3.15 writes of metrics, where that has more than ours by default.
OF_KERAS: list[tuple[str, dict[str, Any]]] = [
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.0, "axis": -1, "dtype": "float32"}),
    ("SparseCategoricalCrossentropy", {"from_logits": False, "axis": -1, "dtype": "float32"}),
    ("CosineSimilarity", {"dtype": "float32", "axis": -1}),
]


@pytest.mark.parametrize(("name", "config"), OF_KERAS)
def test_configurations_of_keras(name: str, config: dict[str, Any]) -> None:
    given = {"module": "keras.metrics", "class_name": name, "config": {"name": "mine", **config}}
    made = metrics.get({**given, "registered_name": None})
    assert type(made).__name__ == name
    written = made.get_config()
    assert {key: written[key] for key in config if key != "dtype"} == {k: v for k, v in config.items() if k != "dtype"}
    if "axis" in config:
        with pytest.raises(NotImplementedError, match="axis other than -1 is not"):
            metrics.get({**given, "config": {**given["config"], "axis": 1}})
