"""Streams of layers with a trainable initial state begin with it, and again after a reset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streaming import assert_same, stepped

from cellstep import Input, Sequential, kernels, layers

RNG = np.random.default_rng(4)
X = RNG.standard_normal((3, 7, 4)).astype("float32")
OWN: dict[str, Any] = {"return_sequences": True, "trainable_initial_state": True}
MADE: dict[str, Any] = {
    "rnn": lambda: layers.SimpleRNN(5, **OWN),
    "lstm": lambda: layers.LSTM(5, **OWN),
    "gru, two layers": lambda: layers.GRU(5, num_layers=2, **OWN),
    "cells": lambda: layers.RNN([layers.LSTMCell(5), layers.GRUCell(2)], **OWN),
}


def own_states(layer: Any) -> None:
    for w in layer.initial:
        w.assign(RNG.standard_normal(w.shape))


@pytest.mark.parametrize("name", MADE)
def test_a_stream_gives_what_the_sequence_gives(on: kernels.Backend, name: str) -> None:
    layer = MADE[name]()
    layer.build(X.shape)
    own_states(layer)
    stream = layer.stream(batch_size=3)
    assert_same(on, stepped(stream, X), layer(X), "from the start")
    stream.reset()
    assert_same(on, stream.steps(X), layer(X), "after a reset")
    stream.reset(rows=[1])
    y = stream.steps(X[:, :2])
    assert_same(on, y[1], layer(X[:, :2])[1], "a row")
    assert not np.array_equal(y[0], layer(X[:, :2])[0])
    # the stream keeps the states that it was made with
    before = layer(X)
    own_states(layer)
    stream.reset()
    assert_same(on, stream.steps(X), before, "weights that changed since")


def test_layers_of_one_model_begin_each_in_their_way() -> None:
    model = Sequential([Input((None, 4)), layers.GRU(3, return_sequences=True), layers.LSTM(5, **OWN)])
    own_states(model.layers[1])
    stream = model.stream(2)
    state = stream.state
    assert not next(iter(state.values())).any()
    for (_, found), w in zip(list(state.items())[1:], model.layers[1].initial, strict=True):
        np.testing.assert_array_equal(found, [w.value] * 2)
    np.testing.assert_array_equal(stepped(stream, X[:2]), model(X[:2]))
