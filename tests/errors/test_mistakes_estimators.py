"""Mistakes, and the sentence that each gets: the estimators, and windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from mistakes import Row, X, check, check_form, rows

import cellstep
from cellstep import layers
from cellstep.sklearn import RNNClassifier, windows

XX = np.tile(X, (5, 1, 1))
yy = np.arange(20) % 3
yr = np.arange(20.0)

TABLE: list[Row] = [
    (
        "cell",
        lambda: RNNClassifier(cell="LSTMs").fit(XX, yy),
        ValueError,
        "cell must be one of 'lstm', 'gru', 'rnn', got 'LSTMs'",
    ),
    (
        "cell obj",
        lambda: RNNClassifier(cell=layers.LSTM).fit(XX, yy),
        ValueError,
        "cell must be one of 'lstm', 'gru', 'rnn', got <class 'cellstep.layers.lstm.LSTM'>",
    ),
    ("units 0", lambda: RNNClassifier(units=0).fit(XX, yy), ValueError, "units must be a positive integer, got 0"),
    ("units str", lambda: RNNClassifier(units="8").fit(XX, yy), TypeError, "units must be a positive integer, got '8'"),
    (
        "dropout",
        lambda: RNNClassifier(dropout=5).fit(XX, yy),
        ValueError,
        "dropout must be a number from 0 to 1, got 5",
    ),
    (
        "lr",
        lambda: RNNClassifier(learning_rate=-1).fit(XX, yy),
        ValueError,
        "learning_rate must be a finite number, 0 or more, got -1",
    ),
    (
        "layers",
        lambda: RNNClassifier(num_layers=0).fit(XX, yy),
        ValueError,
        "num_layers must be a positive integer, got 0",
    ),
    (
        "bid",
        lambda: RNNClassifier(bidirectional="yes").fit(XX, yy),
        TypeError,
        "bidirectional must be True or False, got 'yes'",
    ),
    (
        "vf",
        lambda: RNNClassifier(validation_fraction=2, early_stopping=True).fit(XX, yy),
        ValueError,
        "validation_fraction must be a finite number from 0 to 1, got 2",
    ),
    (
        "y None",
        lambda: RNNClassifier().fit(XX, None),
        ValueError,
        "RNNClassifier requires y to be passed, but the target y is None",
    ),
    (
        "X nan",
        lambda: RNNClassifier().fit(XX * np.nan, yy),
        ValueError,
        "expected X to be finite, and no larger than float32 can hold, got NaN or infinity",
    ),
    (
        "X str",
        lambda: RNNClassifier().fit(XX.astype(str), yy),
        TypeError,
        ("expected X to hold real numbers, got dtype <U32, strings; np.unique(X, return_inverse=True)[1] numbers them"),
    ),
    (
        "X ragged feat",
        lambda: RNNClassifier().fit([XX[0], XX[1, :, :2]], [0, 1]),
        ValueError,
        "expected X to hold sequences of shape (steps, features), got (5, 3), (5, 2)",
    ),
    (
        "X ragged empty",
        lambda: RNNClassifier().fit([XX[0], XX[1, :0]], [0, 1]),
        ValueError,
        "expected X to hold sequences of 1 step and 1 feature or more, got shape (0, 3)",
    ),
    (
        "predict features",
        lambda: RNNClassifier().fit(XX, yy).predict(XX[..., :2]),
        ValueError,
        "X has 2 features, but RNNClassifier is expecting 3 features as input",
    ),
    (
        "predict 2d",
        lambda: RNNClassifier().fit(XX, yy).predict(XX[0]),
        ValueError,
        "expected X to be sequences, as in fit, got a table (n, features)",
    ),
    (
        "sw neg",
        lambda: RNNClassifier().fit(XX, yy, sample_weight=-np.ones(20)),
        ValueError,
        "expected sample_weight to be 0 or more, and not 0 for all samples",
    ),
    (
        "windows short",
        lambda: windows(np.arange(3.0), 9),
        ValueError,
        "expected series of 10 steps or more for one window, got 3",
    ),
    ("windows 0", lambda: windows(np.arange(9.0), 0), ValueError, "length must be a positive integer, got 0"),
    (
        "windows 3d",
        lambda: windows(X, 2),
        ValueError,
        "expected series of shape (steps,) or (steps, features), got (4, 5, 3)",
    ),
    (
        "windows target",
        lambda: windows(np.arange(9.0), 2, target=np.arange(3)),
        ValueError,
        "expected target to have the 9 steps of series, got shape (3,)",
    ),
    (
        "windows horizon",
        lambda: windows(np.arange(9.0), 2, horizon=-1),
        ValueError,
        "horizon must be an integer, 0 or more, got -1",
    ),
    (
        "windows str",
        lambda: windows("abc", 2),
        TypeError,
        "expected series to hold real numbers, got dtype <U3, a string",
    ),
    (
        "windows strs",
        lambda: windows(["a", "b", "c"], 1),
        TypeError,
        (
            "expected series to hold real numbers, got dtype <U1, strings; np.unique(series, "
            "return_inverse=True)[1] numbers them"
        ),
    ),
]


@rows(TABLE)
def test_the_sentence(make: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    check(make, error, sentence)


def test_the_form_of_all() -> None:
    check_form(TABLE, cellstep.sklearn)
