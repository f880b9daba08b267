"""Models that both libraries can make, by the same code, with everything that a file has to hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

RNG = np.random.default_rng(5)
SERIES = RNG.standard_normal((6, 5, 3)).astype("float32")
ROWS = RNG.standard_normal((6, 3)).astype("float32")
WORDS = RNG.integers(0, 7, (6, 5)).astype("int32")


def stack(k: Any) -> Any:
    """A Sequential of recurrent layers with options, and what stands around them."""
    L = k.layers
    return k.Sequential(
        [
            L.Input((5,), dtype="int32", name="words"),
            L.Embedding(7, 3, mask_zero=True),
            L.SpatialDropout1D(0.1),
            L.LSTM(4, return_sequences=True, kernel_regularizer=k.regularizers.L2(1e-3), dropout=0.2),
            L.SimpleRNN(3, return_sequences=True, recurrent_constraint="unit_norm"),
            L.GRU(4, reset_after=False, recurrent_initializer=k.initializers.Orthogonal(gain=0.5)),
            L.Dense(2, activation="softmax"),
        ],
        name="stack",
    )


def both_ways(k: Any) -> Any:
    """Bidirectional layers of every merge mode, of one kind and of two."""
    L = k.layers
    x = L.Input((5, 3), name="x")
    h = L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="concat")(x)
    h = L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode="sum", name="sums")(h)
    back = L.GRU(2, go_backwards=True, recurrent_initializer="zeros")
    h = L.Bidirectional(L.GRU(2), backward_layer=back, merge_mode="ave")(h)
    return k.Model(x, L.Dense(2)(h), name="both_ways")


def cells(k: Any) -> Any:
    """RNN over one cell, over a list, and over a stack with a name."""
    L = k.layers
    x = L.Input((5, 3), name="x")
    h = L.RNN(L.SimpleRNNCell(3), return_sequences=True)(x)
    h = L.RNN([L.LSTMCell(2), L.LSTMCell(3), L.GRUCell(2)], return_sequences=True)(h)
    h = L.RNN(L.StackedRNNCells([L.GRUCell(3), L.GRUCell(2)], name="pile"))(h)
    return k.Model(x, L.Dense(2)(h), name="cells")


def normalized(k: Any) -> Any:
    """Layers with weights that no gradient changes, a frozen layer, a layer over steps, convolutions."""
    L = k.layers
    x = L.Input((5, 3), name="x")
    h = L.Conv1D(4, 2, padding="causal", activation="relu")(x)
    h = L.BatchNormalization(momentum=0.5)(h)
    h = L.TimeDistributed(L.Dense(3, activation="tanh"))(h)
    h = L.LayerNormalization()(h)
    h = L.PReLU(shared_axes=[1])(h)
    h = L.Dense(3, trainable=False)(h)
    return k.Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(h)), name="normalized")


def nested(k: Any) -> Any:
    """Models inside of a model, one called twice, and a layer called twice."""
    L = k.layers
    i = L.Input((3,), name="i")
    inner = k.Model(i, L.Dense(3, activation="tanh")(L.Dense(4)(i)), name="inner")
    line = k.Sequential([L.Input((3,)), L.Dense(4), L.Dense(3)], name="line")
    x, z = L.Input((3,), name="x"), L.Input((3,), name="z")
    again = L.Dense(3, name="again")
    p, q = again(inner(line(x))), again(inner(z))
    return k.Model([x, z], [L.Dense(2, name="one")(p), L.Dense(2, name="two")(q)], name="net")


def translator(k: Any) -> Any:
    """An encoder's states in a decoder, with attention over what the encoder gave."""
    L = k.layers
    x, z = L.Input((None, 3), name="x"), L.Input((None, 3), name="z")
    seen, h, c = L.LSTM(4, return_sequences=True, return_state=True)(x)
    said = L.LSTM(4, return_sequences=True)(z, initial_state=[h, c])
    found = L.Attention(use_scale=True)([said, seen])
    return k.Model([x, z], L.Dense(2)(L.Concatenate()([said, found])), name="translator")


#: How to make it, its inputs, and what shape each of its outputs has.
MODELS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "stack": (stack, WORDS),
    "both ways": (both_ways, SERIES),
    "cells": (cells, SERIES),
    "normalized": (normalized, SERIES),
    "nested": (nested, [ROWS, ROWS[::-1].copy()]),
    "translator": (translator, [SERIES, SERIES[:, ::-1].copy()]),
}


def targets(y: Any) -> Any:
    """Targets for outputs of this shape: as good as any."""
    if isinstance(y, list | tuple):
        return [targets(part) for part in y]
    shape = np.shape(y)
    return np.linspace(0, 1, int(np.prod(shape))).reshape(shape).astype("float32")


def flat(y: Any) -> list[Any]:
    return [np.asarray(part) for part in y] if isinstance(y, list | tuple) else [np.asarray(y)]
