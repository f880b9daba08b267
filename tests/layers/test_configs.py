"""Every layer is made again from its configuration, which is under Keras's keys and goes through JSON."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest

from cellstep import constraints, initializers, layers, regularizers

MADE: dict[str, Any] = {
    "SimpleRNN": lambda: layers.SimpleRNN(3, "relu", seed=4, return_sequences=True, name="a"),
    "LSTM": lambda: layers.LSTM(3, dropout=0.25, unit_forget_bias=False, stateful=True, dtype="float64"),
    "GRU": lambda: layers.GRU(3, reset_after=False, use_cudnn=False, implementation=1, trainable=False),
    "zeroing": lambda: layers.GRU(3, zero_output_for_mask=True, return_state=True, go_backwards=True, unroll=True),
    "seeded": lambda: layers.LSTM(3, kernel_initializer=initializers.HeNormal(seed=2), recurrent_initializer="zeros"),
    "RNN": lambda: layers.RNN(layers.LSTMCell(3, "relu"), return_sequences=True),
    "SimpleRNNCell": lambda: layers.SimpleRNNCell(3, use_bias=False),
    "LSTMCell": lambda: layers.LSTMCell(3, recurrent_activation="hard_sigmoid"),
    "GRUCell": lambda: layers.GRUCell(3, reset_after=False),
    "Dense": lambda: layers.Dense(3, "softmax", use_bias=False),
    "Embedding": lambda: layers.Embedding(9, 3, mask_zero=True),
    "penalized": lambda: layers.LSTM(3, kernel_regularizer="l2", bias_constraint="non_neg", recurrent_regularizer="l1"),
    "constrained": lambda: layers.Dense(
        3, kernel_constraint=constraints.MaxNorm(3, axis=[0, 1]), bias_regularizer="l1"
    ),
    "table": lambda: layers.Embedding(9, 3, "uniform", regularizers.L1L2(0.5), constraints.UnitNorm(axis=1)),
    "Masking": lambda: layers.Masking(2),
    "Dropout": lambda: layers.Dropout(0.5, noise_shape=(None, 1, 2), seed=3),
    "Activation": lambda: layers.Activation("swish"),
    "Input": lambda: layers.Input((None, 3), batch_size=2, dtype="int32"),
}


@pytest.mark.parametrize("name", MADE)
def test_round_trip(name: str) -> None:
    layer = MADE[name]()
    config = layer.get_config()
    assert json.loads(json.dumps(config)) == config
    again = type(layer).from_config(config)
    assert again.get_config() == config
    assert layers.deserialize(json.loads(json.dumps(layers.serialize(layer)))).get_config() == config


SHARED = ["name", "trainable", "dtype"]
FLAGS = ["return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask"]
WEIGHTS = [f"{w}_{k}" for k in ("initializer", "regularizer", "constraint") for w in ("kernel", "recurrent", "bias")]
CELL = ["units", "activation", "use_bias", *WEIGHTS, "dropout", "recurrent_dropout", "seed"]
GATED = [*CELL, "recurrent_activation", "implementation"]
KEYS = {
    "SimpleRNN": [*SHARED, *FLAGS, *CELL, "activity_regularizer"],
    "LSTM": [*SHARED, *FLAGS, *GATED, "unit_forget_bias", "activity_regularizer", "use_cudnn"],
    "GRU": [*SHARED, *FLAGS, *GATED, "reset_after", "activity_regularizer", "use_cudnn"],
    "RNN": [*SHARED, *FLAGS, "cell"],
    "LSTMCell": [*SHARED, *GATED, "unit_forget_bias"],
    "Embedding": [
        *(*SHARED, "input_dim", "output_dim", "mask_zero", "activity_regularizer"),
        *("embeddings_initializer", "embeddings_regularizer", "embeddings_constraint"),
    ],
    "Masking": [*SHARED, "mask_value"],
    "Dropout": [*SHARED, "rate", "seed", "noise_shape"],
    "Activation": [*SHARED, "activation"],
    "Input": ["batch_shape", "dtype", "sparse", "ragged", "name", "optional"],
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_are_those_of_keras_and_every_argument_has_one(name: str) -> None:
    layer = MADE[name]()
    config = layer.get_config()
    assert sorted(config) == sorted(KEYS[name])
    arguments = set(inspect.signature(type(layer)).parameters)
    dropped = {"weights", "lora_rank", "lora_alpha", "quantization_config", "shape", "batch_size", "tensor"}
    if name == "RNN":
        dropped.add("activity_regularizer")
    assert set(config) == arguments - dropped


def test_a_configuration_that_keras_wrote_is_read() -> None:
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float64"}, "registered_name": None}
    glorot = {"class_name": "GlorotUniform", "config": {"seed": None, "input_axes": None, "output_axes": None}}
    orthogonal = {"class_name": "OrthogonalInitializer", "config": {"gain": 2.0, "seed": 3}}
    config = {"units": 4, "dtype": policy, "kernel_initializer": glorot, "recurrent_initializer": orthogonal}
    layer = layers.LSTM.from_config(config)
    layer.build((None, None, 3))
    assert layer.dtype == np.float64
    r = layer.cell.recurrent_kernel.value
    np.testing.assert_allclose(r @ r.T, 4 * np.eye(4), atol=1e-12)


def test_an_initializer_of_the_users_own_cannot_be_written_down() -> None:
    layer = layers.Dense(2, kernel_initializer=lambda shape, dtype: np.ones(shape, dtype))
    assert (layer(np.ones((1, 3))) == 3).all()
    with pytest.raises(TypeError, match="expected an initializer of cellstep"):
        layer.get_config()
