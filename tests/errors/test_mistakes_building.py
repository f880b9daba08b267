"""Mistakes, and the sentence that each gets: putting models together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mistakes import Row, X, check, check_form, rows

from cellstep import Input, Model, Sequential, layers

TABLE: list[Row] = [
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
