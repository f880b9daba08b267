"""Cells on top of each other: the same as layers on top of each other, whatever runs them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from slopes import check_gradients, flat

from cellstep import kernels, layers

RNG = np.random.default_rng(4)
B, T, I = 3, 5, 2  # noqa: E741
X = RNG.standard_normal((B, T, I))
HOLES = np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 0, 1, 0]], bool)
CALLS: dict[str, dict[str, Any]] = {"plain": {}, "holes": {"mask": HOLES}, "lengths": {"lengths": [5, 2, 0]}}


def cells() -> list[Any]:
    return [layers.GRUCell(3, dtype="float64"), layers.LSTMCell(2, dtype="float64")]


@pytest.mark.parametrize("backwards", [False, True], ids=["", "backwards"])
@pytest.mark.parametrize("call", CALLS)
def test_gradients(call: str, backwards: bool) -> None:
    layer = layers.RNN(cells(), return_sequences=True, return_state=True, go_backwards=backwards)
    states = [[RNG.standard_normal((B, 3))], [RNG.standard_normal((B, 2)), RNG.standard_normal((B, 2))]]
    check_gradients(layer, X, states=states, **CALLS[call])


def test_gradients_with_every_dropout() -> None:
    layer = layers.LSTM(3, num_layers=2, dropout=0.3, recurrent_dropout=0.3, seed=2, dtype="float64")
    check_gradients(layer, X, training=True, mask=HOLES)


@pytest.mark.parametrize("call", CALLS)
def test_a_stack_of_cells_is_layers_on_top_of_each_other(on: kernels.Backend, call: str) -> None:
    stack = layers.RNN(cells(), return_state=True, go_backwards=True)
    y, (h1,), (h2, c2) = stack(X, **CALLS[call])
    first = layers.RNN(stack.cell.cells[0], return_sequences=True, return_state=True)
    second = layers.RNN(stack.cell.cells[1], return_state=True)
    steps = np.ones((B, T), bool)
    if "lengths" in CALLS[call]:
        steps = np.arange(T) < np.array(CALLS[call]["lengths"])[:, None]
    steps = CALLS[call].get("mask", steps)[:, ::-1]
    middle, last = first(X[:, ::-1], mask=steps)
    for a, e in zip(
        (y, h1, h2, c2), (*second(middle, mask=steps)[:1], last, *second(middle, mask=steps)[1:]), strict=True
    ):
        np.testing.assert_array_equal(a, e)


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_num_layers(on: kernels.Backend, kind: str) -> None:
    make = getattr(layers, kind)
    layer = make(4, num_layers=3, return_sequences=True)
    y = layer(X)
    assert [w.name for w in layer.weights] == ["kernel", "recurrent_kernel", "bias"] * 3
    assert layer.units == 4
    x = X
    for i in range(3):
        one = make(4, return_sequences=True)
        one.build(x.shape)
        one.set_weights(layer.get_weights()[3 * i : 3 * i + 3])
        x = one(x)
    np.testing.assert_array_equal(y, x)
    again = layers.deserialize(layers.serialize(layer))
    assert again.num_layers == 3
    for other in (again, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        other.build(X.shape)
        other.set_weights(layer.get_weights())
        np.testing.assert_array_equal(other(X), y)
    assert "num_layers" not in make(4).get_config()


def test_layers_of_a_stack_drop_each_their_own() -> None:
    layer = layers.GRU(4, num_layers=2, dropout=0.5, seed=7)
    seeds = [cell.seed for cell in layer.cell.cells]
    assert seeds == [7, 8]
    assert layer.get_config()["seed"] == 7


@pytest.mark.parametrize("nested", [False, True])
def test_initial_states_flat_and_nested(nested: bool) -> None:
    layer = layers.RNN(cells(), return_state=True)
    given = [[np.ones((B, 3))], [np.ones((B, 2)), np.zeros((B, 2))]]
    states = given if nested else flat(given)
    y, pullback = layer.forward(X, initial_state=states)
    right, right_pullback = layer.forward(X, initial_state=given)
    for a, e in zip(flat(y), flat(right), strict=True):
        np.testing.assert_array_equal(a, e)
    dy = [np.ones((B, 2)), None, [None, np.ones((B, 2))]]
    _, dstates = pullback(dy)
    assert [isinstance(d, list) for d in dstates] == [nested] * len(states)
    for a, e in zip(flat(dstates), flat(right_pullback(dy)[1]), strict=True):
        np.testing.assert_array_equal(a, e)


def test_a_stack_streams(on: kernels.Backend) -> None:
    layer = layers.RNN(cells(), return_sequences=True)
    y = layer(X)
    stream = layer.stream(B)
    assert list(stream.state) == ["rnn/0/h", "rnn/1/h", "rnn/1/c"]
    for t in range(T):
        np.testing.assert_allclose(stream.step(X[:, t]), y[:, t], rtol=1e-13)


def test_a_stateful_stack() -> None:
    layer = layers.RNN(cells(), stateful=True)
    whole = layers.RNN(layer.cell)(X)
    layer(X[:, :2])
    np.testing.assert_allclose(layer(X[:, 2:]), whole, rtol=1e-13)


def test_a_stack_by_hand(on: kernels.Backend) -> None:
    layer = layers.RNN(cells(), return_state=True)
    y, *last = layer(X)
    stack = layer.cell
    states = stack.get_initial_state(B)
    for t in range(T):
        output, states = stack(X[:, t], states)
    for a, e in zip(flat([output, states]), flat([y, last]), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-13)


def test_configuration() -> None:
    layer = layers.RNN(layers.StackedRNNCells(cells(), name="two"))
    again = layers.deserialize(layers.serialize(layer))
    assert again.get_config() == layer.get_config()
    assert again.cell.name == "two"


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda: layers.RNN(cells())(X, initial_state=[np.ones((B, 3))]),
        ValueError,
        r"initial_state to be 3 arrays \(h of cell 0, h of cell 1, c of cell 1\), got 1",
    ),
    (
        lambda: layers.RNN(cells())(X, initial_state=[np.ones((B, 3))] * 3),
        ValueError,
        r"initial_state h of cell 1 of shape \(3, 2\), got \(3, 3\)",
    ),
    (lambda: layers.LSTM(3, num_layers=0), ValueError, "num_layers must be a positive integer, got 0"),
    (
        lambda: layers.StackedRNNCells(cells())(X[:, 0], []),
        ValueError,
        "expected states to be 2 lists, one for each cell, got 0",
    ),
    (
        lambda: layers.RNN(cells(), return_state=True).forward(X)[1]([None, None]),
        ValueError,
        "expected dy to be a list of 3, for the output and each state, got 2",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
