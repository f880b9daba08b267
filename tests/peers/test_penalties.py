"""Regularizers and constraints give what Keras's give, alone and in training.

But for the slope of L1 at exactly 0: 0 here as in PyTorch and TensorFlow, 1 in JAX, so no weight is 0 in these tests.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import cellstep

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

W = np.random.default_rng(1).standard_normal((4, 6)).astype("float32")
REGULARIZERS: list[tuple[str, dict[str, Any]]] = [
    ("L1", {}),
    ("L2", {"l2": 0.3}),
    ("L1L2", {"l1": 0.1, "l2": 0.2}),
    ("OrthogonalRegularizer", {"factor": 0.5}),
    ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
]
CONSTRAINTS: list[tuple[str, dict[str, Any]]] = [
    ("MaxNorm", {"max_value": 1.5}),
    ("MaxNorm", {"max_value": 3, "axis": [0, 1]}),
    ("NonNeg", {}),
    ("UnitNorm", {"axis": 1}),
    ("MinMaxNorm", {"min_value": 2.0, "max_value": 2.5, "rate": 0.25}),
]


@pytest.mark.parametrize(("name", "options"), REGULARIZERS)
def test_regularizers(name: str, options: dict[str, Any]) -> None:
    import jax

    theirs, ours = getattr(keras.regularizers, name)(**options), getattr(cellstep.regularizers, name)(**options)
    value, grad = jax.value_and_grad(theirs)(W)
    np.testing.assert_allclose(ours(W), value, rtol=1e-6)
    np.testing.assert_allclose(ours.gradient(W), grad, rtol=1e-5, atol=1e-7)
    assert keras.regularizers.serialize(theirs)["class_name"] == cellstep.regularizers.serialize(ours)["class_name"]
    assert keras.regularizers.get(cellstep.regularizers.serialize(ours)).get_config() == theirs.get_config()
    assert cellstep.regularizers.get(keras.regularizers.serialize(theirs))(W) == pytest.approx(ours(W), rel=1e-7)


@pytest.mark.parametrize(("name", "options"), CONSTRAINTS)
def test_constraints(name: str, options: dict[str, Any]) -> None:
    theirs, ours = getattr(keras.constraints, name)(**options), getattr(cellstep.constraints, name)(**options)
    np.testing.assert_allclose(ours(W), theirs(W), rtol=1e-6, atol=1e-7)
    assert keras.constraints.get(cellstep.constraints.serialize(ours)).get_config() == ours.get_config()
    again = cellstep.constraints.get(keras.constraints.serialize(theirs))
    assert again.get_config() == ours.get_config()


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_training(name: str) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((8, 5, 3)).astype("float32"), rng.standard_normal((8, 2)).astype("float32")
    options = {
        "kernel_regularizer": "l2",
        "recurrent_regularizer": {"class_name": "OrthogonalRegularizer", "config": {"factor": 0.1}},
        "bias_regularizer": "l1",
        "kernel_constraint": "unit_norm",
        "recurrent_constraint": {"class_name": "MaxNorm", "config": {"max_value": 0.5}},
        "bias_constraint": {"class_name": "MinMaxNorm", "config": {"min_value": 0.5}},
    }
    found = []
    weights: Any = None
    for library in (keras, cellstep):
        layers = library.layers
        net = library.Sequential(
            [layers.Input((5, 3)), getattr(layers, name)(4, **options), layers.Dense(2, kernel_regularizer="l1")]
        )
        if weights is None:
            weights = [rng.standard_normal(w.shape).astype("float32") / 2 for w in net.get_weights()]
        net.set_weights(weights)
        net.compile(library.optimizers.SGD(0.1, clipnorm=0.5), "mse")
        logs = net.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0, validation_data=(x, y)).history
        found.append((logs, net.get_weights(), net.losses))
    (logs, values, losses), (our_logs, our_values, our_losses) = found
    for key in ("loss", "val_loss"):
        np.testing.assert_allclose(our_logs[key], logs[key], rtol=1e-5)
    np.testing.assert_allclose(our_losses, [float(v) for v in losses], rtol=1e-5)
    for ours, theirs in zip(our_values, values, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
