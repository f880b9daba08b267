"""Mistakes, and the sentence that each gets: masks, lengths, lists, states, streams, cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mistakes import H, M, Row, S, X, check, check_form, fit, lstm, reg, rows, stateful, two

from cellstep import Input, Sequential, layers


def of_keras() -> Any:
    """What Keras's layers look like from here."""
    return type(
        "GRU", (), {"__module__": "keras.src.layers.rnn.gru", "state_size": 3, "__repr__": lambda _: "<GRU of Keras>"}
    )()


TABLE: list[Row] = [
    (
        "mask rank 1",
        lambda: lstm()(X, mask=M[:, 0]),
        ValueError,
        "expected mask of shape (batch, time) = (4, 5), got (4,)",
    ),
    (
        "mask rank 3",
        lambda: lstm()(X, mask=M[..., None]),
        ValueError,
        "expected mask of shape (batch, time) = (4, 5), got (4, 5, 1)",
    ),
    (
        "mask wrong T",
        lambda: lstm()(X, mask=M[:, :3]),
        ValueError,
        "expected mask of shape (batch, time) = (4, 5), got (4, 3)",
    ),
    (
        "mask wrong B",
        lambda: lstm()(X, mask=M[:3]),
        ValueError,
        "expected mask of shape (batch, time) = (4, 5), got (3, 5)",
    ),
    (
        "mask transposed",
        lambda: lstm()(X, mask=M.T),
        ValueError,
        "expected mask of shape (batch, time) = (4, 5), got (5, 4)",
    ),
    ("mask number", lambda: lstm()(X, mask=3), ValueError, "expected mask of shape (batch, time) = (4, 5), got ()"),
    ("mask str", lambda: lstm()(X, mask="left"), TypeError, "expected mask to hold booleans, got dtype <U4"),
    (
        "mask x==0",
        lambda: lstm()(X, mask=X != 0),
        ValueError,
        "expected mask of shape (batch, time) = (4, 5), got (4, 5, 3)",
    ),
    ("mask to model", lambda: reg()(X, mask=M[:, :2]), ValueError, "expected mask of shape (4, 5), got (4, 2)"),
    ("mask model rank1", lambda: reg()(X, mask=M[0]), ValueError, "expected mask of shape (4, 5), got (5,)"),
    (
        "lengths long",
        lambda: lstm()(X, lengths=[5, 6, 1, 1]),
        ValueError,
        "expected lengths between 0 and the 5 steps of x, got 6",
    ),
    (
        "lengths neg",
        lambda: lstm()(X, lengths=[5, -1, 1, 1]),
        ValueError,
        "expected lengths between 0 and the 5 steps of x, got -1",
    ),
    (
        "lengths floats",
        lambda: lstm()(X, lengths=[5.0, 1.0, 1.0, 1.0]),
        TypeError,
        "expected lengths to hold integers, got dtype float64",
    ),
    ("lengths int", lambda: lstm()(X, lengths=5), ValueError, "expected lengths of shape (batch,) = (4,), got ()"),
    (
        "lengths short",
        lambda: lstm()(X, lengths=[5, 5]),
        ValueError,
        "expected lengths of shape (batch,) = (4,), got (2,)",
    ),
    ("lengths and mask", lambda: lstm()(X, mask=M, lengths=[5] * 4), ValueError, "expected mask or lengths, got both"),
    (
        "lengths 2d",
        lambda: lstm()(X, lengths=np.ones((4, 1), int)),
        ValueError,
        "expected lengths of shape (batch,) = (4,), got (4, 1)",
    ),
    (
        "lengths None in",
        lambda: lstm()(X, lengths=[5, None, 1, 1]),
        TypeError,
        "expected lengths to hold integers, got dtype object",
    ),
    (
        "lengths with ragged",
        lambda: lstm()([X[0], X[1, :2]], lengths=[5, 2]),
        ValueError,
        "expected lengths to be None, as x is a list of sequences of their own lengths, got one",
    ),
    (
        "mask with ragged",
        lambda: lstm()([X[0], X[1, :2]], mask=M[:2]),
        ValueError,
        "expected mask to be None, as x is a list of sequences of their own lengths, got one",
    ),
    (
        "ragged features",
        lambda: lstm()([X[0], X[1, :, :2]]),
        ValueError,
        "expected x[1] of shape (time, 3), got (5, 2)",
    ),
    ("ragged empty", lambda: lstm()([]), ValueError, "expected x of shape (batch, time, 3), got (0,)"),
    (
        "ragged targets for last",
        lambda: fit(reg(), [X[0], X[1, :2]], [np.ones((5, 1)), np.ones((2, 1))]),
        ValueError,
        (
            "expected even targets, as the outputs (2, 1) do not keep the lengths of x, got sequences of "
            "different lengths up to 5"
        ),
    ),
    (
        "states 3",
        lambda: lstm()(X, initial_state=[S, S, S]),
        ValueError,
        "expected initial_state to be 2 arrays (h, c), got 3",
    ),
    (
        "states width",
        lambda: lstm()(X, initial_state=[S[:, :2], S[:, :2]]),
        ValueError,
        "expected initial_state h of shape (4, 6), got (4, 2)",
    ),
    (
        "states rows",
        lambda: lstm()(X, initial_state=[S[:2], S[:2]]),
        ValueError,
        "expected initial_state h of shape (4, 6), got (2, 6)",
    ),
    (
        "states 1 row",
        lambda: lstm()(X, initial_state=[S[:1], S[:1]]),
        ValueError,
        "expected initial_state h of shape (4, 6), got (1, 6)",
    ),
    (
        "states 1d",
        lambda: lstm()(X, initial_state=[S[0], S[0]]),
        ValueError,
        "expected initial_state h of shape (4, 6), got (6,)",
    ),
    (
        "states zero",
        lambda: lstm()(X, initial_state=0),
        ValueError,
        "expected initial_state to be 2 arrays (h, c), got 0",
    ),
    (
        "states str",
        lambda: lstm()(X, initial_state="zeros"),
        ValueError,
        "expected initial_state to be 2 arrays (h, c), got 'zeros'",
    ),
    (
        "states dict",
        lambda: lstm()(X, initial_state={"h": S, "c": S}),
        ValueError,
        "expected initial_state to be 2 arrays (h, c), got a dict",
    ),
    (
        "states None in",
        lambda: lstm()(X, initial_state=[S, None]),
        TypeError,
        "expected initial_state c to be an array, got None",
    ),
    (
        "states for dense",
        lambda: layers.Dense(3)(X, initial_state=S),
        TypeError,
        "initial_state must be None, as Dense has no states, got one",
    ),
    (
        "states gru two",
        lambda: layers.GRU(H)(X, initial_state=[S, S]),
        ValueError,
        "expected initial_state to be 1 array (h), got 2",
    ),
    (
        "states bidir",
        lambda: layers.Bidirectional(layers.LSTM(H))(X, initial_state=[S, S]),
        ValueError,
        "expected initial_state to be 4 arrays (h forwards, c forwards, h backwards, c backwards), got 2",
    ),
    (
        "states stacked",
        lambda: layers.RNN([layers.LSTMCell(H), layers.LSTMCell(H)])(X, initial_state=[S, S]),
        ValueError,
        ("expected initial_state to be 4 arrays (h of cell 0, c of cell 0, h of cell 1, c of cell 1), got 2"),
    ),
    (
        "states model kw",
        lambda: reg()(X, initial_state=[S, S]),
        TypeError,
        "sequential takes x, mask, lengths, resets and training, got initial_state",
    ),
    (
        "stateful batch changes",
        lambda: (lambda m: (m.predict(X, verbose=0), m.predict(X[:2], verbose=0)))(
            Sequential([Input((5, 3)), layers.LSTM(3, stateful=True)])
        ),
        ValueError,
        (
            "expected x with the 4 rows of the call before, as lstm is stateful, got 2; reset_states() lets "
            "another batch size in"
        ),
    ),
    (
        "stateful fit last batch",
        lambda: fit(stateful(), np.ones((7, 5, 3)), np.ones((7, 1)), batch_size=4),
        ValueError,
        (
            "expected x with the 4 rows of the call before, as lstm is stateful, got 3; reset_states() lets "
            "another batch size in"
        ),
    ),
    (
        "stateful fixed batch wrong",
        lambda: stateful(4).predict(X[:2], verbose=0),
        ValueError,
        "expected x of shape (4, 5, 3), got (2, 5, 3); the Input has batch_size=4",
    ),
    (
        "stateful default batch_size",
        lambda: fit(stateful(4), np.ones((8, 5, 3)), np.ones((8, 1))),
        ValueError,
        "expected x of shape (4, 5, 3), got (8, 5, 3); the Input has batch_size=4",
    ),
    (
        "reset not stateful rows",
        lambda: lstm().reset_state(rows=[0]),
        ValueError,
        "rows must be None, as lstm is not stateful, got [0]",
    ),
    (
        "reset rows range",
        lambda: (lambda a: (a(X), a.reset_state(rows=9)))(layers.LSTM(3, stateful=True)),
        ValueError,
        "expected rows to select some of the rows 0 .. 3, got 9",
    ),
    (
        "reset rows bool",
        lambda: (lambda a: (a(X), a.reset_state(rows=[True, False])))(layers.LSTM(3, stateful=True)),
        ValueError,
        "expected rows to select some of the rows 0 .. 3, got [True, False]",
    ),
    (
        "reset rows float",
        lambda: (lambda a: (a(X), a.reset_state(rows=[0.5])))(layers.LSTM(3, stateful=True)),
        ValueError,
        "expected rows to select some of the rows 0 .. 3, got [0.5]",
    ),
    (
        "get_initial_state",
        lambda: lstm().get_initial_state("a"),
        TypeError,
        "batch_size must be an integer, 0 or more, got 'a'",
    ),
    ("stream seq x", lambda: lstm().stream().step(X[:1]), ValueError, "expected x of shape (1, 3), got (1, 5, 3)"),
    ("stream batch", lambda: lstm().stream().step(X[:2, 0]), ValueError, "expected x of shape (1, 3), got (2, 3)"),
    (
        "stream features",
        lambda: lstm().stream().step(X[:1, 0, :2]),
        ValueError,
        "expected x of shape (1, 3), got (1, 2)",
    ),
    ("stream 1d", lambda: lstm().stream().step(X[0, 0]).shape, ValueError, "expected x of shape (1, 3), got (3,)"),
    ("stream batch str", lambda: lstm().stream("1"), TypeError, "batch_size must be a positive integer, got '1'"),
    (
        "stream str",
        lambda: lstm().stream().step("a"),
        TypeError,
        "expected x to hold real numbers, got dtype <U1, a string",
    ),
    (
        "stream out shape",
        lambda: lstm().stream().step(X[:1, 0], out=np.zeros((1, 2), "float32")),
        ValueError,
        ("expected out to be a C-contiguous writable float32 array of shape (1, 6), got float32 of shape (1, 2)"),
    ),
    (
        "stream out dtype",
        lambda: lstm().stream().step(X[:1, 0], out=np.zeros((1, H))),
        ValueError,
        ("expected out to be a C-contiguous writable float32 array of shape (1, 6), got float64 of shape (1, 6)"),
    ),
    (
        "stream steps 2d",
        lambda: lstm().stream().steps(X[0]).shape,
        ValueError,
        "expected x of shape (1, time, 3), got (5, 3)",
    ),
    (
        "stream back",
        lambda: lstm(go_backwards=True).stream(),
        ValueError,
        "go_backwards must be False to stream lstm, got True: its first step is the last",
    ),
    (
        "stream state list",
        lambda: setattr(lstm().stream(), "state", [S, S]),
        TypeError,
        "expected state to be a mapping of names to arrays, got list",
    ),
    (
        "stream state shape",
        lambda: (lambda a: setattr(a.stream(), "state", {a.name + "/h": S[:2], a.name + "/c": S[:2]}))(lstm()),
        ValueError,
        "expected state lstm/h of shape (1, 6), got (2, 6)",
    ),
    (
        "stream reset rows",
        lambda: lstm().stream().reset(rows=4),
        ValueError,
        "expected rows to select some of the rows 0 .. 0, got 4",
    ),
    (
        "stream unbuilt model",
        lambda: Sequential([layers.LSTM(3)]).stream(),
        ValueError,
        "sequential is not built: give it an Input, or call it once",
    ),
    (
        "stream seq2seq",
        lambda: two().stream(),
        ValueError,
        "functional has several inputs, outputs or branches, and a stream needs layers in one line",
    ),
    (
        "stream emb",
        lambda: Sequential([Input((None,)), layers.Embedding(7, 3), layers.LSTM(3)]).stream().step(np.array([9])),
        ValueError,
        "expected x between 0 and input_dim - 1 = 6, got 9",
    ),
    (
        "cell 3d",
        lambda: layers.LSTMCell(H)(X, [S, S]),
        ValueError,
        "expected inputs of shape (batch, features), got (4, 5, 3)",
    ),
    (
        "cell one state",
        lambda: layers.LSTMCell(H)(X[:, 0], [S]),
        ValueError,
        "expected states to be 2 arrays (h, c), got 1",
    ),
    (
        "cell None states",
        lambda: layers.GRUCell(H)(X[:, 0], None),
        TypeError,
        "expected states h to be an array, got None",
    ),
    (
        "cell seq",
        lambda: Sequential([Input((3,)), layers.LSTMCell(3)]),
        TypeError,
        (
            "layer must be a layer, such as LSTM(32), got <LSTMCell lstm_cell: units=3>; "
            "RNN(cell) makes a layer of a cell"
        ),
    ),
    (
        "layer of Keras",
        lambda: Sequential([Input((5, 3)), of_keras()]),
        TypeError,
        (
            "layer must be a layer, such as LSTM(32), got <GRU of Keras>; cellstep.layers.GRU is the layer for models"
            " of this package"
        ),
    ),
    (
        "lambda wrong",
        lambda: Sequential([Input((5, 3)), layers.Lambda(lambda x: x @ np.ones((4, 4))), layers.LSTM(3)]),
        ValueError,
        (
            "output_shape of lambda must be given, as its function fails on zeros of shape (2, 5, 3): matmul:"
            " Input operand 1 has a mismatch in its core dimension 0, with gufunc signature "
            "(n?,k),(k,m?)->(n?,m?) (size 4 is different from 3)"
        ),
    ),
]


@rows(TABLE)
def test_the_sentence(make: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    check(make, error, sentence)


def test_the_form_of_all() -> None:
    check_form(TABLE)
