"""Mistakes, and the sentence that each gets: what goes into models and layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mistakes import TOK, I, Row, T, X, Y, bare, check, check_form, fit, fixed, flat, reg, rows, swapped, two, words

from cellstep import Input, Sequential, layers


def _table_of_arrays() -> Any:
    table = np.empty((4, 5), object)
    for place in np.ndindex(4, 5):
        table[place] = X[place]
    return table


TABLE: list[Row] = [
    ("input int", lambda: Input(3), TypeError, "shape must be a tuple of integers and None, got 3"),
    ("input no tuple", lambda: Input(shape=5), TypeError, "shape must be a tuple of integers and None, got 5"),
    ("input 0", lambda: Input((0, 3)), ValueError, "each size of shape must be a positive integer, got 0"),
    ("input float", lambda: Input((5.0, 3)), TypeError, "each size of shape must be a positive integer, got 5.0"),
    ("input str", lambda: Input("5,3"), TypeError, "shape must be a tuple of integers and None, got '5,3'"),
    ("input nothing", lambda: Input(), ValueError, "expected shape or batch_shape, got neither"),
    (
        "input with batch axis",
        lambda: Sequential([Input((4, 5, 3)), layers.LSTM(3)]),
        ValueError,
        (
            "expected inputs of lstm of shape (batch, time, features), got (None, 4, 5, 3); x has an axis too"
            " many, or the shape of an Input the batch size"
        ),
    ),
    (
        "input none features",
        lambda: Sequential([Input((5, None)), layers.LSTM(3)]),
        ValueError,
        ("expected inputs of lstm/lstm_cell with a known number of features, 1 or more, got shape (None, None)"),
    ),
    (
        "input swapped",
        lambda: fit(Sequential([Input((I, T)), layers.LSTM(3), layers.Dense(1)]) if 0 else swapped(), X, Y),
        ValueError,
        "expected x of shape (None, 3, 5), got (4, 5, 3)",
    ),
    (
        "input dtype str",
        lambda: Input((5,), dtype="string"),
        ValueError,
        "dtype must be the name of a NumPy dtype, got 'string'",
    ),
    (
        "input batch_size 0",
        lambda: Input((5, 3), batch_size=0),
        ValueError,
        "batch_size must be a positive integer, got 0",
    ),
    (
        "input batch_shape int",
        lambda: Input(batch_shape=4),
        TypeError,
        "batch_shape must be a tuple of integers and None, got 4",
    ),
    (
        "predict single no batch",
        lambda: reg().predict(X[0], verbose=0),
        ValueError,
        "expected x of shape (None, None, 3), got (5, 3); x[None] is a batch of one",
    ),
    (
        "predict 2D",
        lambda: reg().predict(X[:, 0], verbose=0),
        ValueError,
        "expected x of shape (None, None, 3), got (4, 3); x[None] is a batch of one",
    ),
    (
        "predict 1D",
        lambda: reg().predict(X[0, 0], verbose=0),
        ValueError,
        "expected x of shape (None, None, 3), got (3,)",
    ),
    (
        "predict number",
        lambda: reg().predict(3.0, verbose=0),
        ValueError,
        "expected x of shape (None, None, 3), got ()",
    ),
    ("predict None", lambda: reg().predict(None, verbose=0), TypeError, "expected x to be an array, got None"),
    (
        "predict empty list",
        lambda: reg().predict([], verbose=0),
        ValueError,
        "expected x of shape (None, None, 3), got (0,)",
    ),
    (
        "predict wrong features",
        lambda: reg().predict(X[:, :, :2], verbose=0),
        ValueError,
        "expected x of shape (None, None, 3), got (4, 5, 2)",
    ),
    (
        "predict extra axis",
        lambda: reg().predict(X[None], verbose=0),
        ValueError,
        "expected x of shape (None, None, 3), got (1, 4, 5, 3)",
    ),
    (
        "predict fixed T",
        lambda: fixed().predict(X[:, :3], verbose=0),
        ValueError,
        "expected x of shape (None, 5, 3), got (4, 3, 3)",
    ),
    (
        "predict fixed T transposed",
        lambda: fixed().predict(X.transpose(0, 2, 1), verbose=0),
        ValueError,
        "expected x of shape (None, 5, 3), got (4, 3, 5)",
    ),
    (
        "fit None in object",
        lambda: fit(reg(), np.array([[[None] * 3] * 5] * 4), Y),
        TypeError,
        (
            "expected x to hold real numbers, got dtype object, with None in it; "
            "np.asarray(x, 'float32') makes NaN of it"
        ),
    ),
    (
        "an object array of numbers",
        lambda: reg().predict(X.astype(object), verbose=0),
        TypeError,
        "expected x to hold real numbers, got dtype object; np.asarray(x, 'float32') makes numbers of it",
    ),
    (
        "an object array of one string",
        lambda: reg().predict(np.array([[[1.0, "a", 2.0]]], dtype=object), verbose=0),
        TypeError,
        "expected x to hold real numbers, got dtype object, with 'a' in it",
    ),
    (
        "a table of arrays",
        lambda: reg().predict(_table_of_arrays(), verbose=0),
        TypeError,
        "expected x to hold real numbers, got dtype object; np.array(x.tolist(), 'float32') makes numbers of it",
    ),
    (
        "an object array of sequences with a gap",
        lambda: reg().predict(np.array([[1.0, 2.0], [None]], dtype=object), verbose=0),
        TypeError,
        "expected x to hold real numbers, got dtype object, with None in it",
    ),
    (
        "an object array of sequences",
        lambda: reg().predict(np.array([X[0], X[1, :2]], dtype=object), verbose=0),
        TypeError,
        "expected x to hold real numbers, got dtype object, an array of sequences; list(x) makes a list of them",
    ),
    (
        "fit strings",
        lambda: fit(reg(), X.astype(str), Y),
        TypeError,
        ("expected x to hold real numbers, got dtype <U32, strings; np.unique(x, return_inverse=True)[1] numbers them"),
    ),
    (
        "fit complex",
        lambda: fit(reg(), X.astype(complex), Y),
        TypeError,
        "expected x to hold real numbers, got dtype complex128",
    ),
    (
        "fit dates",
        lambda: fit(reg(), np.zeros((4, 5, 3), "datetime64[D]"), Y),
        TypeError,
        "expected x to hold real numbers, got dtype datetime64[D]",
    ),
    (
        "fit list uneven inside",
        lambda: fit(reg(), [[[1, 2, 3]] * 5, [[1, 2]] * 5], [1, 2]),
        ValueError,
        "expected x to be an array or an even nested list, got a list whose parts differ in shape",
    ),
    (
        "fit list of 1d for 3d",
        lambda: fit(reg(), [[1, 2, 3], [1, 2]], [1, 2]),
        ValueError,
        "expected x of shape (None, None, 3), got (2, 3); x[None] is a batch of one",
    ),
    (
        "fit list strings",
        lambda: fit(reg(), [["a"], ["b", "c"]], [1, 2]),
        TypeError,
        "expected x to hold sequences of real numbers, got dtype <U1",
    ),
    (
        "fit x dict",
        lambda: fit(reg(), {"x": X}, Y),
        ValueError,
        "expected x to have the names of the inputs (input_layer), got x",
    ),
    (
        "fit x set",
        lambda: fit(reg(), {1, 2}, Y),
        ValueError,
        "y must be None where x makes batches, got one where x is a set",
    ),
    (
        "fit x generator fn",
        lambda: fit(reg(), (lambda: iter([(X, Y)])), Y),
        TypeError,
        "expected x to hold real numbers, got dtype object, a function; call it, if it makes batches",
    ),
    (
        "fit x path",
        lambda: fit(reg(), "data.csv", Y),
        TypeError,
        "expected x to hold real numbers, got dtype <U8, a string",
    ),
    (
        "fit xy tuple",
        lambda: fit(reg(), (X, Y)),
        ValueError,
        "expected x to be one array, as it is one input, got a list of 2",
    ),
    ("two one", lambda: fit(two(), X, Y), ValueError, "expected x to be 2 inputs (a, b), got one array"),
    ("two three", lambda: fit(two(), [X, X, X], Y), ValueError, "expected x to be 2 inputs (a, b), got 3"),
    (
        "two rows differ",
        lambda: fit(two(), [X, X[:3]], Y),
        ValueError,
        "expected x to have the 4 rows of the first input, got 3",
    ),
    (
        "two names",
        lambda: fit(two(), {"a": X, "c": X}, Y),
        ValueError,
        "expected x to have the names of the inputs (a, b), got a, c",
    ),
    (
        "two features",
        lambda: fit(two(), [X, X[:, :, :2]], Y),
        ValueError,
        "expected b of shape (None, None, 3), got (4, 5, 2)",
    ),
    (
        "dense 1d",
        lambda: flat().predict(np.ones(3), verbose=0),
        ValueError,
        "expected x of shape (None, 3), got (3,); x[None] is a batch of one",
    ),
    ("dense 3d", lambda: flat().predict(X, verbose=0), ValueError, "expected x of shape (None, 3), got (4, 5, 3)"),
    (
        "noinput fit 1d",
        lambda: fit(bare(), X[:, 0, 0], Y),
        ValueError,
        "expected inputs of lstm of shape (batch, time, features), got (None,)",
    ),
    ("layer 2d", lambda: layers.LSTM(3)(X[0]), ValueError, "expected x of shape (batch, time, features), got (5, 3)"),
    (
        "layer list",
        lambda: layers.LSTM(3)([[1, 2, 3]]),
        ValueError,
        "expected x of shape (batch, time, features), got (1, 3)",
    ),
    ("layer 1", lambda: layers.LSTM(3)(1), ValueError, "expected x of shape (batch, time, features), got ()"),
    (
        "emb float",
        lambda: words(False).predict(TOK / 2, verbose=0),
        ValueError,
        "expected x to hold integers, got fractions, NaN or infinity",
    ),
    (
        "emb big",
        lambda: words().predict(TOK + 7, verbose=0),
        ValueError,
        "expected x between 0 and input_dim - 1 = 6, got 13",
    ),
    (
        "emb neg",
        lambda: words().predict(TOK - 7, verbose=0),
        ValueError,
        "expected x between 0 and input_dim - 1 = 6, got -7",
    ),
    (
        "emb onehot",
        lambda: fit(words(False), np.eye(7)[TOK], Y),
        ValueError,
        (
            "expected inputs of lstm of shape (batch, time, features), got (None, 5, 7, 4); x has an axis too"
            " many, or the shape of an Input the batch size"
        ),
    ),
    (
        "emb str",
        lambda: words().predict(TOK.astype(str), verbose=0),
        TypeError,
        ("expected x to hold real numbers, got dtype <U21, strings; np.unique(x, return_inverse=True)[1] numbers them"),
    ),
    (
        "emb words",
        lambda: words(False).predict([["a", "b"]], verbose=0),
        TypeError,
        ("expected x to hold real numbers, got dtype <U1, strings; np.unique(x, return_inverse=True)[1] numbers them"),
    ),
    (
        "emb sentences",
        lambda: words(False).predict(["a b", "c"], verbose=0),
        TypeError,
        ("expected x to hold real numbers, got dtype <U3, strings; np.unique(x, return_inverse=True)[1] numbers them"),
    ),
    (
        "structured",
        lambda: reg().predict(np.zeros((4, 5), dtype=[("a", "f4")]), verbose=0),
        TypeError,
        "expected x to hold real numbers, got dtype [('a', '<f4')]",
    ),
    (
        "dense on sparse layer",
        lambda: layers.Dense(3)(X[0, 0]),
        ValueError,
        "expected x of shape (batch, ..., features), got (3,)",
    ),
]


@rows(TABLE)
def test_the_sentence(make: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    check(make, error, sentence)


def test_the_form_of_all() -> None:
    check_form(TABLE)
