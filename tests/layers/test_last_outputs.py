"""The last output of rows that end early, by mask, lengths or in a list, in layers and models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from passes import run

from cellstep import Input, Model, Sequential, kernels, layers

RNG = np.random.default_rng(31)
LENGTHS = [4, 1, 7, 0, 2]
X = RNG.standard_normal((5, 7, 3))
ROWS = [row[:n] for row, n in zip(X, LENGTHS, strict=True)]
MASK = np.arange(7) < np.array(LENGTHS)[:, None]
F64: dict[str, Any] = {"dtype": "float64"}

KINDS: dict[str, Any] = {
    "SimpleRNN": lambda **o: layers.SimpleRNN(3, **o, **F64),
    "GRU": lambda **o: layers.GRU(3, **o, **F64),
    "two layers": lambda **o: layers.LSTM(3, num_layers=2, **o, **F64),
    "cells": lambda **o: layers.RNN([layers.GRUCell(4, **F64), layers.LSTMCell(3, **F64)], **o),
    "initial states": lambda **o: layers.GRU(3, trainable_initial_state=True, **o, **F64),
    "backwards": lambda **o: layers.GRU(3, go_backwards=True, **o, **F64),
}


def made(kind: str, zero: bool) -> Any:
    layer = KINDS[kind](zero_output_for_mask=zero)
    layer.build((None, None, 3))
    rng = np.random.default_rng(2)
    layer.set_weights([rng.standard_normal(w.shape) / 2 for w in layer.weights])
    return layer


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_and_lists_give_the_output_of_a_row_alone(on: kernels.Backend, kind: str) -> None:
    layer, plain = made(kind, True), made(kind, False)
    alone = np.array([layer(row[None])[0] for row in ROWS])
    np.testing.assert_allclose(layer(ROWS), alone, rtol=1e-12)
    np.testing.assert_allclose(layer(X, lengths=LENGTHS), alone, rtol=1e-12)
    np.testing.assert_allclose(plain(X, mask=MASK), alone, rtol=1e-12)
    # a mask hides steps that are there: Keras gives 0 for a row whose last one, in the order of processing, is hidden
    hidden = MASK[:, ::-1] if kind == "backwards" else MASK
    np.testing.assert_allclose(layer(X, mask=MASK), np.where(hidden[:, -1:], alone, 0), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_models_do_the_same_whatever_shares_a_batch(kind: str) -> None:
    layer = made(kind, True)
    model = Sequential([Input((None, 3), dtype="float64"), layer])
    nested = Sequential([Input((None, 3), dtype="float64"), layers.Activation("linear", **F64), Sequential([layer])])
    alone = np.array([layer(row[None])[0] for row in ROWS])
    hidden = MASK[:, ::-1] if kind == "backwards" else MASK
    for net in (model, nested):
        for size in (1, 2, 5):
            np.testing.assert_allclose(net.predict(ROWS, batch_size=size), alone, rtol=1e-12)
        np.testing.assert_allclose(net(X, lengths=LENGTHS), alone, rtol=1e-12)
        np.testing.assert_allclose(net(X, mask=MASK), np.where(hidden[:, -1:], alone, 0), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: str) -> None:
    layer = made(kind, True)
    dy = RNG.standard_normal((5, 3))
    wanted = [layer.forward(row[None])[1](d[None])[0] for row, d in zip(ROWS, dy, strict=True)]
    by_rows = [w.grad.copy() for w in layer.weights]
    model = Model(x := Input((None, 3), dtype="float64"), layer(x))
    for given in ("list", "lengths", "model"):
        for w in layer.weights:
            w.zero_grad()
        if given == "list":
            dx = layer.forward(ROWS)[1](dy)
        elif given == "lengths":
            dx = layer.forward(X, lengths=LENGTHS)[1](dy)
        else:
            dx = run(model, ROWS).pullback(dy)
        for a, b, n in zip(dx, wanted, LENGTHS, strict=True):
            np.testing.assert_allclose(a[:n], b, rtol=1e-10, atol=1e-13)
            assert not np.any(a[n:])
        for w, grad in zip(layer.weights, by_rows, strict=True):
            np.testing.assert_allclose(w.grad, grad, rtol=1e-10, atol=1e-13)


def test_both_directions_have_no_such_option_without_sequences() -> None:
    layer = layers.Bidirectional(layers.GRU(3, zero_output_for_mask=True, **F64))
    alone = [layer(row[None])[0] for row in ROWS]
    for y in (layer(ROWS), layer(X, lengths=LENGTHS), layer(X, mask=MASK)):
        np.testing.assert_allclose(y, alone, rtol=1e-12)


def test_a_stream_gives_each_step_its_output() -> None:
    layer = made("GRU", True)
    stream = layer.stream()
    steps = np.concatenate([stream.step(X[:1, t]) for t in range(7)])
    np.testing.assert_allclose(steps[-1], layer(X[:1])[0], rtol=1e-12)
