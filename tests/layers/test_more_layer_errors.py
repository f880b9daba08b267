"""Bad input to the layers that do not recur: the error that comes, and that its sentence names the argument."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import layers

X = np.ones((2, 4, 3), "float32")
MASK = np.ones((2, 4), bool)


HEADS = layers.MultiHeadAttention(2, 3)


def built(layer: Any, shape: Any = X.shape) -> Any:
    layer.build(shape)
    return layer


def two(mask: Any = None, x: Any = (X, X), **options: Any) -> Any:
    return layers.Attention(**options)(list(x), mask=mask)


def lambda_that_gives(value: Any) -> Any:
    return layers.Lambda(np.abs, pullback=lambda x, y, dy: value).forward(X)[1](X)


Row = tuple[Callable[[], Any], type[Exception], str]

CONSTRUCTORS: list[Row] = [
    (lambda: layers.RepeatVector(0), ValueError, "n must be a positive integer, got 0"),
    (lambda: layers.RepeatVector(2.5), TypeError, "n must be a positive integer, got 2.5"),
    (lambda: layers.Flatten("last"), ValueError, "data_format must be one of 'channels_last', .* got 'last'"),
    (lambda: layers.Reshape(4), TypeError, "target_shape must be a tuple of positive integers.* got 4"),
    (lambda: layers.Reshape((-1, -1)), ValueError, r"target_shape must be .* one may be -1, got \(-1, -1\)"),
    (lambda: layers.Reshape((2, 0)), ValueError, r"target_shape must be .* got \(2, 0\)"),
    (lambda: layers.Reshape((None, 2)), TypeError, r"target_shape must be .* got \(None, 2\)"),
    (lambda: layers.Permute((0, 1)), ValueError, r"dims must be the integers from 1 up, each once.* got \(0, 1\)"),
    (lambda: layers.Permute((1, 1)), ValueError, r"dims must be .* got \(1, 1\)"),
    (lambda: layers.Permute(1), TypeError, "dims must be .* got 1"),
    (lambda: layers.Cropping1D(-1), ValueError, "cropping must be 2 integers from 0 up, or one for all, got -1"),
    (lambda: layers.Cropping1D((1, 2, 3)), ValueError, r"cropping must be 2 .* got \(1, 2, 3\)"),
    (lambda: layers.ZeroPadding1D("a"), ValueError, "padding must be 2 integers from 0 up, or one for all, got 'a'"),
    (lambda: layers.ZeroPadding1D(1.0), TypeError, "padding must be 2 integers .* got 1.0"),
    (lambda: layers.UpSampling1D(True), TypeError, "size must be a positive integer, got True"),
    (lambda: layers.MaxPooling1D(0), ValueError, "pool_size must be a positive integer, got 0"),
    (lambda: layers.MaxPooling1D((2, 2)), ValueError, r"pool_size must be a positive integer, got \(2, 2\)"),
    (lambda: layers.MaxPooling1D(2, padding="causal"), ValueError, "padding must be one of 'valid', 'same', got 'cau"),
    (lambda: layers.AveragePooling1D(2, strides="2"), ValueError, "strides must be a positive integer, got '2'"),
    (lambda: layers.GlobalMaxPooling1D(keepdims=2), TypeError, "keepdims must be True or False, got 2"),
    (lambda: layers.Conv1D(0, 3), ValueError, "filters must be a positive integer, got 0"),
    (lambda: layers.Conv1D(2, 0), ValueError, "kernel_size must be a positive integer, got 0"),
    (lambda: layers.Conv1D(2, 3, padding="full"), ValueError, "padding must be one of .*'causal', got 'full'"),
    (lambda: layers.Conv1D(2, 3, 2, dilation_rate=2), ValueError, "expected strides or dilation_rate to be 1, got 2"),
    (lambda: layers.Conv1D(3, 3, groups=2), ValueError, "filters must be a multiple of groups, got 3 filters and 2 gr"),
    (lambda: layers.Conv1D(3, 3, activation="rel"), ValueError, "activation must be one of .* got 'rel'"),
    (lambda: layers.Conv1DTranspose(2, 3, padding="causal"), ValueError, "padding must be one of 'valid', 'same', got"),
    (lambda: layers.Conv1DTranspose(2, 3, 2, output_padding=2), ValueError, "output_padding must be less than strides"),
    (lambda: layers.Conv1DTranspose(2, 3, 2, dilation_rate=2), ValueError, "expected strides or dilation_rate to be 1"),
    (lambda: layers.SeparableConv1D(2, 3, depth_multiplier=0), ValueError, "depth_multiplier must be a positive integ"),
    (lambda: layers.SeparableConv1D(2, 3, padding="causal"), ValueError, "padding must be one of 'valid', 'same', got"),
    (lambda: layers.Identity(3), TypeError, "argument"),
    (lambda: layers.UnitNormalization("last"), TypeError, "axis must be an integer or a list of integers, got 'last'"),
    (lambda: layers.Normalization(1.5), TypeError, "axis must be an integer or a list of integers, got 1.5"),
    (
        lambda: layers.Normalization(mean=1.0),
        ValueError,
        "mean and variance must both be given, or neither, got mean=1",
    ),
    (
        lambda: layers.Normalization(mean=1.0, variance=[1.0]),
        ValueError,
        r"must have one shape, .* got \(\) and \(1,\)",
    ),
    (lambda: layers.Normalization(mean=[[1.0]], variance=[[1.0]]), ValueError, "at most 1 axes as axis=-1 has, got"),
    (lambda: layers.ReLU(max_value=-1), ValueError, "max_value must be a finite number, 0 or more, got -1"),
    (lambda: layers.ReLU(negative_slope=None), TypeError, "negative_slope must be a number, got None"),
    (lambda: layers.LeakyReLU(float("inf")), ValueError, "negative_slope must be a finite number, 0 or more, got inf"),
    (lambda: layers.ELU("a"), TypeError, "alpha must be a number, got 'a'"),
    (lambda: layers.PReLU(shared_axes=[0]), ValueError, r"shared_axes must be integers from 1 up, got \[0\]"),
    (lambda: layers.PReLU(shared_axes="time"), TypeError, "shared_axes must be an integer or a list .* got 'time'"),
    (lambda: layers.Softmax("last"), TypeError, "axis must be an integer or a list of integers, got 'last'"),
    (lambda: layers.Softmax([1, 1]), ValueError, r"axis must be .* that differ, got \[1, 1\]"),
    (lambda: layers.LayerNormalization(axis=1.0), TypeError, "axis must be an integer or a list of integers, got 1.0"),
    (lambda: layers.LayerNormalization(epsilon=-1), ValueError, "epsilon must be a finite number, 0 or more, got -1"),
    (lambda: layers.LayerNormalization(rms_scaling=True), NotImplementedError, "rms_scaling is not built yet"),
    (lambda: layers.BatchNormalization(axis=[1, 2]), TypeError, r"axis must be an integer, got \[1, 2\]"),
    (lambda: layers.BatchNormalization(momentum=2), ValueError, "momentum must be a finite number from 0 to 1, got 2"),
    (lambda: layers.BatchNormalization(renorm=True), NotImplementedError, "renorm is not built yet"),
    (lambda: layers.BatchNormalization(synchronized=True), NotImplementedError, "synchronized is not built yet"),
    (lambda: layers.GaussianNoise(2), ValueError, "stddev must be a finite number from 0 to 1, got 2"),
    (lambda: layers.GaussianDropout(1.0), ValueError, "rate must be below 1 for GaussianDropout.* got 1.0"),
    (lambda: layers.SpatialDropout1D("a"), TypeError, "rate must be a number from 0 to 1, got 'a'"),
    (lambda: layers.Attention(score_mode="add"), ValueError, "score_mode must be one of 'dot', 'concat', got 'add'"),
    (lambda: layers.Attention(dropout=2), ValueError, "dropout must be a number from 0 to 1, got 2"),
    (lambda: layers.AdditiveAttention(score_mode="dot"), TypeError, "score_mode"),
    (lambda: layers.MultiHeadAttention(0, 2), ValueError, "num_heads must be a positive integer, got 0"),
    (lambda: layers.MultiHeadAttention(2, 1.5), TypeError, "key_dim must be a positive integer, got 1.5"),
    (lambda: layers.MultiHeadAttention(2, 2, value_dim=0), ValueError, "value_dim must be a positive integer, got 0"),
    (lambda: layers.MultiHeadAttention(2, 2, sliding_window=0), ValueError, "sliding_window must be a positive integ"),
    (lambda: layers.MultiHeadAttention(2, 2, output_shape=8.0), TypeError, "output_shape must be a positive integer"),
    (lambda: layers.MultiHeadAttention(2, 2, attention_axes="time"), TypeError, "attention_axes must be an integer or"),
    (lambda: layers.TimeDistributed("dense"), TypeError, "layer must be a layer, such as .*, got 'dense'"),
    (lambda: layers.TimeDistributed(layers.LSTM(2, return_state=True)), ValueError, "layer must return one array"),
    (lambda: layers.TimeDistributed(layers.Dense(2), dtype="float64"), ValueError, "dtype must be that of the layer"),
    (lambda: layers.Lambda(3), TypeError, "function must be a function, got 3"),
    (lambda: layers.Lambda(abs, pullback=3), TypeError, r"pullback must be a function of \(x, y, dy\) or None, got 3"),
    (lambda: layers.Lambda(abs, 3), TypeError, "output_shape must be a tuple, a function or None, got 3"),
    (lambda: layers.Lambda(abs, arguments=[3]), TypeError, r"arguments must be a dictionary or None, got \[3\]"),
]

CALLS: list[Row] = [
    (lambda: layers.RepeatVector(2)(X), ValueError, r"expected x of shape \(batch, features\), got \(2, 4, 3\)"),
    (lambda: layers.Flatten()(3.0), ValueError, r"expected inputs of shape \(batch, ...\), got \(\)"),
    (lambda: layers.Reshape((5, 2))(X), ValueError, r"expected inputs of 10 numbers a row.* got 12 in shape \(2, 4, 3"),
    (lambda: layers.Reshape((5, -1))(X), ValueError, "expected inputs of 5 numbers a row, or a multiple .* got 12"),
    (lambda: layers.Permute((2, 1))(X[0]), ValueError, r"expected x of shape \(batch, axis 1, axis 2\), got \(4, 3\)"),
    (lambda: layers.Cropping1D(2)(X), ValueError, "expected more than the 4 steps that cropping takes away, got 4"),
    (lambda: layers.ZeroPadding1D()(X[0]), ValueError, r"expected x of shape \(batch, time, features\), got \(4, 3\)"),
    (
        lambda: layers.MaxPooling1D(5)(X),
        ValueError,
        "expected x of 5 steps or more, a window of padding='valid', got 4",
    ),
    (lambda: layers.AveragePooling1D(2)(X[0]), ValueError, r"expected x of shape \(batch, time, features\)"),
    (lambda: layers.GlobalMaxPooling1D()(X[:, :0]), ValueError, r"expected x of one step or more, got shape \(2, 0, 3"),
    (
        lambda: layers.GlobalAveragePooling1D()(X, mask=MASK[:, :2]),
        ValueError,
        r"expected mask of shape .*\(2, 4\), go",
    ),
    (lambda: layers.Conv1D(2, 5)(X), ValueError, "expected x of 5 steps or more"),
    (lambda: layers.Conv1D(2, 3)(X[0]), ValueError, r"expected x of shape \(batch, time, features\), got \(4, 3\)"),
    (lambda: built(layers.Conv1D(2, 3))(X[..., :2]), ValueError, r"expected x with 3 features, got 2 in shape \(2, 4"),
    (lambda: layers.Conv1D(2, 3, groups=2)(X), ValueError, "features are a multiple of groups=2, got 3"),
    (
        lambda: built(layers.Conv1D(2, 3), (None, 4, None)),
        ValueError,
        "expected inputs with a known number of features",
    ),
    (lambda: layers.Conv1DTranspose(2, 3)(X[0]), ValueError, r"expected x of shape \(batch, time, features\), got \(4"),
    (lambda: built(layers.Conv1DTranspose(2, 3))(X[..., :2]), ValueError, "expected x with 3 features, got 2 in shape"),
    (lambda: layers.SeparableConv1D(2, 5)(X), ValueError, "expected x of 5 steps or more"),
    (lambda: layers.UnitNormalization(3)(X), ValueError, "axis must name axes of the inputs, got 3"),
    (
        lambda: built(layers.Normalization(1), (2, None, 3)),
        ValueError,
        r"expected inputs with known sizes along axis \[1",
    ),
    (
        lambda: built(layers.Normalization())(X[..., :2]),
        ValueError,
        r"expected inputs of sizes \(3,\) along axis \[-1\]",
    ),
    (lambda: layers.Normalization(mean=[1, 2], variance=[1, 2])(X), ValueError, r"broadcasts to \(3,\), got \(2,\)"),
    (
        lambda: layers.Normalization().adapt([]),
        ValueError,
        "expected data to hold one batch or more with rows in it, go",
    ),
    (lambda: layers.Normalization().adapt("x"), TypeError, "data must be an array or batches of arrays, got 'x'"),
    (lambda: layers.Normalization().adapt([X, X[..., :2]]), ValueError, r"expected inputs of sizes \(3,\) along axis"),
    (lambda: layers.Normalization(1).stages(), NotImplementedError, r"must be -1 or None in a stream, got \[1\]"),
    (lambda: HEADS(X), TypeError, r"x of multi_head_attention\w* to be a list \[query, value\] or .* got ndarray"),
    (
        lambda: type("Own", (layers.MultiHeadAttention,), {"_compute_attention": lambda self: None}),
        NotImplementedError,
        "Own._compute_attention would never be called here: write the call of a layer",
    ),
    (lambda: HEADS(X, X[..., 0]), ValueError, "all axes of value and key but the last must be equal, got"),
    (lambda: HEADS(X, X, X[:, 1:]), ValueError, r"must be equal, got \(2, 4, 3\), \(2, 4, 3\), \(2, 3, 3\)"),
    (lambda: HEADS(X, X[:, :0]), ValueError, "Tv 1 or more"),
    (lambda: HEADS(X, X, attention_mask=MASK), ValueError, r"expected attention_mask of a shape .* got \(2, 4\)"),
    (
        lambda: HEADS(X, X, value_mask=MASK[:, :2]),
        ValueError,
        "expected value_mask of a shape that goes with the score",
    ),
    (lambda: HEADS(X, X, initial_state=X), TypeError, "initial_state must be None"),
    (
        lambda: layers.MultiHeadAttention(2, 3)(X[None], X[None], use_causal_mask=True),
        NotImplementedError,
        r"use_causal_mask needs one attention axis, got \[1, 2\]: give attention_mask",
    ),
    (
        lambda: layers.MultiHeadAttention(2, 3, attention_axes=2)(X, X),
        ValueError,
        "attention_axes must name axes of the",
    ),
    (lambda: built(layers.PReLU(), (None, None, 3)), ValueError, "axes after the batch are known or among shared_axes"),
    (lambda: built(layers.PReLU(shared_axes=3)), ValueError, r"shared_axes must name axes of the inputs, got \[3\]"),
    (lambda: built(layers.PReLU(shared_axes=1))(X[..., :2]), ValueError, r"expected x of shape \(batch, any, 3\), got"),
    (lambda: layers.Softmax(3)(X), ValueError, r"axis must name axes of the inputs, got 3 for inputs \(2, 4, 3\)"),
    (
        lambda: layers.Softmax()(X, mask=MASK),
        ValueError,
        r"expected mask of a shape that broadcasts to .* got \(2, 4\)",
    ),
    (lambda: layers.Softmax()(X[..., :0]), ValueError, "expected x with one entry or more along axis -1"),
    (lambda: layers.LayerNormalization(3)(X), ValueError, "axis must name axes of the inputs, got 3"),
    (
        lambda: built(layers.LayerNormalization(1), (2, None, 3)),
        ValueError,
        "expected inputs with a known size, 1 or mo",
    ),
    (lambda: built(layers.LayerNormalization())(X[..., :2]), ValueError, r"expected x of sizes \(3,\) along axis -1"),
    (
        lambda: built(layers.BatchNormalization())(X[..., :2]),
        ValueError,
        "expected x of size 3 along axis -1, got shape",
    ),
    (lambda: built(layers.BatchNormalization(), (2, None)), ValueError, "expected inputs with a known size, 1 or more"),
    (
        lambda: layers.BatchNormalization()(X[:0], training=True),
        ValueError,
        "expected x of one row or more in training",
    ),
    (
        lambda: layers.BatchNormalization()(X, mask=MASK[:1]),
        ValueError,
        r"expected mask of shape \(2, 4\), that of x w",
    ),
    (lambda: layers.BatchNormalization()(X, mask=1.0 * MASK), TypeError, "expected mask to hold booleans, got dtype f"),
    (
        lambda: layers.BatchNormalization(1)(X, mask=MASK),
        NotImplementedError,
        "mask is not built for an axis that is n",
    ),
    (lambda: layers.SpatialDropout1D(0.5)(X[0]), ValueError, r"expected x of shape \(batch, time, features\), got"),
    (
        lambda: layers.Attention()(X),
        TypeError,
        r"expected x of attention to be a list \[query, value\] or .* got ndarray",
    ),
    (
        lambda: layers.Attention()([X]),
        ValueError,
        r"expected x of attention to be a list \[query, value\].* got 1 entri",
    ),
    (lambda: two(x=(X, X[..., :2])), ValueError, r"expected x of shapes \[query .* got \(2, 4, 3\), \(2, 4, 2\)"),
    (lambda: two(x=(X, X[:1])), ValueError, r"expected x of shapes \[query .* got \(2, 4, 3\), \(1, 4, 3\)"),
    (lambda: two(x=(X, X, X[:, :2])), ValueError, r"expected x of shapes \[query .*, \(2, 2, 3\)"),
    (lambda: two(x=(X, X[:, :0])), ValueError, r"expected value of one step or more, got shape \(2, 0, 3\)"),
    (lambda: two(x=(X, X[0])), ValueError, r"expected value of shape \(batch, time, features\), got \(4, 3\)"),
    (
        lambda: built(layers.Attention()),
        TypeError,
        r"expected x of attention to be a list .* got one of shape",
    ),
    (lambda: two(MASK), TypeError, r"expected mask of attention to be a list \[query mask, value mask\], got ndarray"),
    (lambda: two([MASK]), ValueError, r"expected mask of attention to be a list .* got 1 entries"),
    (lambda: two([None, MASK[:, :2]]), ValueError, r"expected mask of shape .* = \(2, 4\), got \(2, 2\)"),
    (lambda: two([0.5 * MASK, None]), ValueError, "expected mask to hold booleans, or 0 and 1, got 0.5"),
    (
        lambda: layers.Attention().forward([X, X], return_attention_scores=True)[1](X),
        ValueError,
        "expected dy to be a list of 2, outputs and scores, got ndarray",
    ),
    (
        lambda: built(layers.AdditiveAttention(), [X.shape, X.shape])([X[..., :2], X[..., :2]]),
        ValueError,
        r"expected query with 3 features, got shape \(2, 4, 2\)",
    ),
    (lambda: built(layers.AdditiveAttention(), [(2, 4, None)] * 2), ValueError, "expected a query with known features"),
    (
        lambda: layers.TimeDistributed(layers.Dense(2))(X[0]),
        ValueError,
        r"x of shape \(batch, time, features, ...\), g",
    ),
    (
        lambda: built(layers.TimeDistributed(layers.Dense(2)), (2, 3)),
        ValueError,
        r"inputs of shape \(batch, time, feat",
    ),
    (
        lambda: layers.TimeDistributed(layers.Dense(2))(X, mask=MASK[:, :2]),
        ValueError,
        r"expected mask of shape \(2, 4\) or more axes after these, got \(2, 2\)",
    ),
    (
        lambda: layers.Lambda(lambda x: x @ np.ones((3, 2)), name="times").compute_output_shape((None, 4)),
        ValueError,
        r"output_shape of times must be given, as its function fails on zeros of shape \(2, 4\)",
    ),
    (lambda: layers.Lambda(np.fft.fftshift).forward(X)[1](X), NotImplementedError, "lambda needs pullback, a function"),
    (lambda: lambda_that_gives(X[0]), ValueError, r"expected what pullback of lambda gives of shape \(2, 4, 3\), got"),
    (lambda: layers.Lambda(lambda x: None)(X), TypeError, "expected what function of lambda gives to be an array"),
    (lambda: layers.Flatten()(X, initial_state=X), TypeError, "initial_state must be None, as Flatten has no states"),
    (lambda: layers.Flatten().forward(X)[1](X), ValueError, r"expected dy of shape \(2, 12\), got \(2, 4, 3\)"),
]

STREAMS: list[Row] = [
    (lambda: layers.ReLU(threshold=1).stages(), NotImplementedError, "re_lu is not built for streams with arguments"),
    (lambda: layers.LeakyReLU().stages(), NotImplementedError, "leaky_re_lu is not built for streams with arguments"),
    (lambda: layers.Softmax(1).stages(), NotImplementedError, "axis of softmax must be -1 in a stream, got 1"),
    (
        lambda: layers.LayerNormalization().stages(),
        NotImplementedError,
        "LayerNormalization has no step for streams",
    ),
    (
        lambda: layers.TimeDistributed(layers.Masking()).stages(),
        NotImplementedError,
        "time_distributed of masking is not built for streams",
    ),
]


def ids(table: list[Row]) -> list[str]:
    return [f"{i}-{re.sub('[^a-z_]+', ' ', row[2])[:30]}" for i, row in enumerate(table)]


@pytest.mark.parametrize(("call", "error", "message"), CONSTRUCTORS, ids=ids(CONSTRUCTORS))
def test_constructors(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(("call", "error", "message"), CALLS, ids=ids(CALLS))
def test_calls(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(("call", "error", "message"), STREAMS, ids=ids(STREAMS))
def test_streams(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_model_learns_when_it_is_put_together_that_a_layer_cannot_take_what_comes() -> None:
    with pytest.raises(ValueError, match=r"expected inputs of shape \(batch, time, features\), got \(None, 3\)"):
        cellstep.Sequential([cellstep.Input((3,)), layers.MaxPooling1D()])
    with pytest.raises(ValueError, match="expected inputs of 5 numbers a row"):
        cellstep.Sequential([cellstep.Input((4, 3)), layers.Reshape((5, -1))])


def test_conv1d_refuses_a_pullback_after_its_kernel_changed() -> None:
    layer = layers.Conv1D(2, 3)
    y, pullback = layer.forward(X)
    layer.kernel.assign(np.zeros(layer.kernel.shape))
    with pytest.raises(RuntimeError, match="conv1d/kernel changed between forward and its pullback"):
        pullback(np.ones_like(y))
