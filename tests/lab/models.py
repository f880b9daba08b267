"""Small models of every kind that the lab draws."""

from __future__ import annotations

from typing import Any

from cellstep import Input, Model, Sequential, layers, set_random_seed


def many_to_one() -> Any:
    return Sequential([Input((None, 3)), layers.LSTM(8, name="memory"), layers.Dense(1, name="out")], name="games")


def tagger() -> Any:
    parts = [layers.Embedding(20, 4), layers.GRU(8, return_sequences=True), layers.SimpleRNN(6, return_sequences=True)]
    return Sequential([Input((None,)), *parts, layers.TimeDistributed(layers.Dense(5))], name="tagger")


def both_ways() -> Any:
    first = layers.Bidirectional(layers.LSTM(8, return_sequences=True))
    parts = [first, layers.Dropout(0.2), layers.Bidirectional(layers.GRU(8), merge_mode="sum"), layers.Dense(1)]
    return Sequential([Input((None, 3)), *parts], name="both_ways")


def translator() -> Any:
    source, target = Input((None, 7), name="source"), Input((None, 6), name="target")
    _, h, c = layers.LSTM(16, return_state=True, name="encoder")(source)
    y = layers.LSTM(16, return_sequences=True, name="decoder")(target, initial_state=[h, c])
    return Model([source, target], layers.Dense(6, activation="softmax")(y), name="translator")


def attender() -> Any:
    source, target = Input((None, 7), name="source"), Input((None, 6), name="target")
    keys, h = layers.GRU(16, return_state=True, return_sequences=True, name="encoder")(source)
    y = layers.GRU(16, return_sequences=True, name="decoder")(target, initial_state=[h])
    joined = layers.Concatenate()([y, layers.Attention()([y, keys])])
    return Model([source, target], layers.Dense(6)(joined), name="attender")


def backwards_stack() -> Any:
    parts = [layers.LSTM(4, num_layers=2, go_backwards=True), layers.RepeatVector(6)]
    return Sequential([Input((6, 3)), *parts, layers.SimpleRNN(3, return_sequences=True)], name="autoencoder")


def shared() -> Any:
    x, dense = Input((8, 3)), layers.Dense(4, name="shared")
    return Model(x, layers.LayerNormalization()(dense(dense(layers.Dense(4)(x)))), name="twice")


def both_ways_encoder() -> Any:
    source, target = Input((None, 7), name="source"), Input((None, 6), name="target")
    _, *states = layers.Bidirectional(layers.LSTM(8, return_state=True), name="encoder")(source)
    h, c = (layers.Concatenate(name=name)([states[i], states[i + 2]]) for i, name in enumerate("hc"))
    y = layers.LSTM(16, return_sequences=True, name="decoder")(target, initial_state=[h, c])
    return Model([source, target], layers.Dense(6)(y), name="both_ways_encoder")


def with_a_vector() -> Any:
    x, fixed = Input((6, 3)), Input((2,), name="fixed")
    y = layers.LSTM(5, return_sequences=True)(layers.Conv1D(4, 3, padding="same")(x))
    joined = layers.Concatenate()([layers.GlobalAveragePooling1D()(y), fixed])
    return Model([x, fixed], layers.Dense(1)(joined), name="with_a_vector")


#: What makes each, and the steps to draw it with.
MODELS: dict[str, tuple[Any, Any]] = {
    "many_to_one": (many_to_one, 5),
    "tagger": (tagger, 12),
    "both_ways": (both_ways, 4),
    "translator": (translator, [6, 5]),
    "attender": (attender, [6, 5]),
    "both_ways_encoder": (both_ways_encoder, [6, 5]),
    "with_a_vector": (with_a_vector, None),
    "backwards_stack": (backwards_stack, None),
    "shared": (shared, None),
}


def make(name: str) -> Any:
    set_random_seed(0)
    layers.reset_names()
    return MODELS[name][0]()
