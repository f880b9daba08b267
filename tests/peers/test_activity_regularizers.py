"""activity_regularizer: losses and training as in Keras, and configurations that both read.

Keras's SimpleRNN takes the argument and forgets it, so it is given one here by its attribute.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import cellstep

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RNG = np.random.default_rng(3)
X = RNG.standard_normal((8, 5, 3)).astype("float32")
LAYERS: dict[str, Any] = {
    "Activation": lambda kind, p: kind.Activation("tanh", activity_regularizer=p),
    "Conv1D": lambda kind, p: kind.Conv1D(2, 3, activity_regularizer=p),
    "Dense": lambda kind, p: kind.Dense(2, "tanh", activity_regularizer=p),
    "Embedding": lambda kind, p: kind.Embedding(5, 3, activity_regularizer=p),
    "GRU": lambda kind, p: kind.GRU(2, activity_regularizer=p),
    "LSTM": lambda kind, p: kind.LSTM(2, return_sequences=True, activity_regularizer=p),
    "RNN": lambda kind, p: kind.RNN([kind.GRUCell(2), kind.LSTMCell(2)], activity_regularizer=p),
    "SimpleRNN": lambda kind, p: kind.SimpleRNN(2, return_sequences=True, activity_regularizer=p),
    "ActivityRegularization": lambda kind, p: kind.ActivityRegularization(l1=0.01, l2=0.01),
    "BatchNormalization": lambda kind, p: kind.BatchNormalization(activity_regularizer=p),
    "LayerNormalization": lambda kind, p: kind.LayerNormalization(activity_regularizer=p),
    "MaxPooling1D": lambda kind, p: kind.MaxPooling1D(2, activity_regularizer=p),
    "Softmax": lambda kind, p: kind.Softmax(activity_regularizer=p),
    "Bidirectional": lambda kind, p: kind.Bidirectional(
        kind.LSTM(2, return_sequences=True, activity_regularizer=p), activity_regularizer=p
    ),
}
#: Layers whose own penalty is within.
INSIDE: dict[str, Any] = {
    "each direction": lambda kind, p: kind.Bidirectional(kind.GRU(2, activity_regularizer=p), merge_mode="sum"),
    # of a layer that is not in a model Keras's TimeDistributed loses the penalty
    "each step": lambda kind, p: kind.TimeDistributed(SEQUENTIAL[kind]([kind.Dense(2, activity_regularizer=p)])),
    "each step twice": lambda kind, p: kind.TimeDistributed(
        SEQUENTIAL[kind]([kind.Reshape((3, 1)), kind.Bidirectional(kind.LSTM(2, activity_regularizer=p))])
    ),
    "a model": lambda kind, p: SEQUENTIAL[kind]([kind.Dense(2, activity_regularizer=p), kind.Activation("tanh")]),
}
SEQUENTIAL = {library.layers: library.Sequential for library in (keras, cellstep)}


def make(library: Any, name: str, penalty: Any) -> Any:
    layer = (LAYERS | INSIDE)[name](library.layers, penalty)
    if library is keras and name == "SimpleRNN":
        assert layer.activity_regularizer is None
        layer.activity_regularizer = keras.regularizers.get(penalty)
    return layer


@pytest.mark.parametrize("name", LAYERS | INSIDE)
def test_losses_and_training(name: str) -> None:
    ids = name == "Embedding"
    x = np.arange(40).reshape(8, 5) % 5 if ids else X
    y = RNG.standard_normal((8, 1)).astype("float32")
    found, losses = [], []
    weights: Any = None
    for library in (keras, cellstep):
        penalty = library.regularizers.L1L2(0.01, 0.2)
        first = [library.Input((5,))] if ids else [library.Input((5, 3)), library.layers.Dense(3)]
        # a batch of 3 comes last, so that the share of a row counts
        last = [library.layers.Flatten(), library.layers.Dense(1)]
        net = library.Sequential([*first, make(library, name, penalty), *last])
        if weights is None:
            weights = [abs(RNG.standard_normal(w.shape)).astype("float32") / 2 for w in net.get_weights()]
        net.set_weights(weights)
        net.compile(library.optimizers.SGD(0.05), "mse")
        logs = net.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0, validation_data=(x, y)).history
        found.append((logs, net.get_weights()))
        net(x)
        losses.append(sum(map(float, net.losses)))
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    (logs, values), (our_logs, our_values) = found
    for key in ("loss", "val_loss"):
        np.testing.assert_allclose(our_logs[key], logs[key], rtol=1e-5)
    for ours, theirs in zip(our_values, values, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_configurations_go_both_ways(name: str) -> None:
    theirs = make(keras, name, "l2")
    ours = cellstep.layers.deserialize(keras.layers.serialize(theirs))
    assert ours.activity_regularizer.get_config()["l2"] == pytest.approx(0.01)
    back = keras.layers.deserialize(cellstep.layers.serialize(ours))
    if name != "SimpleRNN":  # Keras does not read it
        assert back.activity_regularizer.get_config() == theirs.activity_regularizer.get_config()
