"""Metrics whose result is an array or a dictionary, and metrics that users write, in fit and its callbacks."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import Input, Sequential, callbacks, layers, losses, math, metrics

RNG = np.random.default_rng(5)
X = RNG.standard_normal((20, 4)).astype("float32")
Y = np.eye(3)[RNG.integers(0, 3, 20)]

#: Metrics that give arrays, and what their shape is for three classes.
ARRAYS: list[tuple[Any, tuple[int, ...]]] = [
    (lambda: metrics.F1Score(), (3,)),
    (lambda: metrics.FBetaScore(beta=2.0, threshold=0.3), (3,)),
    (lambda: metrics.R2Score(class_aggregation=None), (3,)),
    (lambda: metrics.Precision(thresholds=[0.2, 0.4]), (2,)),
    (lambda: metrics.Recall(thresholds=[0.2, 0.4, 0.6]), (3,)),
    (lambda: metrics.TruePositives(thresholds=[0.2, 0.4]), (2,)),
    (lambda: metrics.FalseNegatives(thresholds=[0.2, 0.4]), (2,)),
]


def net(*given: Any, **options: Any) -> Sequential:
    cellstep.set_random_seed(1)
    model = Sequential([Input((4,)), layers.Dense(3, "softmax")])
    model.compile("adam", "categorical_crossentropy", metrics=list(given), **options)
    return model


@pytest.mark.parametrize(("make", "shape"), ARRAYS)
def test_arrays_go_through_fit_and_evaluate(make: Any, shape: Any, capsys: Any) -> None:
    metric = make()
    model = net(metric)
    history = model.fit(X, Y, epochs=2, batch_size=8, verbose=2, validation_split=0.2).history
    assert set(history) == {"loss", metric.name, "val_loss", f"val_{metric.name}"}
    assert [np.shape(value) for value in history[metric.name]] == [shape, shape]
    assert history[metric.name][0] is not history[metric.name][1]
    last = history[f"val_{metric.name}"][-1]
    right = make()
    right.update_state(Y[16:], model.predict(X[16:]))
    np.testing.assert_allclose(last, right.result(), rtol=1e-6)
    assert f"val_{metric.name}: {np.mean(last):.4f}" in capsys.readouterr().out
    loss, found = model.evaluate(X[16:], Y[16:], verbose=0)
    assert isinstance(loss, float)
    np.testing.assert_array_equal(found, last)
    np.testing.assert_array_equal(model.test_on_batch(X[16:], Y[16:], return_dict=True)[metric.name], last)
    assert np.shape(model.train_on_batch(X, Y)[1]) == shape


def test_keras_s_values_of_an_epoch() -> None:
    """History of `Dense(3, "softmax")` without a step that counts, as Keras 3.15 gives it."""
    model = Sequential([Input((2,)), layers.Dense(3, "softmax")])
    model.set_weights([np.array([[1.0, -1.0, 0.5], [0.25, 0.5, -1.0]]), np.zeros(3)])
    model.compile(cellstep.optimizers.SGD(0.0), "mse", metrics=[metrics.F1Score(), metrics.R2Score(None)])
    x = np.array([[1, 0], [0, 1], [-1, 2], [2, -2], [0.5, 0.5], [1, 1]], "float32")
    y = np.eye(3)[[0, 1, 1, 2, 2, 0]]
    history = model.fit(x, y, batch_size=4, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["f1_score"][0], KERAS_F1, rtol=1e-6)
    np.testing.assert_allclose(history["r2_score"][0], KERAS_R2, rtol=1e-5)


KERAS_F1 = [0.7999999523162842, 1.0, 0.666666567325592]
KERAS_R2 = [0.44842851161956787, 0.7509253621101379, 0.41401994228363037]


@pytest.mark.parametrize(
    "callback",
    [
        lambda path: callbacks.EarlyStopping("val_f1_score", mode="max"),
        lambda path: callbacks.ReduceLROnPlateau("val_f1_score", mode="max"),
        lambda path: callbacks.ModelCheckpoint(path / "a.keras", "val_f1_score", mode="max", save_best_only=True),
    ],
)
def test_an_array_cannot_be_monitored(callback: Any, tmp_path: Path) -> None:
    made = callback(tmp_path)
    words = f"monitor of {type(made).__name__} must name a number among the logs, got 'val_f1_score', an array of shape"
    with pytest.raises(ValueError, match=words):
        net(metrics.F1Score()).fit(X, Y, verbose=0, validation_split=0.2, callbacks=[made])


def test_arrays_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ValueError, match=r"filepath must not format arrays as numbers, got .* and .*f1_score, an array of shape"
    ):
        net(metrics.F1Score()).fit(
            X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / "{f1_score:.2f}.keras")]
        )
    written: list[Any] = []

    class Writer:
        def add_scalar(self, *entry: Any) -> None:
            written.append(entry)

        def close(self) -> None: ...

    board = callbacks.TensorBoard(tmp_path / "board", update_freq=1)
    monkeypatch.setattr(board, "_find", lambda: lambda path: Writer())
    log = callbacks.CSVLogger(tmp_path / "log.csv")
    history = net(metrics.F1Score()).fit(X, Y, epochs=2, verbose=0, callbacks=[log, board]).history
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, value in zip(rows, history["f1_score"], strict=True):
        # as Keras writes it
        assert row["f1_score"] == f'"[{", ".join(map(str, value))}]"'
    names = [name for name, _, _ in written]
    assert names[:4] == ["batch_f1_score/0", "batch_f1_score/1", "batch_f1_score/2", "batch_loss"]
    assert ("epoch_f1_score/2", history["f1_score"][1][2], 1) in written


class Parts(metrics.Metric):
    """As a user of Keras writes it: weights by add_weight, no mask, a dictionary as its result."""

    def __init__(self, name: str = "parts", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.hits = self.add_weight(name="hits", initializer="zeros")
        self.seen = self.add_variable(shape=(2,), initializer="zeros", name="seen")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        hits = math.cast(math.argmax(y_true, -1) == math.argmax(y_pred, -1), "float32")
        if sample_weight is not None:
            hits = hits * sample_weight
        self.hits.assign(self.hits + math.sum(hits))
        self.seen.assign_add([len(hits), 1])

    def result(self) -> Any:
        return {"hit": self.hits / self.seen[0], "batches": self.seen[1]}


def test_a_metric_of_one_s_own() -> None:
    plain, weighted = Parts(), Parts("weighted")
    model = net(plain, "accuracy")
    history = model.fit(X, Y, batch_size=8, epochs=2, verbose=0).history
    assert history["batches"] == [3.0, 3.0]
    np.testing.assert_allclose(history["hit"], history["accuracy"], rtol=1e-6)
    assert [v.name for v in plain.variables] == ["hits", "seen"]
    assert plain.variables[1].dtype == np.float32
    plain.reset_state()
    assert not np.asarray(plain.seen).any()
    assert weighted(Y, Y, sample_weight=np.full(20, 0.5)) == {"hit": 0.5, "batches": 1.0}
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got 'int8'"):
        Parts(dtype="int8")
    count = plain.add_weight(name="count", initializer="zeros", dtype="int32")
    count.assign_add(2)
    assert (count.dtype, int(count)) == (np.int32, 2)

    class Bare(metrics.Metric):
        def update_state(self, y_true: Any, y_pred: Any) -> None: ...

        def result(self) -> float:
            return 1.0

    with pytest.raises(NotImplementedError, match="Bare must implement reset_state, as it has no weights"):
        Bare().reset_state()
    with pytest.raises(TypeError, match="sample_weight"):
        Bare().update_from(Y, Y, np.ones(20), None)


def test_a_mask_goes_to_metrics_that_take_it() -> None:
    seen: list[Any] = []

    class Takes(Parts):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None) -> None:
            seen.append(mask)
            super().update_state(y_true, y_pred, sample_weight)

    model = Sequential([Input((3,)), layers.Embedding(5, 2, mask_zero=True), layers.GRU(2, return_sequences=True)])
    model.compile("sgd", "mse", metrics=[Takes(), Parts("other")])
    model.evaluate(np.array([[1, 2, 0]]), np.ones((1, 3, 2)), verbose=0)
    np.testing.assert_array_equal(seen[0], [[True, True, False]])


EVERY = [getattr(metrics, name) for name in metrics.__all__ if isinstance(getattr(metrics, name), type)]
GIVEN = {
    "PrecisionAtRecall": (0.5,),
    "RecallAtPrecision": (0.5,),
    "SensitivityAtSpecificity": (0.5,),
    "SpecificityAtSensitivity": (0.5,),
    "MeanMetricWrapper": (losses.mean_squared_error,),
}


@pytest.mark.parametrize("kind", [k for k in EVERY if k not in (metrics.Metric, metrics.LossMetric)])
def test_every_metric_can_be_called_and_its_variables_hold_its_state(kind: Any) -> None:
    name = kind.__name__
    first, second = (kind(*GIVEN.get(name, ()), dtype="float64") for _ in range(2))
    y = np.eye(3)[[0, 1, 2, 1]]
    p = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.2, 0.6, 0.2]])
    if "Sparse" in name:
        y = y.argmax(-1)
    if name == "Perplexity":
        y = y.argmax(-1)
    data = (p,) if name in ("Mean", "Sum") else (y, p)
    found = first(*data)
    assert first.dtype == first.get_config()["dtype"] == "float64"
    second.update_state(*data)
    np.testing.assert_array_equal(second.result(), found)
    kept = [v.numpy() for v in first.variables]
    assert kept
    assert all(v.name and v.shape == value.shape for v, value in zip(first.variables, kept, strict=True))
    first.update_state(*data)
    for variable, value in zip(first.variables, kept, strict=True):
        variable.assign(value)
    np.testing.assert_array_equal(first.result(), found)
    first.reset_state()
    assert not any(np.asarray(v).any() for v in first.variables)


FUNCTIONS = [
    *("binary_accuracy", "binary_crossentropy", "binary_focal_crossentropy", "categorical_accuracy"),
    *("categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge", "hinge", "huber"),
    *("kl_divergence", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error"),
    *("mean_squared_logarithmic_error", "poisson", "squared_hinge", "top_k_categorical_accuracy"),
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_arrays(name: str) -> None:
    function = getattr(metrics, name)
    y, p = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [[0.2, 0.7, 0.1], [0.3, 0.3, 0.4]]
    values = np.asarray(function(y, p))
    assert values.shape == ((2, 3) if name == "binary_accuracy" else (2,))
    assert getattr(losses, name, function) is function
    model = net(function)
    result = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert np.isfinite(result[name])
    again = net()
    again.compile_from_config(json.loads(json.dumps(model.get_compile_config())))
    assert again.evaluate(X, Y, verbose=0, return_dict=True) == result


def test_weights_count_as_arrays_do() -> None:
    layer = layers.Dense(2)
    layer.build((None, 3))
    weight, bias = layer.weights
    np.testing.assert_array_equal(weight + bias, weight.value + bias.value)
    np.testing.assert_array_equal(np.exp(-weight) / 2, np.exp(-weight.value) / 2)
    np.testing.assert_array_equal(math.sum(weight, axis=0), weight.value.sum(0))
    assert weight in layer.weights
    assert weight is not bias
    assert {weight: 1}[weight] == 1
    with pytest.raises(TypeError):
        Input((3,)) @ weight


class Both(metrics.Metric):
    """Metrics in a list or a dictionary, as Keras tracks them."""

    def __init__(self, parts: Any, name: str = "both") -> None:
        super().__init__(name=name)
        self.words = {1: "one", "a": 2}
        self.parts = parts

    def _each(self) -> list[Any]:
        return list(self.parts.values() if isinstance(self.parts, dict) else self.parts)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        for part in self._each():
            part.update_state(y_true, y_pred, sample_weight)

    def result(self) -> Any:
        return {part.name: part.result() for part in self._each()}


@pytest.mark.parametrize("kind", [list, tuple, lambda parts: {part.name: part for part in parts}])
def test_metrics_in_lists_and_dictionaries_begin_anew(kind: Any) -> None:
    both = Both(kind([metrics.MeanSquaredError(), metrics.MeanAbsoluteError()]))
    assert len(both.variables) == 4
    model = net(both, "mae")
    history = model.fit(X, Y, epochs=2, verbose=0).history
    assert history["mean_absolute_error"] == history["mae"]
    assert history["mean_squared_error"][0] > history["mean_squared_error"][1]

    class Own(cellstep.Model):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.own = kind([metrics.Mean(name="first"), metrics.Mean(name="second")])

    x = Input((4,))
    own = Own(x, layers.Dense(3)(x))
    assert [metric.name for metric in own.metrics] == ["first", "second"]
