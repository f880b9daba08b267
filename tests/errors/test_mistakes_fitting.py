"""Mistakes, and the sentence that each gets: fit, evaluate, predict: data, targets, labels, weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mistakes import LAB, ONE, TOK, YT, Row, X, Y, batches, check, check_form, clf, ends, fit, reg, rows, seq, tag

from cellstep import callbacks, metrics

TABLE: list[Row] = [
    ("y missing", lambda: fit(reg(), X), ValueError, "y must be given, beside x or in each of its batches, got None"),
    ("y shorter", lambda: fit(reg(), X, Y[:3]), ValueError, "expected y to have the 4 rows of x, got 3"),
    ("y longer", lambda: fit(reg(), X, np.ones((9, 1))), ValueError, "expected y to have the 4 rows of x, got 9"),
    ("y scalar", lambda: fit(reg(), X, 3.0), ValueError, "expected y to have one row a sample, got a scalar"),
    (
        "y None list",
        lambda: fit(reg(), X, [None] * 4),
        TypeError,
        (
            "expected y to hold real numbers, got dtype object, with None in it; "
            "np.asarray(y, 'float32') makes NaN of it"
        ),
    ),
    (
        "y strings",
        lambda: fit(reg(), X, np.array(["a"] * 4)),
        TypeError,
        ("expected y to hold real numbers, got dtype <U1, strings; np.unique(y, return_inverse=True)[1] numbers them"),
    ),
    (
        "y strings clf",
        lambda: fit(clf(), X, np.array(["cat", "dog", "cat", "dog"])),
        TypeError,
        ("expected y to hold real numbers, got dtype <U3, strings; np.unique(y, return_inverse=True)[1] numbers them"),
    ),
    ("y (1,B)", lambda: fit(reg(), X, Y.T), ValueError, "expected y to have the 4 rows of x, got 1"),
    (
        "y (B,1) for seq",
        lambda: fit(seq(), X, Y),
        ValueError,
        (
            "y_true must have the shape (4, 5, 1) of y_pred, got (4, 1); return_sequences=False in the last "
            "recurrent layer gives one prediction a row"
        ),
    ),
    (
        "y (B,) for seq",
        lambda: fit(seq(), X, Y[:, 0]),
        ValueError,
        (
            "y_true must have the shape (4, 5, 1) of y_pred, got (4,); return_sequences=False in the last "
            "recurrent layer gives one prediction a row"
        ),
    ),
    (
        "y (B,T,1) for last",
        lambda: fit(reg(), X, YT),
        ValueError,
        (
            "y_true must have the shape (4, 1) of y_pred, got (4, 5, 1); return_sequences=True in the last "
            "recurrent layer gives one prediction a step"
        ),
    ),
    (
        "y (B,T) for last",
        lambda: fit(reg(), X, YT[..., 0]),
        ValueError,
        "y_true must have the shape (4, 1) of y_pred, got (4, 5)",
    ),
    (
        "y (B,2)",
        lambda: fit(reg(), X, np.ones((4, 2))),
        ValueError,
        "y_true must have the shape (4, 1) of y_pred, got (4, 2)",
    ),
    (
        "y uneven list",
        lambda: fit(seq(), X, [[1, 2], [1], [2], [3]]),
        ValueError,
        (
            "expected even targets, as the outputs (4, 5, 1) do not keep the lengths of x, got sequences of "
            "different lengths up to 2"
        ),
    ),
    (
        "y nan",
        lambda: fit(clf(), X, np.array([0, 1, np.nan, 1])),
        ValueError,
        "y_true must hold integer labels, got nan",
    ),
    (
        "int for cat",
        lambda: fit(clf("categorical_crossentropy"), X, LAB),
        ValueError,
        (
            "y_true must have the shape (4, 3) of y_pred, one entry a class, got (4,); for integer labels use"
            " sparse_categorical_crossentropy"
        ),
    ),
    (
        "int col for cat",
        lambda: fit(clf("categorical_crossentropy"), X, LAB[:, None]),
        ValueError,
        (
            "y_true must have the shape (4, 3) of y_pred, one entry a class, got (4, 1); for integer labels "
            "use sparse_categorical_crossentropy"
        ),
    ),
    (
        "onehot for sparse",
        lambda: fit(clf(), X, ONE),
        ValueError,
        (
            "y_true must have the shape (4,) or (4, 1), one label a value, got (4, 3); for one-hot targets "
            "use categorical_crossentropy"
        ),
    ),
    (
        "onehot seq for sparse",
        lambda: fit(tag(), X, np.eye(3)[TOK % 3]),
        ValueError,
        (
            "y_true must have the shape (4, 5) or (4, 5, 1), one label a value, got (4, 5, 3); for one-hot "
            "targets use categorical_crossentropy"
        ),
    ),
    (
        "int seq for cat",
        lambda: fit(tag("categorical_crossentropy"), X, TOK % 3),
        ValueError,
        (
            "y_true must have the shape (4, 5, 3) of y_pred, one entry a class, got (4, 5); for integer "
            "labels use sparse_categorical_crossentropy"
        ),
    ),
    (
        "1..C",
        lambda: fit(clf(), X, LAB + 1),
        ValueError,
        ("y_true must hold labels from 0 to 2, as there are 3 units, got 3; labels begin at 0, so give y - 1"),
    ),
    (
        "-1",
        lambda: fit(clf(), X, LAB - 1),
        ValueError,
        (
            "y_true must hold labels from 0 to 2, as there are 3 units, got -1; ignore_class=-1 of the loss "
            "leaves such labels out"
        ),
    ),
    (
        "labels bce two units",
        lambda: fit(clf("binary_crossentropy", 2, "sigmoid"), X, LAB % 2),
        ValueError,
        "y_true must have the shape (4, 2) of y_pred, got (4,)",
    ),
    (
        "onehot wrong classes",
        lambda: fit(clf("categorical_crossentropy"), X, np.eye(4)[LAB]),
        ValueError,
        "y_true must have the shape (4, 3) of y_pred, one entry a class, got (4, 4)",
    ),
    (
        "accuracy int vs onehot",
        lambda: fit(clf("categorical_crossentropy", metrics=["sparse_categorical_accuracy"]), X, ONE),
        ValueError,
        "y_true must have the shape (4,) or (4, 1), one label a value, got (4, 3)",
    ),
    (
        "cat accuracy on labels",
        lambda: fit(clf(metrics=["categorical_accuracy"]), X, LAB),
        ValueError,
        "y_true must have the shape (4, 3) of y_pred, one entry a class, got (4,)",
    ),
    (
        "auc multi labels",
        lambda: fit(clf(metrics=[metrics.AUC()]), X, LAB),
        ValueError,
        "y_true must have the shape (4, 3) of y_pred, got (4,)",
    ),
    (
        "ctc y",
        lambda: fit(tag("ctc"), X, LAB),
        ValueError,
        "y_true must be (batch, labels) with 4 rows for CTC, got shape (4,)",
    ),
    (
        "ctc y range",
        lambda: fit(tag("ctc"), X, TOK[:, :2] + 3),
        ValueError,
        "y_true must hold labels from 0 to 2 for 3 classes, got 4",
    ),
    (
        "ctc too long",
        lambda: fit(tag("ctc"), X, np.ones((4, 9), int)),
        ValueError,
        "y_true must fit into the steps: row 0 needs 17, got 5",
    ),
    ("multi y one", lambda: fit(ends(), X, Y), ValueError, "expected y to be 2 arrays, one an output, got one"),
    (
        "multi y dict wrong",
        lambda: fit(ends(), X, {"p": Y, "r": LAB}),
        ValueError,
        "expected y to have names of outputs (p, q) for keys, got 'r'",
    ),
    (
        "multi y dict missing",
        lambda: fit(ends(), X, {"p": Y}),
        ValueError,
        "y must be given for output q, which has a loss, got None",
    ),
    (
        "multi y three",
        lambda: fit(ends(), X, [Y, LAB, LAB]),
        ValueError,
        "expected y to be 2 arrays, one an output, got 3",
    ),
    (
        "batch_size float",
        lambda: fit(reg(), X, Y, batch_size=2.0),
        TypeError,
        "batch_size must be a positive integer, got 2.0",
    ),
    (
        "batch_size str",
        lambda: fit(reg(), X, Y, batch_size="32"),
        TypeError,
        "batch_size must be a positive integer, got '32'",
    ),
    ("epochs 0", lambda: fit(reg(), X, Y, epochs=0), ValueError, "epochs must be a positive integer, got 0"),
    ("epochs float", lambda: fit(reg(), X, Y, epochs=1.0), TypeError, "epochs must be a positive integer, got 1.0"),
    ("epochs str", lambda: fit(reg(), X, Y, epochs="3"), TypeError, "epochs must be a positive integer, got '3'"),
    ("epochs None", lambda: fit(reg(), X, Y, epochs=None), TypeError, "epochs must be a positive integer, got None"),
    (
        "initial_epoch neg",
        lambda: fit(reg(), X, Y, epochs=2, initial_epoch=-1),
        ValueError,
        "initial_epoch must be an integer, 0 or more, got -1",
    ),
    (
        "third positional epochs",
        lambda: fit(reg(), X, Y, 2.5),
        TypeError,
        "batch_size must be a positive integer, got 2.5",
    ),
    ("verbose str", lambda: reg().fit(X, Y, verbose="yes"), ValueError, "verbose must be 'auto', 0, 1 or 2, got 'yes'"),
    (
        "validation_split 1",
        lambda: fit(reg(), X, Y, validation_split=1.0),
        ValueError,
        "validation_split must be between 0 and 1, got 1.0",
    ),
    (
        "validation_split 20",
        lambda: fit(reg(), X, Y, validation_split=20),
        ValueError,
        "validation_split must be between 0 and 1, got 20",
    ),
    (
        "validation_split str",
        lambda: fit(reg(), X, Y, validation_split="0.2"),
        TypeError,
        "validation_split must be a number, got '0.2'",
    ),
    (
        "validation_split neg",
        lambda: fit(reg(), X, Y, validation_split=-0.2),
        ValueError,
        "validation_split must be between 0 and 1, got -0.2",
    ),
    (
        "validation_data array",
        lambda: fit(reg(), X, Y, validation_data=X),
        TypeError,
        "validation_data must be a tuple or an iterable, got ndarray",
    ),
    (
        "validation_data dict",
        lambda: fit(reg(), X, Y, validation_data={"x": X, "y": Y}),
        TypeError,
        "validation_data must be a tuple or an iterable, got dict",
    ),
    (
        "validation_data diff",
        lambda: fit(reg(), X, Y, validation_data=(X, Y[:2])),
        ValueError,
        "expected y to have the 4 rows of x, got 2",
    ),
    (
        "validation_steps 0",
        lambda: fit(reg(), X, Y, validation_data=(X, Y), validation_steps=0),
        ValueError,
        "validation_steps must be a positive integer, got 0",
    ),
    (
        "validation_freq 0",
        lambda: fit(reg(), X, Y, validation_data=(X, Y), validation_freq=0),
        ValueError,
        "validation_freq must be a positive integer, got 0",
    ),
    (
        "validation_batch_size 0",
        lambda: fit(reg(), X, Y, validation_data=(X, Y), validation_batch_size=0),
        ValueError,
        "validation_batch_size must be a positive integer, got 0",
    ),
    (
        "steps_per_epoch 0",
        lambda: fit(reg(), X, Y, steps_per_epoch=0),
        ValueError,
        "steps_per_epoch must be a positive integer, got 0",
    ),
    (
        "gen yields 4",
        lambda: fit(reg(), batches((X, Y, Y, Y))),
        ValueError,
        "expected batches (x, y) or (x, y, sample_weight), got 4 parts",
    ),
    (
        "gen yields dict",
        lambda: fit(reg(), batches({"x": X, "y": Y})),
        ValueError,
        "expected x to have the names of the inputs (input_layer), got x, y",
    ),
    (
        "predict y",
        lambda: reg().predict(X, Y),
        TypeError,
        "batch_size must be a positive integer, got an array of shape (4, 1)",
    ),
    (
        "evaluate return_dict",
        lambda: reg().evaluate(X, Y, verbose=0, return_dict="yes"),
        TypeError,
        "return_dict must be True or False, got 'yes'",
    ),
    (
        "class_weight list",
        lambda: fit(clf(), X, LAB, class_weight=[1, 2, 1]),
        TypeError,
        "class_weight must be a dictionary of class to weight, got [1, 2, 1]",
    ),
    (
        "class_weight str",
        lambda: fit(clf(), X, LAB, class_weight="balanced"),
        TypeError,
        "class_weight must be a dictionary of class to weight, got 'balanced'",
    ),
    (
        "class_weight str keys",
        lambda: fit(clf(), X, LAB, class_weight={"0": 1, "1": 1, "2": 1}),
        TypeError,
        "class_weight must have classes, which are integers, for keys, got '0'",
    ),
    (
        "class_weight str values",
        lambda: fit(clf(), X, LAB, class_weight={0: "a", 1: 1, 2: 1}),
        TypeError,
        "class_weight[0] must be a number, got 'a'",
    ),
    (
        "class_weight and sample_weight",
        lambda: fit(clf(), X, LAB, class_weight={0: 1}, sample_weight=np.ones(4)),
        ValueError,
        "class_weight and sample_weight cannot both be given",
    ),
    (
        "sample_weight shape",
        lambda: fit(reg(), X, Y, sample_weight=np.ones(3)),
        ValueError,
        "expected sample_weight to have the 4 rows of x, got 3",
    ),
    (
        "sample_weight 2d",
        lambda: fit(reg(), X, Y, sample_weight=np.ones((4, 5))),
        ValueError,
        "sample_weight must broadcast to the shape (4,) of the loss values, got (4, 5)",
    ),
    (
        "sample_weight per step wrong",
        lambda: fit(seq(), X, YT, sample_weight=np.ones((4, 3))),
        ValueError,
        "sample_weight must broadcast to the shape (4, 5) of the loss values, got (4, 3)",
    ),
    (
        "sample_weight str",
        lambda: fit(reg(), X, Y, sample_weight=["a"] * 4),
        TypeError,
        (
            "expected sample_weight to hold real numbers, got dtype <U1, strings; np.unique(sample_weight, "
            "return_inverse=True)[1] numbers them"
        ),
    ),
    (
        "sample_weight scalar",
        lambda: fit(reg(), X, Y, sample_weight=2.0),
        ValueError,
        "expected sample_weight to have one row a sample, got a scalar",
    ),
    (
        "sample_weight dict",
        lambda: fit(reg(), X, Y, sample_weight={0: 1}),
        ValueError,
        "expected sample_weight to have names of outputs (dense) for keys, got 0",
    ),
    ("tbptt int", lambda: fit(seq(), X, YT, tbptt=3), TypeError, "tbptt must be a pair (k1, k2), got 3"),
    ("tbptt 0", lambda: fit(seq(), X, YT, tbptt=(0, 1)), ValueError, "k1 of tbptt must be a positive integer, got 0"),
    (
        "tbptt on last",
        lambda: fit(reg(), X, Y, tbptt=(2, 2)),
        ValueError,
        "tbptt needs x and y with one number of steps, got (4, 5, 3), (4, 1)",
    ),
    ("tbptt order", lambda: fit(seq(), X, YT, tbptt=(5, 2)), ValueError, "k2 of tbptt must be at least k1, got (5, 2)"),
    ("shuffle str", lambda: fit(reg(), X, Y, shuffle="batch"), TypeError, "shuffle must be True or False, got 'batch'"),
    ("shuffle None", lambda: fit(reg(), X, Y, shuffle=None), TypeError, "shuffle must be True or False, got None"),
    (
        "callbacks class",
        lambda: fit(reg(), X, Y, callbacks=[callbacks.TerminateOnNaN]),
        TypeError,
        (
            "callbacks must hold cellstep.callbacks.Callback objects, got <class "
            "'cellstep.callbacks.records.TerminateOnNaN'>"
        ),
    ),
    (
        "callbacks fn",
        lambda: fit(reg(), X, Y, callbacks=[print]),
        TypeError,
        "callbacks must hold cellstep.callbacks.Callback objects, got <built-in function print>",
    ),
    (
        "callbacks str",
        lambda: fit(reg(), X, Y, callbacks="early_stopping"),
        TypeError,
        "callbacks must hold cellstep.callbacks.Callback objects, got 'e'",
    ),
    (
        "fit order y x",
        lambda: fit(reg(), Y, X),
        ValueError,
        "expected x of shape (None, None, 3), got (4, 1); x[None] is a batch of one",
    ),
]


@rows(TABLE)
def test_the_sentence(make: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    check(make, error, sentence)


def test_the_form_of_all() -> None:
    check_form(TABLE)
