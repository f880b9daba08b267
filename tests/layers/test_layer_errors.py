"""Bad input: the error that comes, and that its sentence names the argument, what was wanted and what came."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellstep import kernels, layers

B, T, I, H = 2, 4, 3, 5  # noqa: E741
X = np.ones((B, T, I), "float32")
S = np.zeros((B, H), "float32")


def lstm(**options: Any) -> layers.LSTM:
    layer = layers.LSTM(H, **options)
    layer.build(X.shape)
    return layer


class NoStateSize:
    """A cell that forgot something."""

    def forward(self, x: Any, states: Any, training: bool) -> Any: ...


CONSTRUCTORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: layers.LSTM(0), ValueError, "units must be a positive integer, got 0"),
    (lambda: layers.GRU(-3), ValueError, "units must be a positive integer, got -3"),
    (lambda: layers.SimpleRNN(2.0), TypeError, "units must be a positive integer, got 2.0"),
    (lambda: layers.Dense(True), TypeError, "units must be a positive integer, got True"),
    (lambda: layers.LSTMCell("4"), TypeError, "units must be a positive integer, got '4'"),
    (lambda: layers.LSTM(4, activation="tanhh"), ValueError, "activation must be one of .* as tanh.* got 'tanhh'"),
    (lambda: layers.GRU(4, recurrent_activation="sig"), ValueError, "recurrent_activation must be .* got 'sig'"),
    (lambda: layers.Dense(4, "soft"), ValueError, "activation must be one of .*soft.* got 'soft'"),
    (
        lambda: layers.Dense(4, 3),
        TypeError,
        "activation must be the name of an activation, an Activation or None, got 3",
    ),
    (lambda: layers.GRU(4, "glu"), ValueError, "activation must be one of .*, got 'glu'; glu halves its last axis"),
    (lambda: layers.Dense(4, "threshold"), ValueError, "got 'threshold'; threshold needs arguments"),
    (lambda: layers.LSTM(4, "tanh", "gleu"), ValueError, "recurrent_activation must be one of .* got 'gleu'"),
    (
        lambda: layers.Dense(4, np.spacing),
        *(
            TypeError,
            r"activation must have a gradient, got the function spacing; make it activations.Activation\('spacing', ",
        ),
    ),
    (lambda: layers.LSTM(4, use_bias=2), TypeError, "use_bias must be True or False, got 2"),
    (lambda: layers.LSTM(4, return_sequences="no"), TypeError, "return_sequences must be True or False, got 'no'"),
    (lambda: layers.LSTM(4, kernel_initializer="glorot"), ValueError, "initializer must be one of .* got 'glorot'"),
    (lambda: layers.LSTM(4, bias_initializer=1), TypeError, "initializer must be a name.* got 1"),
    (lambda: layers.LSTM(4, kernel_regularizer="l3"), ValueError, "kernel_regularizer must be one of l1, .* got 'l3'"),
    (lambda: layers.GRU(4, recurrent_constraint=abs), TypeError, "recurrent_constraint must be a name.*got <built-in"),
    (lambda: layers.Dense(4, bias_constraint="x"), ValueError, "bias_constraint must be one of max_norm, .* got 'x'"),
    (
        lambda: layers.SimpleRNN(4, activity_regularizer="l3"),
        ValueError,
        "activity_regularizer must be one of l1, .*'l3'",
    ),
    (lambda: layers.LSTM(4, recurrent_dropout=2), ValueError, "recurrent_dropout must be a number from 0 to 1, got 2"),
    (lambda: layers.LSTM(4, dropout=1.5), ValueError, "dropout must be a number from 0 to 1, got 1.5"),
    (lambda: layers.LSTM(4, dropout="a"), TypeError, "dropout must be a number from 0 to 1, got 'a'"),
    (lambda: layers.LSTM(4, seed=0.5), TypeError, "seed must be an integer, got 0.5"),
    (lambda: layers.LSTM(4, use_cudnn=True), NotImplementedError, "use_cudnn=True is not built"),
    (lambda: layers.GRU(4, use_cudnn="yes"), ValueError, "use_cudnn must be 'auto' or False, got 'yes'"),
    (lambda: layers.GRU(4, implementation=3), ValueError, "implementation must be 1 or 2, got 3"),
    (lambda: layers.LSTM(4, dtype="float16"), ValueError, "dtype must be 'float32' or 'float64', got 'float16'"),
    (lambda: layers.LSTM(4, dtype="flaot"), ValueError, "dtype must be 'float32' or 'float64', got 'flaot'"),
    (lambda: layers.LSTM(4, name="a\0b"), ValueError, r"name must be text that files can hold, .*, got 'a\\x00b'"),
    (lambda: layers.LSTM(4, name="\ud800"), ValueError, r"name must be text that files can hold, .*'\\ud800'"),
    (lambda: layers.LSTM(4, name="a/b"), ValueError, "name must not be empty or contain '/', got 'a/b'"),
    (lambda: layers.LSTM(4, name=3), TypeError, "name must be a string, got 3"),
    (lambda: layers.LSTM(4, time_major=True), TypeError, "time_major"),
    (lambda: layers.RNN([]), ValueError, r"cells must be a list of one cell or more, got \[\]"),
    (lambda: layers.RNN(layers.LSTM(4)), TypeError, "cell must be a SimpleRNNCell, LSTMCell, GRUCell, .* got <LSTM"),
    (lambda: layers.RNN(layers.GRUCell), TypeError, "cell must be a .* got <class"),
    (lambda: layers.RNN([layers.GRUCell(4), 3]), TypeError, "cell must be a .* got 3"),
    (lambda: layers.RNN(NoStateSize()), ValueError, "cell must have state_size, one integer or one for each state"),
    (
        lambda: layers.RNN([layers.GRUCell(4), layers.GRUCell(4, dtype="float64")]),
        ValueError,
        "cells must all be float32, as the first one or dtype is, got float64",
    ),
    (lambda: layers.RNN(layers.GRUCell(4), dtype="float64"), ValueError, "dtype must be that of the cell, float32"),
    (lambda: layers.Dense(4, lora_rank=2), NotImplementedError, "lora_rank is not built yet; expected .* got 2"),
    (lambda: layers.Dropout(-0.1), ValueError, "rate must be a number from 0 to 1, got -0.1"),
    (lambda: layers.Dropout(0.1, noise_shape=3), TypeError, "noise_shape must be a tuple .* got 3"),
    (lambda: layers.Dropout(0.1, noise_shape=(0,)), ValueError, "each size of noise_shape .* got 0"),
    (lambda: layers.Masking("x"), TypeError, "mask_value must be a number, got 'x'"),
    (lambda: layers.Masking(float("nan")), ValueError, "mask_value must be a number that equals itself, got NaN"),
    (lambda: layers.Embedding(0, 3), ValueError, "input_dim must be a positive integer, got 0"),
    (lambda: layers.Embedding(3, 2, weights=np.ones((2, 3))), ValueError, r"expected weights of shape \(3, 2\), got"),
    (lambda: layers.InputLayer(), ValueError, "expected shape or batch_shape, got neither"),
    (lambda: layers.InputLayer((3,), batch_shape=(2, 3)), ValueError, "expected shape or batch_shape, got both"),
    (lambda: layers.InputLayer(7), TypeError, "shape must be a tuple of integers and None, got 7"),
    (lambda: layers.InputLayer((3, 0)), ValueError, "each size of shape must be a positive integer, got 0"),
    (lambda: layers.InputLayer((3,), sparse=True), NotImplementedError, "sparse is not built"),
    (
        lambda: layers.InputLayer((3,), dtype="number"),
        ValueError,
        "dtype must be the name of a NumPy dtype, got 'number'",
    ),
]

CALLS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: lstm()(X[0]), ValueError, r"expected x of shape \(batch, time, 3\), got \(4, 3\)"),
    (lambda: layers.LSTM(4)(X[0]), ValueError, r"expected x of shape \(batch, time, features\), got \(4, 3\)"),
    (lambda: lstm()(X[..., :2]), ValueError, r"expected x of shape \(batch, time, 3\), got \(2, 4, 2\)"),
    (
        lambda: layers.LSTM(4)(X[..., :0]),
        ValueError,
        "expected inputs of lstm.* with a known number of features, 1 or more",
    ),
    (lambda: layers.LSTM(4).build((None, None, None)), ValueError, "known number of features"),
    (
        lambda: layers.LSTM(4).build((None, 3)),
        ValueError,
        r"expected inputs of lstm.* of shape \(batch, time, features\)",
    ),
    (lambda: lstm()(X + 1j), TypeError, "expected x to hold real numbers, got dtype complex64"),
    (lambda: lstm()(X.astype(str)), TypeError, "expected x to hold real numbers, got dtype <U"),
    (lambda: lstm()(X.astype(object)), TypeError, "expected x to hold real numbers, got dtype object"),
    (lambda: lstm()(None), TypeError, "expected x to be an array, got None"),
    (lambda: lstm()([[[1, 2, 3], [1]]]), ValueError, "expected x to be an array or an even nested list, got a list"),
    (lambda: lstm()(X, initial_state=[S]), ValueError, r"initial_state to be 2 arrays \(h, c\), got 1"),
    (lambda: lstm()(X, initial_state=S), ValueError, r"initial_state to be 2 arrays \(h, c\), got 1"),
    (lambda: lstm()(X, initial_state=[S, S[:1]]), ValueError, r"initial_state c of shape \(2, 5\), got \(1, 5\)"),
    (lambda: lstm()(X, initial_state=[S, None]), TypeError, "expected initial_state c to be an array, got None"),
    (
        lambda: lstm()(X, mask=np.ones((B, 3), bool)),
        ValueError,
        r"mask of shape .* = \(2, 4\), got \(2, 3\)",
    ),
    (lambda: lstm()(X, mask=np.full((B, T), 0.5)), ValueError, "expected mask to hold booleans, or 0 and 1, got 0.5"),
    (lambda: lstm()(X, lengths=[4, 5]), ValueError, "expected lengths between 0 and the 4 steps of x, got 5"),
    (lambda: lstm()(X, lengths=[-1, 2]), ValueError, "expected lengths between 0 and the 4 steps of x, got -1"),
    (lambda: lstm()(X, lengths=[1.0, 2.0]), TypeError, "expected lengths to hold integers, got dtype float64"),
    (lambda: lstm()(X, lengths=[True, False]), TypeError, "expected lengths to hold integers, got dtype bool"),
    (lambda: lstm()(X, lengths=[1, 2, 3]), ValueError, r"expected lengths of shape \(batch,\) = \(2,\), got \(3,\)"),
    (lambda: lstm()(X, mask=np.ones((B, T), bool), lengths=[1, 2]), ValueError, "expected mask or lengths, got both"),
    (lambda: lstm(go_backwards=True)(X, lengths=[4, 5]), ValueError, "expected lengths between 0 and the 4 steps"),
    (lambda: lstm().forward(X)[1](S[:, :2]), ValueError, r"expected dy of shape \(2, 5\), got \(2, 2\)"),
    (lambda: lstm(return_state=True).forward(X)[1](S), ValueError, "expected dy to be a list of 3.* got ndarray"),
    (lambda: lstm(return_state=True).forward(X)[1]([S, S]), ValueError, "expected dy to be a list of 3.* got 2"),
    (
        lambda: lstm(return_state=True).forward(X)[1]([None, None, S[:1]]),
        ValueError,
        r"expected the gradient of state c of shape \(2, 5\), got \(1, 5\)",
    ),
    (
        lambda: layers.LSTMCell(H)(X, [S, S]),
        ValueError,
        r"inputs of shape \(batch, features\), got \(2, 4, 3\)",
    ),
    (lambda: layers.LSTMCell(H)(X[0], [S]), ValueError, r"expected states to be 2 arrays \(h, c\), got 1"),
    (lambda: layers.GRUCell(H)(X[0], S), ValueError, r"expected states h of shape \(4, 5\), got \(2, 5\)"),
    (lambda: layers.Dense(2)(X[0, 0]), ValueError, r"expected x of shape \(batch, ..., features\), got \(3,\)"),
    (lambda: layers.Dense(2)(X, initial_state=S), TypeError, "initial_state must be None, as Dense has no states"),
    (lambda: layers.Dense(2).forward(X)[1](X), ValueError, r"expected dy of shape \(2, 4, 2\), got \(2, 4, 3\)"),
    (lambda: layers.Embedding(5, 2)([[1, 5]]), ValueError, "expected x between 0 and input_dim - 1 = 4, got 5"),
    (lambda: layers.Embedding(5, 2)([[1, -1]]), ValueError, "expected x between 0 and input_dim - 1 = 4, got -1"),
    (lambda: layers.Embedding(5, 2)([[1.5, 1]]), ValueError, "expected x to hold integers, got fractions"),
    (lambda: layers.Embedding(5, 2)([[np.nan]]), ValueError, "expected x to hold integers"),
    (lambda: layers.Embedding(5, 2)([["a"]]), TypeError, "expected x to hold integers, got dtype <U1"),
    (lambda: layers.Dropout(0.5, (2, 1, 1))(X[0], training=True), ValueError, "noise_shape"),
    (lambda: layers.Masking()(X[0, 0]), ValueError, r"expected x of shape \(batch, ..., features\), got \(3,\)"),
    (lambda: layers.Activation("softmax")(X[..., :0]), ValueError, "last axis of one entry or more"),
    (lambda: layers.InputLayer((None, 5))(X), ValueError, r"expected x of shape \(None, None, 5\), got \(2, 4, 3\)"),
    (
        lambda: layers.InputLayer((4, 3), batch_size=3)(X),
        ValueError,
        r"expected x of shape \(3, 4, 3\), got \(2, 4, 3\)",
    ),
    (lambda: layers.InputLayer((4,), dtype="int32")(X[..., 0] / 2), ValueError, "expected x to hold integers"),
    (lambda: lstm().set_weights([S]), ValueError, "expected weights to be 3 arrays, got 1"),
    (lambda: layers.LSTM(4).set_weights([S]), ValueError, "0 arrays, got 1; the layer is not built yet"),
    (lambda: layers.LSTM(4).count_params(), ValueError, "lstm has no weights to count yet"),
    (
        lambda: layers.Layer().forward(X),
        NotImplementedError,
        r"Layer must write call\(x, ...\) with layers.* or forward\(x, ...\) -> \(y, pullback\)",
    ),
    (lambda: layers.deserialize({"class_name": "os", "config": {}}), ValueError, "class_name must be .* got 'os'"),
    (lambda: layers.deserialize({"class_name": "LSTM"}), TypeError, "expected config to be a dictionary"),
]


def ids(table: list[Any]) -> list[str]:
    return [f"{i}-{re.sub('[^a-z_]+', ' ', row[2])[:30]}" for i, row in enumerate(table)]


@pytest.mark.parametrize(("make", "error", "message"), CONSTRUCTORS, ids=ids(CONSTRUCTORS))
def test_constructors(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(("call", "error", "message"), CALLS, ids=ids(CALLS))
def test_calls(on: kernels.Backend, call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_nothing_is_written_when_weights_do_not_fit() -> None:
    layer = lstm()
    before = layer.get_weights()
    wrong = [np.zeros_like(before[0]), np.zeros_like(before[1]), np.zeros(3)]
    with pytest.raises(ValueError, match=r"expected lstm/lstm_cell/bias of shape \(20,\), got \(3,\)"):
        layer.set_weights(wrong)
    for now, then in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_build_that_fails_leaves_the_layer_unbuilt() -> None:
    def broken(shape: tuple[int, ...], dtype: Any) -> Any:
        return np.zeros((1, 1))

    layer = layers.LSTM(4, recurrent_initializer=broken)
    with pytest.raises(ValueError, match=r"expected the initial recurrent_kernel of shape \(4, 16\), got \(1, 1\)"):
        layer(X)
    assert (layer.built, layer.weights) == (False, [])


@pytest.mark.parametrize("part", ["layer", "cell"])
def test_the_dtype_of_a_built_layer_stays(part: str) -> None:
    """The kernels would take arrays of one dtype for those of another."""
    layer = lstm()
    owner = layer if part == "layer" else layer.cell
    with pytest.raises(AttributeError, match=r"dtype of lstm.* must stay float32, as it is built, got .*float64"):
        owner.dtype = np.dtype("float64")
    assert owner.dtype == np.dtype("float32")
    owner.dtype = np.dtype("float32")
    fresh = layers.LSTM(H)
    fresh.dtype = fresh.cell.dtype = np.dtype("float64")
    assert fresh(X).dtype == np.dtype("float64")
