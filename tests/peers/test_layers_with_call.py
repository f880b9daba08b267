"""Layers, cells and models with `call` of the user's, in both libraries: the same outputs, and after a step of training
from equal weights the same weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import written_layers

import cellstep

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.random.default_rng(3).standard_normal((5, 6, 3)).astype("float32")
X[1, 4:] = 0
Y = np.random.default_rng(4).standard_normal((5, 1)).astype("float32")


EVERY = [*written_layers.MODELS, *written_layers.WITH_LOSSES]


@pytest.mark.parametrize("written", EVERY, ids=lambda written: written.__name__)
def test_outputs_and_a_step_of_training(written: Any) -> None:
    ours, theirs = written(cellstep), written(keras)
    ours(X), theirs(X)
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    rng = np.random.default_rng(5)
    weights = [rng.uniform(-0.6, 0.6, w.shape).astype("float32") for w in ours.weights]
    for model in (ours, theirs):
        model.set_weights(weights)
    np.testing.assert_allclose(ours.predict(X, verbose=0), theirs.predict(X, verbose=0), rtol=1e-5, atol=1e-5)
    for model in (ours, theirs):
        model.compile("sgd", "mse", run_eagerly=model is theirs)
        model.optimizer.learning_rate = 0.5
        model.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(*[m.evaluate(X, Y, verbose=0) for m in (ours, theirs)], rtol=1e-5)
    for w, a, b in zip(ours.weights, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5, err_msg=w.path)
    assert any((a != b).any() for a, b in zip(ours.get_weights(), weights, strict=True))
