"""activity_regularizer: penalties of outputs in the loss, their gradients against differences, configurations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, layers, regularizers

X = np.random.default_rng(1).standard_normal((4, 6, 3))
IDS = np.arange(24).reshape(4, 6) % 5
PENALTY = {"activity_regularizer": regularizers.L1L2(0.1, 0.3), "dtype": "float64"}
SEQUENCES = PENALTY | {"return_sequences": True}

MADE: dict[str, Any] = {
    "Activation": lambda: layers.Activation("tanh", **PENALTY),
    "Conv1D": lambda: layers.Conv1D(2, 3, **PENALTY),
    "Dense": lambda: layers.Dense(2, "tanh", **PENALTY),
    "Embedding": lambda: layers.Embedding(5, 3, **PENALTY),
    "GRU": lambda: layers.GRU(2, **PENALTY),
    "LSTM": lambda: layers.LSTM(2, **SEQUENCES),
    "RNN": lambda: layers.RNN([layers.GRUCell(2, dtype="float64"), layers.LSTMCell(2, dtype="float64")], **SEQUENCES),
    "SimpleRNN": lambda: layers.SimpleRNN(2, num_layers=2, **PENALTY),
}


def net(name: str) -> tuple[Sequential, Any]:
    """A model around the layer whose weights are moved off what initializers give, and its inputs."""
    rng = np.random.default_rng(2)
    x = IDS if name == "Embedding" else X
    head = [layers.Flatten(dtype="float64"), layers.Dense(1, dtype="float64")]
    first = [Input((6,))] if name == "Embedding" else [Input((6, 3)), layers.Dense(3, dtype="float64")]
    made = Sequential([*first, MADE[name](), *head])
    made.set_weights([rng.standard_normal(w.shape) / 2 for w in made.weights])
    made.compile("sgd", "mse")
    return made, x


@pytest.mark.parametrize("name", MADE)
def test_the_loss_and_all_gradients(name: str) -> None:
    made, x = net(name)
    y = np.ones((4, 1))
    layer = made.layers[0 if name == "Embedding" else 1]
    before = x if name == "Embedding" else made.layers[0](x)
    out = layer(before)
    extra = (0.1 * np.abs(out).sum() + 0.3 * np.square(out).sum()) / 4
    np.testing.assert_allclose(made.evaluate(x, y, verbose=0), np.square(made(x) - y).mean() + extra, rtol=1e-12)
    found, _ = made.gradients(x, y)
    for w, slope in zip(made.weights, found.values(), strict=True):
        start = w.numpy()
        at = tuple(n // 2 for n in w.shape)
        sides = []
        for h in (1e-6, -1e-6):
            moved = start.copy()
            moved[at] += h
            w.assign(moved)
            sides.append(float(made.evaluate(x, y, verbose=0)))
        w.assign(start)
        np.testing.assert_allclose(slope[at], (sides[0] - sides[1]) / 2e-6, rtol=1e-6, atol=1e-8, err_msg=w.path)


@pytest.mark.parametrize("name", MADE)
def test_configurations(name: str) -> None:
    layer = MADE[name]()
    config = layer.get_config()
    assert config["activity_regularizer"]["config"] == {"l1": 0.1, "l2": 0.3}
    again = type(layer).from_config(config)
    assert again.activity_regularizer.get_config() == {"l1": 0.1, "l2": 0.3}
    assert again.get_config() == config


def test_steps_that_do_not_exist_are_not_penalized() -> None:
    rows = [X[0, :2], X[1], X[2, :4]]
    made = Sequential([Input((None, 3)), layers.GRU(2, return_sequences=True, **PENALTY)])
    made.compile("sgd", "mse")
    outputs = [made(row[None])[0] for row in rows]
    wanted = sum(0.1 * np.abs(y).sum() + 0.3 * np.square(y).sum() for y in outputs) / 3
    found, loss = made.gradients(rows, outputs)
    np.testing.assert_allclose(loss, wanted, rtol=1e-12)
    w, slope = made.weights[0], next(iter(found.values()))
    start, sides = w.numpy(), []
    for h in (1e-6, -1e-6):
        moved = start.copy()
        moved[1, 2] += h
        w.assign(moved)
        sides.append(float(made.evaluate(rows, outputs, verbose=0)))
    np.testing.assert_allclose(slope[1, 2], (sides[0] - sides[1]) / 2e-6, rtol=1e-6)
