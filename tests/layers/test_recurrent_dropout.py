"""Dropout of states: one mask a call, before products with recurrent weights, in training alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from slopes import check_gradients

from cellstep import kernels, layers

RNG = np.random.default_rng(4)
B, T, I, H = 3, 4, 2, 5  # noqa: E741
X = RNG.standard_normal((B, T, I))
HOLES = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 1]], bool)
KINDS: dict[str, Any] = {
    "SimpleRNN": lambda **k: layers.SimpleRNN(H, seed=3, **k),
    "LSTM": lambda **k: layers.LSTM(H, seed=3, **k),
    "GRU": lambda **k: layers.GRU(H, seed=3, **k),
    "GRU before": lambda **k: layers.GRU(H, reset_after=False, seed=3, **k),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("call", [{}, {"mask": HOLES}, {"lengths": [4, 1, 0]}], ids=["plain", "holes", "lengths"])
@every_kind
def test_gradients(kind: str, call: dict[str, Any]) -> None:
    layer = KINDS[kind](recurrent_dropout=0.4, dropout=0.3, return_sequences=True, return_state=True, dtype="float64")
    states = [RNG.standard_normal((B, H)) for _ in layer.state_size]
    check_gradients(layer, X, states=states, training=True, **call)


@every_kind
def test_the_same_seed_drops_the_same_and_outside_training_nothing_is_dropped(on: kernels.Backend, kind: str) -> None:
    layer, plain = KINDS[kind](recurrent_dropout=0.5), KINDS[kind]()
    layer.build(X.shape)
    again = type(layer).from_config(layer.get_config())
    for other in (plain, again):
        other.build(X.shape)
        other.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(X), plain(X))
    first = layer(X, training=True)
    np.testing.assert_array_equal(again(X, training=True), first)
    assert not np.array_equal(first, plain(X))
    assert not np.array_equal(layer(X, training=True), first), "a mask is drawn for each call"


@every_kind
def test_dropping_every_state_leaves_the_inputs(on: kernels.Backend, kind: str) -> None:
    """No weight of the recurrent kernel matters then; gates still mix the state that is carried."""
    layer = KINDS[kind](recurrent_dropout=1.0, return_sequences=True)
    layer.build(X.shape)
    y = layer(X, training=True)
    layer.cell.recurrent_kernel.assign(np.zeros(layer.cell.recurrent_kernel.shape))
    np.testing.assert_array_equal(layer(X), y)


@every_kind
def test_a_cell_by_hand_drops_the_same_at_each_step(on: kernels.Backend, kind: str) -> None:
    layer = KINDS[kind](recurrent_dropout=0.4, dropout=0.3, return_state=True)
    layer.build(X.shape)
    cell = type(layer.cell).from_config(layer.cell.get_config())
    cell.build((B, I))
    cell.set_weights(layer.get_weights())
    y, *last = layer(X, training=True)
    for _ in range(2):
        states = cell.get_initial_state(B)
        for t in range(T):
            output, states = cell(X[:, t], states, training=True)
        for a, e in zip((output, *states), (y, *last), strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)
    cell.reset_recurrent_dropout_mask()
    states = cell.get_initial_state(B)
    for t in range(T):
        output, states = cell(X[:, t], states, training=True)
    assert not np.allclose(output, y)


@every_kind
def test_one_step_with_its_pullback(on: kernels.Backend, kind: str) -> None:
    layer = KINDS[kind](recurrent_dropout=0.4, return_state=True, dtype="float64")
    layer.build(X.shape)
    cell = layer.cell
    states = [RNG.standard_normal((B, H)) for _ in layer.state_size]
    drawn = cell.generator.bit_generator.state
    (y, *last), pullback = layer.forward(X[:, :1], initial_state=states, training=True)
    dy, dlast = RNG.standard_normal((B, H)), [RNG.standard_normal((B, H)) for _ in states]
    dx, dstates = pullback([dy, *dlast])
    grads = [w.grad.copy() for w in cell.weights]
    for w in cell.weights:
        w.zero_grad()
    cell.generator.bit_generator.state = drawn
    (output, new), back = cell.forward(X[:, 0], states, training=True)
    other_dx, other_dstates = back(dy, dlast)
    np.testing.assert_array_equal(other_dx, dx[:, 0])
    found = (output, *new, *other_dstates, *(w.grad for w in cell.weights))
    for a, e in zip(found, (y, *last, *dstates, *grads), strict=True):
        np.testing.assert_array_equal(a, e)
