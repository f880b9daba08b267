"""dependence: against finite differences, of causal nets, of those that look ahead, and of single outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cellstep
from cellstep import lab, layers

Array = NDArray[Any]
T, FEATURES = 7, 3


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def by_differences(model: Any, x: Array) -> Array:
    """|d y_t[largest] / d x_k| of the one row of x."""
    y = np.asarray(model(x))[0]
    y = y if y.ndim == 2 else y[None]
    found = np.zeros((len(y), T, FEATURES))
    for k in range(T):
        for i in range(FEATURES):
            ends = []
            for step in (1e-6, -1e-6):
                moved = x.copy()
                moved[0, k, i] += step
                out = np.asarray(model(moved))[0].reshape(y.shape)
                ends.append(out[np.arange(len(y)), y.argmax(-1)])
            found[:, k, i] = (ends[0] - ends[1]) / 2e-6
    return np.asarray(np.linalg.norm(found, axis=-1))


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_a_model_by_differences(kind: Any, sequences: bool) -> None:
    model = cellstep.Sequential(
        [
            cellstep.Input((T, FEATURES), dtype="float64"),
            layers.Bidirectional(kind(4, return_sequences=True, dtype="float64"))
            if sequences
            else layers.Identity(dtype="float64"),
            kind(3, return_sequences=sequences, dtype="float64"),
            layers.Dense(2, activation="softmax", dtype="float64"),
        ]
    )
    x = normal(2, T, FEATURES)
    found = lab.dependence(model, x, row=1)
    assert found.norms.shape == (T if sequences else 1, T)
    np.testing.assert_allclose(found.norms, by_differences(model, x[1:]), rtol=1e-5, atol=1e-9)
    assert found.draw().axes
    assert len(found.table()[1]) == len(found.norms)


def test_a_layer_looks_back_alone_and_how_far() -> None:
    layer = layers.SimpleRNN(1, activation="linear", use_bias=False, return_sequences=True, dtype="float64")
    layer.build((None, None, 1))
    layer.set_weights([np.ones((1, 1)), np.full((1, 1), 0.5)])
    found = lab.dependence(layer, np.ones((1, 6, 1)), labels="abcdef")
    back = np.subtract.outer(np.arange(6), np.arange(6))
    np.testing.assert_allclose(found.norms, np.where(back >= 0, 0.5 ** np.maximum(back, 0), 0))
    weights = 0.5 ** np.arange(6)
    np.testing.assert_allclose(found.distances[-1], (weights * np.arange(6)).sum() / weights.sum())
    assert found.table()[1][-1][:3] == ["f", "f", "0"]
    assert "looks back" in found.conclusion()
    other = layers.SimpleRNN(1, return_sequences=True, go_backwards=True, dtype="float64")
    other.build((None, None, 1))
    ahead = layers.Bidirectional(layers.SimpleRNN(1, return_sequences=True, dtype="float64"), backward_layer=other)
    assert np.isfinite(lab.dependence(ahead, np.ones((1, 6, 1))).distances).all()


def test_what_cannot_be_looked_at_is_refused() -> None:
    net = layers.GRU(2)
    with pytest.raises(
        ValueError, match=r"x must be numbers of shape \(batch, time, features\), got float64 of \(3, 4\)"
    ):
        lab.dependence(net, np.ones((3, 4)))
    with pytest.raises(ValueError, match="row must be one of the 2 rows of x, from 0 on, got 2"):
        lab.dependence(net, np.ones((2, 3, 4)), row=2)
    with pytest.raises(ValueError, match="labels must be 3 names, one a step, got 2"):
        lab.dependence(net, np.ones((2, 3, 4)), labels="ab")
    with pytest.raises(ValueError, match=r"model must give one output, \(batch, time, n\) or \(batch, n\), got"):
        lab.dependence(layers.GRU(2, return_state=True), np.ones((2, 3, 4)))
    with pytest.raises(TypeError, match="model must be a model or a layer of cellstep, got str"):
        lab.dependence("GRU", np.ones((2, 3, 4)))
