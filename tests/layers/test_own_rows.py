"""A cell whose row is added at run time, without a recurrent kernel: an IndRNN, h' = act(x W + u h + b), u a vector.

Source: Li, Li, Cook, Zhu and Gao 2018, "Independently recurrent neural network (IndRNN)".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from slopes import check_gradients

from cellstep import Input, Sequential, kernels, layers, utils
from cellstep.configured import arguments_of
from cellstep.kernels.cells import Cell, Gate, Option, Product, State, Weight
from cellstep.kernels.reference.activations import apply
from cellstep.layers.cell import RecurrentCell

ROW = Cell(
    name="indrnn",
    title="OwnIndRNN",
    gates=(Gate("h", "state", "activation"),),
    states=(State("h"),),
    weights=(
        Weight("W", ("I", "GH"), {"keras": "kernel"}),
        Weight("u", ("H",), {"keras": "recurrent"}),
        Weight("b", ("GH",), {"keras": "bias"}),
    ),
    products=(Product("x", "W", "h", bias=0), Product("h", "u", "h")),
    options=(Option("activation", "tanh"),),
)


def step(weights: Any, options: Any, x: Any, hd: Any, h: Any) -> Any:
    """In NumPy, as the loop of the reference wants it."""
    (W, u, b), (activation,) = weights, options
    y, y_back = apply(activation, x @ W + hd * u + (0 if b is None else b))

    def back(dh: Any) -> Any:
        d = y_back(dh)
        return d @ W.T, d * u, (np.zeros_like(dh),), (x.T @ d, (d * hd).sum(0), d.sum(0))

    return y[:, None], (y,), back


class IndRNNCell(RecurrentCell):
    contract = ROW

    def __init__(
        self,
        units: int,
        activation: Any = "relu",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "ones",
        recurrent_regularizer: Any = None,
        bias_initializer: Any = "zeros",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**arguments_of(locals()))


@pytest.fixture(autouse=True)
def _row() -> Iterator[None]:
    kernels.add_cell(ROW, step)
    yield
    kernels.remove_cell(ROW.name)


X = np.random.default_rng(1).standard_normal((3, 5, 2))


def test_weights_follow_from_the_row() -> None:
    cell = IndRNNCell(4, recurrent_regularizer="l2")
    layer = layers.RNN(cell, return_sequences=True)
    y = layer(X)
    assert [(w.name, w.shape) for w in layer.weights] == [("kernel", (2, 4)), ("recurrent", (4,)), ("bias", (4,))]
    assert len(layer.losses) == 1
    W, u, b = layer.get_weights()
    h = np.zeros((3, 4))
    for t in range(5):
        h = np.maximum(X[:, t] @ W + u * h + b, 0)
        np.testing.assert_allclose(y[:, t], h, rtol=1e-5, atol=1e-6)
    assert layers.RNN(IndRNNCell(4, use_bias=False))(X).shape == (3, 4)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients(dropout: float) -> None:
    cell = IndRNNCell(4, "tanh", recurrent_dropout=dropout, seed=1, dtype="float64")
    layer = layers.RNN(cell, return_sequences=True, return_state=True)
    check_gradients(layer, X, states=[np.ones((3, 4))], training=dropout > 0)
    with utils.custom_object_scope({"IndRNNCell": IndRNNCell}):
        both = layers.Bidirectional(layers.RNN(IndRNNCell(3, "tanh", dtype="float64")))
    check_gradients(both, X)


def test_a_step_and_a_stream_give_what_the_sequence_gives() -> None:
    model = Sequential([Input((None, 2)), layers.RNN([IndRNNCell(4), layers.GRUCell(3)], return_sequences=True)])
    y = model(X)
    stream = model.stream(3)
    np.testing.assert_allclose(stream.steps(X), y, rtol=1e-6)
    assert list(stream.state) == ["rnn/0/h", "rnn/1/h"]
