"""Mistakes, and the sentence that each gets: layers of one kind, around others and beside recurrent ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mistakes import B, Row, T, X, check, check_form, rows

from cellstep import Input, layers

TABLE: list[Row] = [
    (
        "bidir class",
        lambda: layers.Bidirectional(layers.LSTM),
        TypeError,
        ("layer must be a recurrent layer (RNN, LSTM, GRU, SimpleRNN), got <class 'cellstep.layers.lstm.LSTM'>"),
    ),
    (
        "bidir int",
        lambda: layers.Bidirectional(32),
        TypeError,
        "layer must be a recurrent layer (RNN, LSTM, GRU, SimpleRNN), got 32",
    ),
    (
        "bidir of cell",
        lambda: layers.Bidirectional(layers.LSTMCell(4)),
        TypeError,
        "layer must be a recurrent layer (RNN, LSTM, GRU, SimpleRNN), got <LSTMCell lstm_cell: units=4>",
    ),
    (
        "bidir merge",
        lambda: layers.Bidirectional(layers.LSTM(3), merge_mode="add"),
        ValueError,
        "merge_mode must be one of 'concat', 'sum', 'mul', 'ave', None, got 'add'",
    ),
    (
        "bidir merge2",
        lambda: layers.Bidirectional(layers.LSTM(3), merge_mode="average"),
        ValueError,
        "merge_mode must be one of 'concat', 'sum', 'mul', 'ave', None, got 'average'",
    ),
    (
        "bidir back not backwards",
        lambda: layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3)),
        ValueError,
        "backward_layer must have go_backwards=True, as layer has False, got False",
    ),
    (
        "bidir back other units",
        lambda: layers.Bidirectional(
            layers.LSTM(3), backward_layer=layers.LSTM(4, go_backwards=True), merge_mode="sum"
        )(X),
        ValueError,
        "backward_layer must have 3 units for this merge_mode, as layer has, got 4",
    ),
    (
        "bidir back other rs",
        lambda: layers.Bidirectional(
            layers.LSTM(3), backward_layer=layers.LSTM(3, go_backwards=True, return_sequences=True)
        ),
        ValueError,
        "backward_layer must have return_sequences=False, as layer has it, got True",
    ),
    (
        "bidir kw",
        lambda: layers.Bidirectional(layers.LSTM(3), return_sequences=True),
        TypeError,
        "Bidirectional takes no argument 'return_sequences'",
    ),
    (
        "bidir bidir",
        lambda: layers.Bidirectional(layers.Bidirectional(layers.LSTM(3))),
        TypeError,
        "layer must be a recurrent layer (RNN, LSTM, GRU, SimpleRNN), "
        "got <Bidirectional bidirectional: backward_layer='backward_lstm'>",
    ),
    (
        "td class",
        lambda: layers.TimeDistributed(layers.Dense),
        TypeError,
        ("layer must be a layer, such as LSTM(32), got <class 'cellstep.layers.dense.Dense'>; Dense(...) makes one"),
    ),
    ("td int", lambda: layers.TimeDistributed(3), TypeError, "layer must be a layer, such as LSTM(32), got 3"),
    (
        "td 2d",
        lambda: layers.TimeDistributed(layers.Dense(3))(X[:, 0]),
        ValueError,
        "expected x of shape (batch, time, features, ...), got (4, 3)",
    ),
    (
        "td 2d sym",
        lambda: layers.TimeDistributed(layers.Dense(3))(Input((3,))),
        ValueError,
        "expected inputs of shape (batch, time, features, ...), got (None, 3)",
    ),
    (
        "rnn of layer",
        lambda: layers.RNN(layers.LSTM(3)),
        TypeError,
        (
            "cell must be a SimpleRNNCell, LSTMCell, GRUCell, a list of cells, or an object with "
            "state_size and call(inputs, states), or forward(x, states, training), got <LSTM lstm: units=3>"
        ),
    ),
    (
        "rnn of int",
        lambda: layers.RNN(32),
        TypeError,
        (
            "cell must be a SimpleRNNCell, LSTMCell, GRUCell, a list of cells, or an object with "
            "state_size and call(inputs, states), or forward(x, states, training), got 32"
        ),
    ),
    (
        "stacked no list",
        lambda: layers.StackedRNNCells(layers.LSTMCell(3)),
        ValueError,
        "cells must be a list of one cell or more, got <LSTMCell lstm_cell: units=3>",
    ),
    (
        "stacked empty",
        lambda: layers.StackedRNNCells([]),
        ValueError,
        "cells must be a list of one cell or more, got []",
    ),
    ("repeatvector none", lambda: layers.RepeatVector(None), TypeError, "n must be a positive integer, got None"),
    (
        "repeatvector 3d",
        lambda: layers.RepeatVector(4)(X),
        ValueError,
        "expected x of shape (batch, features), got (4, 5, 3)",
    ),
    (
        "reshape bad",
        lambda: layers.Reshape((4, 4))(X),
        ValueError,
        (
            "expected inputs of 16 numbers a row, or a multiple where target_shape has a -1, for target_shape"
            " (4, 4), got 15 in shape (4, 5, 3)"
        ),
    ),
    (
        "reshape int",
        lambda: layers.Reshape(15)(X),
        TypeError,
        "target_shape must be a tuple of positive integers, of which one may be -1, got 15",
    ),
    (
        "reshape two -1",
        lambda: layers.Reshape((-1, -1))(X),
        ValueError,
        "target_shape must be a tuple of positive integers, of which one may be -1, got (-1, -1)",
    ),
    (
        "permute 0",
        lambda: layers.Permute((0, 1)),
        ValueError,
        "dims must be the integers from 1 up, each once, in any order, got (0, 1)",
    ),
    (
        "permute short",
        lambda: layers.Permute((1,))(X),
        ValueError,
        "expected x of shape (batch, axis 1), got (4, 5, 3)",
    ),
    ("embedding neg", lambda: layers.Embedding(-1, 4), ValueError, "input_dim must be a positive integer, got -1"),
    ("embedding float", lambda: layers.Embedding(10.0, 4), TypeError, "input_dim must be a positive integer, got 10.0"),
    ("conv1d kernel 0", lambda: layers.Conv1D(8, 0), ValueError, "kernel_size must be a positive integer, got 0"),
    (
        "conv1d padding",
        lambda: layers.Conv1D(8, 3, padding="casual"),
        ValueError,
        "padding must be one of 'valid', 'same', 'causal', got 'casual'",
    ),
    (
        "conv1d long",
        lambda: layers.Conv1D(8, 9)(X),
        ValueError,
        "expected x of 9 steps or more, a window of padding='valid', got 5",
    ),
    (
        "conv1d 2d",
        lambda: layers.Conv1D(8, 2)(X[:, 0]),
        ValueError,
        "expected x of shape (batch, time, features), got (4, 3)",
    ),
    (
        "conv1d strides dil",
        lambda: layers.Conv1D(8, 2, strides=2, dilation_rate=2),
        ValueError,
        "expected strides or dilation_rate to be 1, got 2 and 2",
    ),
    ("maxpool str", lambda: layers.MaxPooling1D("2"), ValueError, "pool_size must be a positive integer, got '2'"),
    (
        "bn axis",
        lambda: layers.BatchNormalization(axis=7)(X),
        ValueError,
        "axis must name axes of the inputs, got 7 for inputs (4, 5, 3)",
    ),
    (
        "ln axis",
        lambda: layers.LayerNormalization(axis=5)(X),
        ValueError,
        "axis must name axes of the inputs, got 5 for inputs (4, 5, 3)",
    ),
    (
        "softmax axis",
        lambda: layers.Softmax(axis=4)(X),
        ValueError,
        "axis must name axes of the inputs, got 4 for inputs (4, 5, 3)",
    ),
    (
        "concat array",
        lambda: layers.Concatenate()(X),
        ValueError,
        "expected x to be a list of 2 or more inputs for concatenate, got ndarray",
    ),
    (
        "concat shapes",
        lambda: layers.Concatenate()([X, X[:, :3]]),
        ValueError,
        "expected inputs of concatenate that differ only along axis 2, got (4, 5, 3), (4, 3, 3)",
    ),
    (
        "concat axis",
        lambda: layers.Concatenate(axis=5)([X, X]),
        ValueError,
        "axis must be an axis of inputs with 3 axes other than the first, got 5",
    ),
    (
        "add shapes",
        lambda: layers.Add()([X, X[:, :, :2]]),
        ValueError,
        "expected inputs of add whose shapes broadcast, got (4, 5, 3), (4, 5, 2)",
    ),
    (
        "add array",
        lambda: layers.Add()(X),
        ValueError,
        "expected x to be a list of 2 or more inputs for add, got ndarray",
    ),
    (
        "dot axes",
        lambda: layers.Dot(axes=(1, 2))([X, X]),
        ValueError,
        "expected inputs of dot of equal size along axes [1, 2], got (4, 5, 3), (4, 5, 3)",
    ),
    (
        "attention widths",
        lambda: layers.Attention()([X, X[:, :, :2]]),
        ValueError,
        (
            "expected x of shapes [query (batch, Tq, D), value (batch, Tv, V), key (batch, Tv, D)], the key "
            "being the value where there is none, got (4, 5, 3), (4, 5, 2)"
        ),
    ),
    (
        "attention mask rank",
        lambda: layers.Attention()([X, X], mask=np.ones((B, T), bool)),
        TypeError,
        "expected mask of attention to be a list [query mask, value mask], got ndarray",
    ),
    (
        "attention score",
        lambda: layers.Attention(score_mode="cosine"),
        ValueError,
        "score_mode must be one of 'dot', 'concat', got 'cosine'",
    ),
    (
        "activation layer bad",
        lambda: layers.Activation("foo"),
        ValueError,
        "activation must be one of the 28 names there are, such as linear or tanh or sigmoid, got 'foo'",
    ),
    (
        "leakyrelu neg",
        lambda: layers.LeakyReLU(-1),
        ValueError,
        "negative_slope must be a finite number, 0 or more, got -1",
    ),
    ("masking str", lambda: layers.Masking(mask_value="0"), TypeError, "mask_value must be a number, got '0'"),
    (
        "gaussian neg",
        lambda: layers.GaussianNoise(-1),
        ValueError,
        "stddev must be a finite number from 0 to 1, got -1",
    ),
    (
        "cropping big",
        lambda: layers.Cropping1D((3, 4))(X),
        ValueError,
        "expected more than the 7 steps that cropping takes away, got 5",
    ),
    (
        "zeropad str",
        lambda: layers.ZeroPadding1D("1"),
        ValueError,
        "padding must be 2 integers from 0 up, or one for all, got '1'",
    ),
]


@rows(TABLE)
def test_the_sentence(make: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    check(make, error, sentence)


def test_the_form_of_all() -> None:
    check_form(TABLE)
