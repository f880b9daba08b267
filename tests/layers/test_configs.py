"""Every layer is made again from its configuration, which is under Keras's keys and goes through JSON."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest

from cellstep import constraints, initializers, layers, regularizers
from cellstep.saving import custom_object_scope

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
    "InputLayer": lambda: layers.InputLayer((None, 3), batch_size=2, dtype="int32"),
    "SpatialDropout1D": lambda: layers.SpatialDropout1D(0.5, 3),
    "GaussianNoise": lambda: layers.GaussianNoise(0.5, trainable=False),
    "GaussianDropout": lambda: layers.GaussianDropout(0.5, 2),
    "LayerNormalization": lambda: layers.LayerNormalization([1, 2], scale=False, beta_constraint="non_neg"),
    "BatchNormalization": lambda: layers.BatchNormalization(1, 0.5, gamma_regularizer="l1", dtype="float64"),
    "Conv1D": lambda: layers.Conv1D(4, 3, padding="SAME", strides=(2,), groups=2, kernel_regularizer="l2"),
    "Conv1DTranspose": lambda: layers.Conv1DTranspose(4, 3, 2, "SAME", 1, bias_constraint="non_neg"),
    "SeparableConv1D": lambda: layers.SeparableConv1D(4, 3, depth_multiplier=2, pointwise_regularizer="l2"),
    "Identity": lambda: layers.Identity(dtype="float64"),
    "Normalization": lambda: layers.Normalization((1, 2), np.arange(3), [1, 2, 3], invert=True),
    "UnitNormalization": lambda: layers.UnitNormalization((1, 2)),
    "MaxPooling1D": lambda: layers.MaxPooling1D(3, 2, "same", "channels_first"),
    "AveragePooling1D": lambda: layers.AveragePooling1D((3,)),
    "GlobalMaxPooling1D": lambda: layers.GlobalMaxPooling1D(keepdims=True),
    "GlobalAveragePooling1D": lambda: layers.GlobalAveragePooling1D("channels_first"),
    "Flatten": lambda: layers.Flatten("channels_first"),
    "Reshape": lambda: layers.Reshape((2, -1)),
    "Permute": lambda: layers.Permute((2, 1)),
    "RepeatVector": lambda: layers.RepeatVector(3),
    "Cropping1D": lambda: layers.Cropping1D((1, 0)),
    "ZeroPadding1D": lambda: layers.ZeroPadding1D((0, 2)),
    "UpSampling1D": lambda: layers.UpSampling1D(3),
    "ReLU": lambda: layers.ReLU(6, 0.1, 0.2),
    "LeakyReLU": lambda: layers.LeakyReLU(0.1),
    "ELU": lambda: layers.ELU(0.1),
    "PReLU": lambda: layers.PReLU("ones", "l1", "max_norm", shared_axes=1),
    "Softmax": lambda: layers.Softmax((1, 2)),
    "Attention": lambda: layers.Attention(True, "concat", 0.5, 3),
    "AdditiveAttention": lambda: layers.AdditiveAttention(False, 0.5, seed=3),
    "MultiHeadAttention": lambda: layers.MultiHeadAttention(
        2, 3, 4, 0.5, False, (2, 3), (1, 2), 3, activity_regularizer="l2", kernel_constraint="non_neg", use_gate=True
    ),
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Conv1D(2, 3), dtype="float32", name="each"),
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
KINDS = ("initializer", "regularizer", "constraint")
WEIGHTS = [f"{w}_{k}" for k in KINDS for w in ("kernel", "recurrent", "bias")]
CELL = ["units", "activation", "use_bias", *WEIGHTS, "dropout", "recurrent_dropout", "seed"]
AFFINE = [f"{w}_{k}" for k in ("initializer", "regularizer", "constraint") for w in ("beta", "gamma")]
GATED = [*CELL, "recurrent_activation"]
KEYS = {
    "SimpleRNN": [*SHARED, *FLAGS, *CELL, "activity_regularizer"],
    "LSTM": [*SHARED, *FLAGS, *GATED, "unit_forget_bias", "activity_regularizer"],
    "GRU": [*SHARED, *FLAGS, *GATED, "reset_after", "activity_regularizer", "use_cudnn", "implementation"],
    "RNN": [*SHARED, *FLAGS, "cell"],
    "LSTMCell": [*SHARED, *GATED, "unit_forget_bias"],
    "Embedding": [
        *(*SHARED, "input_dim", "output_dim", "mask_zero", "activity_regularizer"),
        *("embeddings_initializer", "embeddings_regularizer", "embeddings_constraint"),
    ],
    "Masking": [*SHARED, "mask_value"],
    "Dropout": [*SHARED, "rate", "seed", "noise_shape"],
    "Activation": [*SHARED, "activation"],
    "InputLayer": ["batch_shape", "dtype", "sparse", "ragged", "name", "optional"],
    "SpatialDropout1D": ["name", "dtype", "rate", "seed"],
    "GaussianNoise": [*SHARED, "stddev", "seed"],
    "GaussianDropout": [*SHARED, "rate", "seed"],
    "LayerNormalization": [*SHARED, "axis", "epsilon", "center", "scale", "rms_scaling", *AFFINE],
    "BatchNormalization": [
        *(*SHARED, "axis", "momentum", "epsilon", "center", "scale", "moving_mean_initializer", *AFFINE),
        "moving_variance_initializer",
    ],
    "Conv1D": [
        *(*SHARED, "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups"),
        *("activation", "use_bias", "activity_regularizer", *(w for w in WEIGHTS if not w.startswith("recurrent"))),
    ],
    "Conv1DTranspose": [
        *(*SHARED, "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "output_padding"),
        *("activation", "use_bias", "activity_regularizer", *(w for w in WEIGHTS if not w.startswith("recurrent"))),
    ],
    "SeparableConv1D": [
        *(*SHARED, "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier"),
        *("activation", "use_bias", "activity_regularizer"),
        *(f"{w}_{k}" for k in KINDS for w in ("depthwise", "pointwise", "bias")),
    ],
    "Identity": SHARED,
    "Normalization": [*SHARED, "axis", "mean", "variance", "invert"],
    "UnitNormalization": [*SHARED, "axis"],
    "MaxPooling1D": [*SHARED, "pool_size", "strides", "padding", "data_format"],
    "AveragePooling1D": [*SHARED, "pool_size", "strides", "padding", "data_format"],
    "GlobalMaxPooling1D": [*SHARED, "data_format", "keepdims"],
    "GlobalAveragePooling1D": [*SHARED, "data_format", "keepdims"],
    "Flatten": [*SHARED, "data_format"],
    "Reshape": [*SHARED, "target_shape"],
    "Permute": [*SHARED, "dims"],
    "RepeatVector": [*SHARED, "n"],
    "Cropping1D": [*SHARED, "cropping"],
    "ZeroPadding1D": [*SHARED, "padding"],
    "UpSampling1D": [*SHARED, "size"],
    "ReLU": [*SHARED, "max_value", "negative_slope", "threshold"],
    "LeakyReLU": [*SHARED, "negative_slope"],
    "ELU": [*SHARED, "alpha"],
    "PReLU": [*SHARED, "alpha_initializer", "alpha_regularizer", "alpha_constraint", "shared_axes"],
    "Softmax": [*SHARED, "axis"],
    "Attention": [*SHARED, "use_scale", "score_mode", "dropout", "seed"],
    "AdditiveAttention": [*SHARED, "use_scale", "dropout", "seed"],
    "MultiHeadAttention": [
        *(*SHARED, "num_heads", "key_dim", "value_dim", "dropout", "use_bias", "output_shape", "attention_axes"),
        *("sliding_window", "use_gate", "seed", "activity_regularizer"),
        *(w for w in WEIGHTS if not w.startswith("recurrent")),
    ],
    "TimeDistributed": [*SHARED, "layer"],
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_are_those_of_keras_and_every_argument_has_one(name: str) -> None:
    layer = MADE[name]()
    config = layer.get_config()
    assert sorted(config) == sorted(KEYS[name])
    arguments = set(inspect.signature(type(layer)).parameters)
    dropped = {"weights", "lora_rank", "lora_alpha", "quantization_config", "shape", "batch_size", "input_tensor"}
    dropped |= {"flash_attention"}  # a hint that Keras does not write either
    # beyond Keras: in the configuration where they are used
    dropped |= {"trainable_initial_state", "recompute", "weight_dropout", "zoneout", "num_layers", "sparse"} - set(
        KEYS[name]
    )
    # what older versions of Keras do not know is written where it is not the default
    newer = {
        "implementation",
        "use_cudnn",
        "renorm",
        "renorm_clipping",
        "renorm_momentum",
        "synchronized",
        "data_format",
    }
    dropped |= newer - set(KEYS[name])
    if "options" in arguments:
        arguments = (arguments - {"options"}) | ({*SHARED, "activity_regularizer"} & set(KEYS[name]))
    if "activity_regularizer" not in config:  # as Keras, which most layers leave it to where it is None
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


def test_an_initializer_without_a_name_cannot_be_written_down() -> None:
    layer = layers.Dense(2, kernel_initializer=lambda shape, dtype: np.ones(shape, dtype))
    assert (layer(np.ones((1, 3))) == 3).all()
    with pytest.raises(TypeError, match="initializer must be registered to be saved"):
        layer.get_config()


def test_a_lambda_of_what_is_not_registered_is_written_down_by_name() -> None:
    config = layers.Lambda(np.abs).get_config()
    assert config["function"]["config"] == "absolute"
    with pytest.raises(ValueError, match="must be a known function, got 'absolute'"):
        layers.Lambda.from_config(config)
    with custom_object_scope({"absolute": np.abs}):
        assert layers.Lambda.from_config(config).function is np.abs
    with pytest.raises(TypeError, match=r"function of lambda.* must be registered to be saved: .* got <lambda>"):
        layers.Lambda(lambda x: x).get_config()
