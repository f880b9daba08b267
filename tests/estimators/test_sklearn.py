"""Estimators: scikit-learn's own checks, sequences of all kinds, weights, repeatability, windows."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import cellstep
from cellstep.sklearn import RNNClassifier, RNNRegressor, windows

RNG = np.random.default_rng(5)
X = RNG.standard_normal((60, 8, 2)).astype("float32")
Y = np.where(X[:, :, 0].mean(axis=1) > 0, "up", "down")
RAGGED = [row[: 4 + i % 5] for i, row in enumerate(X)]
SMALL: dict[str, Any] = {"units": 4, "epochs": 3, "random_state": 0}


@parametrize_with_checks(
    [
        # one batch in float64: then a sample of weight 2 is that sample twice, to rounding
        RNNClassifier("gru", units=16, batch_size=1000, dtype="float64"),
        RNNRegressor("lstm", units=16, epochs=100, batch_size=1000, dtype="float64"),
    ]
)
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("given", [X, RAGGED], ids=["even", "ragged"])
def test_it_learns(cell: str, given: Any) -> None:
    target = np.array([row[:, 0].mean() for row in given])
    net = RNNClassifier(cell, units=8, random_state=0).fit(given, np.sign(target))
    assert net.score(given, np.sign(target)) > 0.9
    assert net.n_features_in_ == 2
    assert RNNRegressor(cell, units=8, random_state=0).fit(given, target).score(given, target) > 0.8


@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "bidirectional": True, "dropout": 0.2, "recurrent_dropout": 0.2}]
)
def test_a_seed_repeats_bits_at_any_number_of_threads(options: dict[str, Any]) -> None:
    found = []
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - what must not change
    threads = cellstep.get_num_threads()
    try:
        for n in (1, 2, threads):
            cellstep.set_num_threads(n)
            net = RNNClassifier("gru", **{**SMALL, "units": 40}, **options).fit(X, Y)
            found.append([*net.model_.get_weights(), net.predict_proba(X)])
    finally:
        cellstep.set_num_threads(threads)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    again = RNNClassifier("gru", **{**SMALL, "units": 40, "random_state": 1}, **options).fit(X, Y)
    assert (again.predict_proba(X) != found[0][-1]).any()


def test_both_directions_begin_with_weights_of_their_own() -> None:
    weights = RNNClassifier("gru", bidirectional=True, **SMALL).fit(X, Y).model_.layers[0].get_weights()
    assert not np.allclose(weights[0], weights[3], atol=0.1)


def test_lists_of_even_and_uneven_rows_are_one() -> None:
    net = RNNRegressor("gru", **SMALL).fit(X, X[:, 0, 0])
    np.testing.assert_array_equal(net.predict(list(X)), net.predict(X))
    alone = np.concatenate([net.predict(row[None]) for row in RAGGED])
    np.testing.assert_allclose(net.predict(RAGGED), alone, rtol=1e-5, atol=1e-6)
    objects = np.empty(60, object)
    objects[:] = RAGGED
    np.testing.assert_array_equal(net.predict(objects), net.predict(RAGGED))
    plain = RNNRegressor("gru", **SMALL).fit([row[:, 0] for row in RAGGED], X[:, 0, 0])
    column = RNNRegressor("gru", **SMALL).fit([row[:, :1] for row in RAGGED], X[:, 0, 0])
    np.testing.assert_array_equal(plain.predict([X[0, :3, 0], X[1, :, 0]]), column.predict([X[0, :3, :1], X[1, :, :1]]))


def test_a_table_is_sequences_of_one_value() -> None:
    table = RNNRegressor("gru", **SMALL).fit(X[:, :, 0], X[:, 0, 1])
    cube = RNNRegressor("gru", **SMALL).fit(X[:, :, :1], X[:, 0, 1])
    np.testing.assert_array_equal(table.predict(X[:, :, 0]), cube.predict(X[:, :, :1]))
    assert (table.n_features_in_, cube.n_features_in_) == (8, 1)


def test_pipelines_search_and_validation() -> None:
    double = FunctionTransformer(lambda rows: [2 * row for row in rows])
    search = GridSearchCV(
        make_pipeline(double, RNNClassifier("gru", **SMALL)), {"rnnclassifier__units": [3, 5]}, cv=2
    ).fit(RAGGED, Y)
    assert search.predict(RAGGED).shape == (60,)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    line = make_pipeline(StandardScaler(), RNNRegressor("rnn", **SMALL))
    assert cross_val_score(line, X[:, :, 0], X[:, 0, 0], cv=TimeSeriesSplit(2)).shape == (2,)
    assert cross_val_score(RNNClassifier("lstm", **SMALL), RAGGED, Y, cv=3).shape == (3,)


def test_a_pickle_predicts_the_same_and_a_clone_is_not_fitted() -> None:
    net = RNNClassifier("lstm", num_layers=2, dropout=0.1, **SMALL).fit(RAGGED, Y)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict_proba(RAGGED), net.predict_proba(RAGGED))
    assert clone(net).get_params() == net.get_params()
    with pytest.raises(NotFittedError):
        clone(net).predict(X)


def test_weights_of_samples_and_classes() -> None:
    some = np.arange(60) % 3 > 0
    whole = RNNClassifier("gru", **SMALL).fit(X, Y, sample_weight=some)
    part = RNNClassifier("gru", **SMALL).fit(X[some], Y[some])
    np.testing.assert_array_equal(whole.predict_proba(X), part.predict_proba(X))
    up = RNNClassifier("gru", **{**SMALL, "epochs": 20}, class_weight={"up": 1000, "down": 1e-3}).fit(X, Y)
    assert (up.predict(X) == "up").mean() > 0.9


def test_early_stopping_keeps_the_best_epoch() -> None:
    noise = RNG.standard_normal(60)
    net = RNNRegressor("gru", units=16, epochs=200, early_stopping=True, patience=3, random_state=0).fit(X, noise)
    curve = net.validation_loss_curve_
    assert net.n_iter_ == len(net.loss_curve_) == len(curve) < 200
    assert int(np.argmin(curve)) < len(curve) - 1
    assert RNNRegressor("gru", **SMALL).fit(X, noise).validation_loss_curve_ is None


def test_several_targets() -> None:
    net = RNNRegressor("gru", **SMALL).fit(X, X[:, 0])
    assert net.predict(X).shape == (60, 2)
    assert net.predict(X).dtype == np.float32


def test_windows() -> None:
    series = np.arange(20.0).reshape(10, 2)
    x, y = windows(series, 3, horizon=2, stride=2)
    np.testing.assert_array_equal(x[:, 0, 0], [0, 4, 8])
    np.testing.assert_array_equal(x[1], series[2:5])
    np.testing.assert_array_equal(y, series[[4, 6, 8]])
    x, y = windows(np.arange(5), 2, horizon=0, target=10 * np.arange(5))
    np.testing.assert_array_equal(x[:, :, 0], [[0, 1], [1, 2], [2, 3], [3, 4]])
    np.testing.assert_array_equal(y, [10, 20, 30, 40])


FITTED = RNNRegressor("gru", **{**SMALL, "epochs": 1})


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: RNNClassifier("lst").fit(X, Y), ValueError, "cell must be one of .*got 'lst'"),
        (lambda: RNNClassifier(units=0).fit(X, Y), ValueError, "units must be a positive integer, got 0"),
        (lambda: RNNClassifier(epochs=0).fit(X, Y), ValueError, "epochs must be a positive integer, got 0"),
        (lambda: RNNClassifier(bidirectional=2).fit(X, Y), TypeError, "bidirectional must be True or False, got 2"),
        (lambda: RNNClassifier(dtype="float16").fit(X, Y), ValueError, "dtype must be 'float32' or 'float64'"),
        (lambda: RNNClassifier().fit([X[0, :3], X[1, :, :1]], ["a", "b"]), ValueError, "sequences of shape"),
        (lambda: RNNClassifier().fit([X[0, :0], X[1]], ["a", "b"]), ValueError, "1 step and 1 feature or more"),
        (lambda: RNNRegressor().fit(X * np.nan, X[:, 0, 0]), ValueError, "X to be finite"),
        (lambda: RNNRegressor().fit(X, X[:9, 0, 0]), ValueError, "inconsistent numbers of samples"),
        (lambda: RNNRegressor().fit(X, X[:, 0, 0], sample_weight=-np.ones(60)), ValueError, "sample_weight to be 0 or"),
        (lambda: clone(FITTED).fit(X, X[:, 0, 0]).predict(X[:, :, 0]), ValueError, "sequences, as in fit, got a table"),
        (lambda: clone(FITTED).fit(X, X[:, 0, 0]).predict(X[:, :, :1]), ValueError, "X has 1 features, but RNNRegr"),
        (lambda: windows(np.ones(3), 3), ValueError, "expected series of 4 steps or more for one window, got 3"),
        (lambda: windows(np.ones((2, 2, 2)), 3), ValueError, "expected series of shape"),
        (lambda: windows(np.ones(9), 3, target=np.ones(8)), ValueError, "expected target to have the 9 steps"),
        (lambda: windows(np.ones(9), 3, horizon=-1), ValueError, "horizon must be an integer, 0 or more, got -1"),
    ],
)
def test_errors(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_targets_of_several_steps_and_series_keep_their_shape() -> None:
    X = np.random.default_rng(1).standard_normal((12, 5, 2))
    y = np.stack([X[:, -2:, 0], X[:, -2:, 1] + 1, X[:, -2:, 0] * 2], axis=-1)
    net = RNNRegressor("gru", 4, epochs=3, random_state=0).fit(X, y)
    flat = RNNRegressor("gru", 4, epochs=3, random_state=0).fit(X, y.reshape(12, 6))
    assert net.predict(X).shape == (12, 2, 3)
    np.testing.assert_array_equal(net.predict(X).reshape(12, 6), flat.predict(X))
    assert net.score(X, y) == flat.score(X, y.reshape(12, 6))
    with pytest.raises(ValueError, match=r"expected y of shape \(n,\), got \(12, 2, 3\); a Sequential whose layers"):
        RNNClassifier().fit(X, y)
