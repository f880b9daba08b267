"""Mistakes, and the sentence that each gets: arguments that many layers take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mistakes import Row, check, check_form, rows

from cellstep import layers

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
        ("kernel_initializer must be one of the 17 names there are, such as zeros or ones or constant, got 'he'"),
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
]


@rows(TABLE)
def test_the_sentence(make: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    check(make, error, sentence)


def test_the_form_of_all() -> None:
    check_form(TABLE)
