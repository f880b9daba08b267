"""Mistakes, and the sentence that each gets: putting models together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mistakes import B, Row, T, X, check, check_form, rows

from cellstep import Input, Model, Sequential, layers

TABLE: list[Row] = [
    ("units none", lambda: layers.LSTM(None), TypeError, "units must be a positive integer, got None"),
    ("units list", lambda: layers.LSTM([32]), TypeError, "units must be a positive integer, got [32]"),
    ("units str", lambda: layers.LSTM("64"), TypeError, "units must be a positive integer, got '64'"),
    ("units 64.0", lambda: layers.GRU(64.0), TypeError, "units must be a positive integer, got 64.0"),
    ("units -1", lambda: layers.SimpleRNN(-1), ValueError, "units must be a positive integer, got -1"),
    (
        "misspelt kw",
        lambda: layers.LSTM(8, return_sequence=True),
        TypeError,
        "LSTM takes no argument 'return_sequence'; return_sequences is the nearest to it",
    ),
    (
        "misspelt kw2",
        lambda: layers.LSTM(8, recurent_dropout=0.1),
        TypeError,
        "LSTM takes no argument 'recurent_dropout'; recurrent_dropout is the nearest to it",
    ),
    (
        "misspelt kw dense",
        lambda: layers.Dense(8, activaton="relu"),
        TypeError,
        "Dense takes no argument 'activaton'; activation is the nearest to it",
    ),
    (
        "batch_input_shape kw",
        lambda: layers.LSTM(8, batch_input_shape=(4, 5, 3), stateful=True),
        TypeError,
        "LSTM takes no argument 'batch_input_shape'; put an Input(batch_shape=...) before the layer",
    ),
    (
        "time_major",
        lambda: layers.LSTM(8, time_major=True),
        TypeError,
        "LSTM takes no argument 'time_major'; x is always (batch, time, features)",
    ),
    (
        "activation second positional wrong",
        lambda: layers.LSTM(8, True),
        TypeError,
        "activation must be the name of an activation, an Activation or None, got True",
    ),
    (
        "activation misspelt",
        lambda: layers.Dense(4, activation="sigmod"),
        ValueError,
        (
            "activation must be one of the 28 names there are, such as sigmoid or log_sigmoid or "
            "hard_sigmoid, got 'sigmod'"
        ),
    ),
    (
        "activation case",
        lambda: layers.Dense(4, activation="ReLU"),
        ValueError,
        "activation must be one of the 28 names there are, such as relu or relu6 or elu, got 'ReLU'",
    ),
    (
        "activation with weights",
        lambda: layers.Dense(4, activation=layers.PReLU()),
        TypeError,
        "activation must have no weights, got <PReLU p_re_lu>; put the layer behind this one",
    ),
    (
        "activation class",
        lambda: layers.Dense(4, activation=layers.ReLU),
        TypeError,
        (
            "activation must have a gradient, got the function ReLU; make it activations.Activation('ReLU', "
            "forward) with forward(x) giving (y, pullback), or write it with functions of cellstep.ops"
        ),
    ),
    (
        "activation string None",
        lambda: layers.Dense(4, activation="None"),
        ValueError,
        "activation must be one of the 28 names there are, such as linear or tanh or sigmoid, got 'None'",
    ),
    ("use_bias None", lambda: layers.LSTM(4, use_bias=None), TypeError, "use_bias must be True or False, got None"),
    (
        "return_sequences 2",
        lambda: layers.LSTM(4, return_sequences=2),
        TypeError,
        "return_sequences must be True or False, got 2",
    ),
    ("dropout percent", lambda: layers.LSTM(4, dropout=20), ValueError, "dropout must be a number from 0 to 1, got 20"),
    ("dropout None", lambda: layers.LSTM(4, dropout=None), TypeError, "dropout must be a number from 0 to 1, got None"),
    ("Dropout 50", lambda: layers.Dropout(50), ValueError, "rate must be a number from 0 to 1, got 50"),
    (
        "init misspelt",
        lambda: layers.LSTM(4, kernel_initializer="he"),
        ValueError,
        ("kernel_initializer must be one of the 15 names there are, such as zeros or ones or constant, got 'he'"),
    ),
    (
        "reg number",
        lambda: layers.LSTM(4, kernel_regularizer=0.01),
        TypeError,
        "kernel_regularizer must be a name, a configuration or a cellstep regularizer, got 0.01",
    ),
    (
        "reg name",
        lambda: layers.LSTM(4, kernel_regularizer="L3"),
        ValueError,
        "kernel_regularizer must be one of l1, l2, l1l2, orthogonal_regularizer, got 'L3'",
    ),
    (
        "constraint number",
        lambda: layers.LSTM(4, kernel_constraint=3),
        TypeError,
        "kernel_constraint must be a name, a configuration or a cellstep constraint, got 3",
    ),
    (
        "seq not list",
        lambda: Sequential(layers.LSTM(4)),
        TypeError,
        "layers must be a list, as in Sequential([LSTM(32), Dense(1)]), got <LSTM lstm: units=4>",
    ),
    (
        "seq two args",
        lambda: Sequential(layers.LSTM(4), layers.Dense(1)),
        TypeError,
        "trainable must be True or False, got <Dense dense: units=1>",
    ),
    (
        "seq with class",
        lambda: Sequential([layers.LSTM, layers.Dense(1)]),
        TypeError,
        ("layer must be a layer, such as LSTM(32), got <class 'cellstep.layers.lstm.LSTM'>; LSTM(...) makes one"),
    ),
    ("seq with string", lambda: Sequential(["lstm"]), TypeError, "layer must be a layer, such as LSTM(32), got 'lstm'"),
    (
        "seq with None",
        lambda: Sequential([layers.LSTM(4), None]),
        TypeError,
        "layer must be a layer, such as LSTM(32), got None",
    ),
    (
        "seq nested list",
        lambda: Sequential([[layers.LSTM(4), layers.Dense(1)]]),
        TypeError,
        (
            "layer must be a layer, such as LSTM(32), got [<LSTM lstm: units=4>, <Dense dense: units=1>]; "
            "a Sequential of them is one"
        ),
    ),
    (
        "seq input twice",
        lambda: Sequential([Input((5, 3)), Input((5, 3)), layers.LSTM(4)]),
        ValueError,
        "layer as an Input must be the first, got one after others",
    ),
    (
        "seq add to",
        lambda: Sequential().add([layers.LSTM(4)]),
        TypeError,
        "layer must be a layer, such as LSTM(32), got [<LSTM lstm: units=4>]; a Sequential of them is one",
    ),
    ("seq add number", lambda: Sequential().add(5), TypeError, "layer must be a layer, such as LSTM(32), got 5"),
    (
        "seq same layer twice",
        lambda: (lambda d: Sequential([d, d]))(layers.Dense(3)),
        ValueError,
        "layer must have a name of its own in the model, got a second 'dense'",
    ),
    (
        "seq same name",
        lambda: Sequential([layers.Dense(3, name="a"), layers.Dense(3, name="a")]),
        ValueError,
        "layer must have a name of its own in the model, got a second 'a'",
    ),
    ("seq name bad", lambda: Sequential([layers.Dense(3)], name=3), TypeError, "name must be a string, got 3"),
    ("pop empty", lambda: Sequential().pop(), ValueError, "sequential has no layers to pop"),
    (
        "rnn after rnn",
        lambda: Sequential([Input((5, 3)), layers.LSTM(4), layers.LSTM(4)]),
        ValueError,
        (
            "expected inputs of lstm_1 of shape (batch, time, features), got (None, 4); where a "
            "recurrent layer gives them, return_sequences=True keeps the steps"
        ),
    ),
    (
        "rnn after flatten",
        lambda: Sequential([Input((5, 3)), layers.Flatten(), layers.LSTM(4)]),
        ValueError,
        (
            "expected inputs of lstm of shape (batch, time, features), got (None, 15); where a "
            "recurrent layer gives them, return_sequences=True keeps the steps"
        ),
    ),
    (
        "return_state in seq",
        lambda: Sequential([Input((5, 3)), layers.LSTM(4, return_state=True), layers.Dense(1)]),
        ValueError,
        (
            "layer must return one array in a Sequential, got lstm with return_state=True; Model(inputs, "
            "outputs) takes it"
        ),
    ),
    (
        "merge in seq",
        lambda: Sequential([Input((5, 3)), layers.Concatenate()]),
        ValueError,
        "expected x to be a list of inputs for concatenate, got one of shape (None, 5, 3)",
    ),
    (
        "attention in seq",
        lambda: Sequential([Input((5, 3)), layers.Attention()]),
        TypeError,
        ("expected x of attention to be a list [query, value] or [query, value, key], got one of shape (None, 5, 3)"),
    ),
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
    ("name slash", lambda: layers.LSTM(3, name="a/b"), ValueError, "name must not be empty or contain '/', got 'a/b'"),
    ("name int", lambda: layers.LSTM(3, name=1), TypeError, "name must be a string, got 1"),
    (
        "dtype f16",
        lambda: layers.LSTM(3, dtype="float16"),
        ValueError,
        "dtype must be 'float32' or 'float64', got 'float16'",
    ),
    (
        "dtype bf16",
        lambda: layers.LSTM(3, dtype="mixed_bfloat16"),
        ValueError,
        "dtype must be 'float32' or 'float64', got 'mixed_bfloat16'",
    ),
    (
        "dtype mixed",
        lambda: layers.LSTM(3, dtype="mixed_float16"),
        ValueError,
        "dtype must be 'float32' or 'float64', got 'mixed_float16'",
    ),
    (
        "dtype int",
        lambda: layers.LSTM(3, dtype="int32"),
        ValueError,
        "dtype must be 'float32' or 'float64', got 'int32'",
    ),
    ("trainable str", lambda: layers.LSTM(3, trainable="no"), TypeError, "trainable must be True or False, got 'no'"),
    ("functional no out", lambda: Model(Input((5, 3))), ValueError, "expected inputs and outputs, got inputs alone"),
    (
        "functional layer as out",
        lambda: Model(Input((5, 3)), layers.Dense(3)),
        TypeError,
        "outputs must be symbolic tensors, such as Input(...) or what layers give for it, got dense",
    ),
    (
        "functional disconnected",
        lambda: Model(Input((5, 3)), layers.LSTM(3)(Input((5, 3)))),
        ValueError,
        "inputs must hold all that the outputs depend on, got input_layer without input_layer_1",
    ),
    (
        "functional array in",
        lambda: Model(X, X),
        TypeError,
        "inputs must be symbolic tensors, such as Input(...) or what layers give for it, got ndarray",
    ),
    (
        "functional layer in",
        lambda: (lambda i: Model(layers.InputLayer((5, 3)), layers.LSTM(3)(i)))(Input((5, 3))),
        TypeError,
        ("inputs must be symbolic tensors, such as Input(...) or what layers give for it, got input_layer_1"),
    ),
    (
        "functional if sym",
        lambda: bool(Input((5, 3))),
        TypeError,
        (
            "<SymbolicTensor input_layer (None, 5, 3) float32> has no values before a model runs: let functions of"
            " cellstep.ops, such as where, choose between values, then Model(inputs, outputs) on arrays"
        ),
    ),
    (
        "functional list of layers",
        lambda: Model([layers.Dense(3)], [layers.Dense(3)]),
        TypeError,
        "inputs must be symbolic tensors, such as Input(...) or what layers give for it, got dense",
    ),
    (
        "functional dup name",
        lambda: (lambda i: Model(i, layers.Dense(3, name="a")(layers.Dense(3, name="a")(i))))(Input((3,))),
        ValueError,
        "layers must have names of their own in functional, got a second 'a'",
    ),
    (
        "sym concat array",
        lambda: layers.Concatenate()([Input((5, 3)), X]),
        TypeError,
        "expected x of concatenate to hold symbolic tensors alone, got ndarray",
    ),
    (
        "sym initial_state array width",
        lambda: layers.GRU(3)(Input((5, 3)), initial_state=np.zeros((4, 2))),
        ValueError,
        "expected initial_state of gru to be 1 tensors (batch, units) with 3 units, got 1 with 2",
    ),
    (
        "sym initial_state str",
        lambda: layers.GRU(3)(Input((5, 3)), initial_state="abc"),
        TypeError,
        "expected initial_state of gru to hold real numbers, got dtype <U3, a string",
    ),
    (
        "sym initial_state number",
        lambda: layers.LSTM(3)(Input((5, 3)), initial_state=Input((3,))),
        ValueError,
        "expected initial_state of lstm to be 2 tensors (batch, units) with 3, 3 units, got 1 with 3",
    ),
    (
        "sym initial_state width",
        lambda: layers.GRU(3)(Input((5, 3)), initial_state=Input((4,))),
        ValueError,
        "expected initial_state of gru to be 1 tensors (batch, units) with 3 units, got 1 with 4",
    ),
    (
        "layer called str",
        lambda: layers.Dense(3)("abc"),
        TypeError,
        "expected x to hold real numbers, got dtype <U3, a string",
    ),
    (
        "count_params unbuilt",
        lambda: Sequential([layers.LSTM(4), layers.Dense(1)]).count_params(),
        ValueError,
        "sequential has no weights to count yet: build it, or call it once",
    ),
    ("empty seq call", lambda: Sequential()(X), ValueError, "sequential has no layers: add one"),
    (
        "reuse other shape",
        lambda: (lambda d: (d(X), d(X[:, :, :2])))(layers.LSTM(3)),
        ValueError,
        "expected x of shape (batch, time, 3), got (4, 5, 2)",
    ),
    (
        "reuse other shape sym",
        lambda: (lambda d: (d(Input((5, 3))), d(Input((5, 4)))))(layers.LSTM(3)),
        ValueError,
        "expected inputs of lstm with the 3 features that it was built for, got 4",
    ),
    (
        "reuse dense other shape sym",
        lambda: (lambda d: (d(Input((3,))), d(Input((4,)))))(layers.Dense(3)),
        ValueError,
        "expected inputs of dense with the 3 features that it was built for, got 4",
    ),
    (
        "build str",
        lambda: layers.LSTM(3).build("abc"),
        TypeError,
        "input_shape must be a tuple, the batch size first, got 'abc'",
    ),
    (
        "build int",
        lambda: layers.LSTM(3).build(3),
        TypeError,
        "input_shape must be a tuple, the batch size first, got 3",
    ),
    (
        "build 2",
        lambda: layers.LSTM(3).build((None, 3)),
        ValueError,
        (
            "expected inputs of lstm of shape (batch, time, features), got (None, 3); where a "
            "recurrent layer gives them, return_sequences=True keeps the steps"
        ),
    ),
]


@rows(TABLE)
def test_the_sentence(make: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    check(make, error, sentence)


def test_the_form_of_all() -> None:
    check_form(TABLE)
