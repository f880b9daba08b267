"""Normalization: its statistics from data of every kind, there and back, in models and in streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import layers

RNG = np.random.default_rng(4)
X = RNG.standard_normal((6, 5, 3)) * [1.0, 10.0, 0.1] + [1e4, 0.0, -3.0]


class Batches(cellstep.utils.PyDataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return X[3 * index : 3 * index + 3], np.zeros(3)


DATA: dict[str, Callable[[], Any]] = {
    "an array": lambda: X,
    "batches": lambda: [X[:4], X[4:]],
    "an empty batch": lambda: [X[:4], X[:0], X[4:]],
    "sequences of different lengths": lambda: [X.reshape(-1, 3)[a:b] for a, b in ((0, 1), (1, 12), (12, 30))],
    "batches of sequences": lambda: [[X[0], X[1]], list(X[2:])],
    "a generator": lambda: ((x[None], 0) for x in X),
    "a dataset": Batches,
}


@pytest.mark.parametrize("name", DATA)
def test_statistics_are_those_of_all_steps(name: str) -> None:
    layer = layers.Normalization(dtype="float64")
    layer.adapt(DATA[name]())
    mean, variance, _ = layer.get_weights()
    np.testing.assert_allclose(mean, X.mean(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_allclose(variance, X.var(axis=(0, 1)), rtol=1e-9)
    y = layer(X)
    np.testing.assert_allclose(y.std(axis=(0, 1)), 1, rtol=1e-9)


@pytest.mark.parametrize("axis", [-1, None, 1, (1, 2), (2, 1), [2]])
def test_there_and_back(axis: Any) -> None:
    there = layers.Normalization(axis, dtype="float64")
    back = layers.Normalization(axis, invert=True, dtype="float64")
    for layer in (there, back):
        layer.adapt(X)
    np.testing.assert_allclose(back(there(X)), X, rtol=1e-9)
    assert np.ndim(there.mean) == 3


def test_a_feature_that_never_changes_is_not_divided_by_zero() -> None:
    layer = layers.Normalization(dtype="float64")
    layer.adapt(np.ones((4, 2)))
    np.testing.assert_array_equal(layer(np.ones((1, 2))), 0)
    np.testing.assert_allclose(layer(np.full((1, 2), 1 + 1e-9)), 1e-2, rtol=1e-5)


def test_statistics_of_before_stay_where_data_are_refused() -> None:
    layer = layers.Normalization()
    layer.adapt(X)
    before = layer.get_weights()
    with pytest.raises(ValueError, match="expected inputs of sizes"):
        layer.adapt([X + 1, X[..., :2]])
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_learns_behind_it_and_streams() -> None:
    normalization = layers.Normalization()
    normalization.adapt(X)
    model = cellstep.Sequential([cellstep.Input((None, 3)), normalization, layers.Identity(), layers.GRU(4)])
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((6, 4)), verbose=0)
    np.testing.assert_allclose(normalization.get_weights()[0], X.mean(axis=(0, 1)), rtol=1e-5)
    stream = model.stream(batch_size=6)
    for t in range(5):
        y = stream.step(X[:, t].astype("float32"))
    np.testing.assert_array_equal(y, model.predict(X, verbose=0))
