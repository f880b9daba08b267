"""Mistakes, and the sentence that each gets: compile, optimizers, losses, metrics and what they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mistakes import LAB, ONE, Row, X, Y, check, check_form, ends, fit, reg, rows

from cellstep import Sequential, initializers, layers, losses, metrics, optimizers, regularizers

TABLE: list[Row] = [
    (
        "opt misspelt",
        lambda: reg(optimizer="adams", loss="mse"),
        ValueError,
        (
            "optimizer must be one of sgd, adam, rmsprop, adamw, nadam, adamax, adagrad, adadelta, lion, "
            "lamb, got 'adams'"
        ),
    ),
    (
        "opt None",
        lambda: fit(reg(optimizer=None, loss="mse"), X, Y),
        TypeError,
        "optimizer must be a name, a configuration or a cellstep optimizer, got None",
    ),
    (
        "opt number",
        lambda: reg(optimizer=0.01, loss="mse"),
        TypeError,
        "optimizer must be a name, a configuration or a cellstep optimizer, got 0.01",
    ),
    (
        "loss misspelt",
        lambda: reg(optimizer="adam", loss="mean_square_error"),
        ValueError,
        (
            "loss must be one of the 24 names there are, such as mean_squared_error or "
            "mean_squared_logarithmic_error or mean_absolute_error, got 'mean_square_error'"
        ),
    ),
    (
        "loss misspelt2",
        lambda: reg(optimizer="adam", loss="crossentropy"),
        ValueError,
        (
            "loss must be one of the 24 names there are, such as binary_crossentropy or "
            "categorical_crossentropy or binary_focal_crossentropy, got 'crossentropy'"
        ),
    ),
    (
        "loss number",
        lambda: reg(optimizer="adam", loss=3),
        TypeError,
        "loss must be a name, a configuration or a cellstep loss, got 3",
    ),
    (
        "loss swapped",
        lambda: reg(optimizer="mse", loss="adam"),
        ValueError,
        ("optimizer must be one of sgd, adam, rmsprop, adamw, nadam, adamax, adagrad, adadelta, lion, lamb, got 'mse'"),
    ),
    (
        "loss metric",
        lambda: reg(optimizer="adam", loss="accuracy"),
        ValueError,
        "loss must be one of the 24 names there are, such as mse or mae or bce, got 'accuracy'",
    ),
    (
        "loss list 2 for 1",
        lambda: fit(reg(optimizer="adam", loss=["mse", "mae"]), X, Y),
        ValueError,
        "loss must have 1 entries, one an output, got 2",
    ),
    (
        "loss dict name",
        lambda: (lambda m: (m.compile("adam", {"p": "mse", "r": "mse"}), fit(m, X, [Y, LAB])))(ends()),
        ValueError,
        "loss must have names of outputs ('p', 'q') for keys, got 'r'",
    ),
    (
        "loss list short",
        lambda: (lambda m: (m.compile("adam", ["mse"]), fit(m, X, [Y, LAB])))(ends()),
        ValueError,
        "loss must have 2 entries, one an output, got 1",
    ),
    (
        "loss_weights name",
        lambda: (lambda m: (m.compile("adam", "mse", loss_weights={"r": 1.0}), fit(m, X, [Y, ONE])))(ends()),
        ValueError,
        "loss_weights must have names of outputs ('p', 'q') for keys, got 'r'",
    ),
    (
        "loss_weights short",
        lambda: (lambda m: (m.compile("adam", ["mse", "mse"], loss_weights=[1.0]), fit(m, X, [Y, ONE])))(ends()),
        ValueError,
        "loss_weights must have 2 entries, one an output, got 1",
    ),
    (
        "loss_weights str",
        lambda: reg(optimizer="adam", loss="mse", loss_weights="1"),
        TypeError,
        "loss_weights must hold numbers, got '1'",
    ),
    (
        "metrics str",
        lambda: reg(optimizer="adam", loss="mse", metrics="mae"),
        TypeError,
        "metrics must be a list or a dictionary, got 'mae'",
    ),
    (
        "metrics misspelt",
        lambda: reg(optimizer="adam", loss="mse", metrics=["accurracy"]),
        ValueError,
        (
            "metrics must be one of the 35 names there are, such as accuracy or binary_accuracy or "
            "categorical_accuracy, got 'accurracy'"
        ),
    ),
    (
        "metrics number",
        lambda: reg(optimizer="adam", loss="mse", metrics=[3]),
        TypeError,
        "metrics must be names, cellstep.metrics.Metric objects or functions, got 3",
    ),
    (
        "metrics dict name",
        lambda: (lambda m: (m.compile("adam", "mse", metrics={"r": "mae"}), fit(m, X, [Y, ONE])))(ends()),
        ValueError,
        "metrics must have names of outputs ('p', 'q') for keys, got 'r'",
    ),
    (
        "metrics list flat two outs",
        lambda: (lambda m: (m.compile("adam", "mse", metrics=["mae"]), fit(m, X, [Y, ONE])))(ends()),
        ValueError,
        "metrics must have 2 entries, one an output, got 1",
    ),
    (
        "weighted str",
        lambda: reg(optimizer="adam", loss="mse", weighted_metrics="acc"),
        TypeError,
        "weighted_metrics must be a list or a dictionary, got 'acc'",
    ),
    (
        "fit uncompiled",
        lambda: fit(Sequential([layers.Dense(1)]), X, Y),
        RuntimeError,
        "compile(optimizer, loss) must be called before fit",
    ),
    (
        "evaluate uncompiled",
        lambda: Sequential([layers.Dense(1)]).evaluate(X, Y),
        RuntimeError,
        "compile(optimizer, loss) must be called before evaluate",
    ),
    ("opt lr str", lambda: optimizers.Adam("0.1"), TypeError, "learning_rate must be a number, got '0.1'"),
    (
        "opt lr neg",
        lambda: optimizers.Adam(-0.1),
        ValueError,
        "learning_rate must be a finite number, 0 or more, got -0.1",
    ),
    ("opt lr None", lambda: optimizers.Adam(None), TypeError, "learning_rate must be a number, got None"),
    (
        "opt lr nan",
        lambda: optimizers.Adam(float("nan")),
        ValueError,
        "learning_rate must be a finite number, 0 or more, got nan",
    ),
    ("opt lr kw", lambda: optimizers.Adam(lr=0.1), TypeError, "Adam takes no argument 'lr'; learning_rate is its name"),
    (
        "opt decay kw",
        lambda: optimizers.SGD(0.1, decay=1e-6),
        TypeError,
        "SGD takes no argument 'decay'; give learning_rate a schedule of optimizers.schedules",
    ),
    (
        "opt beta",
        lambda: optimizers.Adam(beta_1=1.5),
        ValueError,
        "beta_1 must be a finite number from 0 to 1, got 1.5",
    ),
    (
        "opt momentum",
        lambda: optimizers.SGD(0.1, momentum=2),
        ValueError,
        "momentum must be a finite number from 0 to 1, got 2",
    ),
    ("opt clipnorm", lambda: optimizers.SGD(0.1, clipnorm=-1), ValueError, "clipnorm must be positive, got -1.0"),
    (
        "opt clip two",
        lambda: optimizers.SGD(0.1, clipnorm=1, clipvalue=1),
        ValueError,
        ("only one of clipnorm, clipvalue and global_clipnorm can be given, got {'clipnorm': 1.0, 'clipvalue': 1.0}"),
    ),
    ("opt clip str", lambda: optimizers.SGD(0.1, clipnorm="1"), TypeError, "clipnorm must be a number, got '1'"),
    (
        "opt wd",
        lambda: optimizers.AdamW(0.1, weight_decay=-1),
        ValueError,
        "weight_decay must be a finite number, 0 or more, got -1",
    ),
    ("opt ema", lambda: optimizers.SGD(0.1, use_ema="yes"), TypeError, "use_ema must be True or False, got 'yes'"),
    (
        "opt ema mom",
        lambda: optimizers.SGD(0.1, use_ema=True, ema_momentum=2),
        ValueError,
        "ema_momentum must be a finite number from 0 to 1, got 2",
    ),
    (
        "opt ga 0",
        lambda: optimizers.SGD(0.1, gradient_accumulation_steps=0),
        ValueError,
        "gradient_accumulation_steps must be a positive integer, got 0",
    ),
    (
        "opt ga 1",
        lambda: optimizers.SGD(0.1, gradient_accumulation_steps=1),
        ValueError,
        "gradient_accumulation_steps must be 2 or more, or None, got 1",
    ),
    (
        "opt get",
        lambda: optimizers.get("adamm"),
        ValueError,
        (
            "optimizer must be one of sgd, adam, rmsprop, adamw, nadam, adamax, adagrad, adadelta, lion, "
            "lamb, got 'adamm'"
        ),
    ),
    (
        "sched neg",
        lambda: optimizers.schedules.ExponentialDecay(0.1, 0, 0.9),
        ValueError,
        "decay_steps must be positive, got 0",
    ),
    (
        "sched str",
        lambda: optimizers.schedules.ExponentialDecay("0.1", 10, 0.9),
        TypeError,
        "initial_learning_rate must be a number, got '0.1'",
    ),
    (
        "sched piecewise",
        lambda: optimizers.schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2]),
        ValueError,
        "boundaries must be 1 or more, and values one more than those, got 2 and 2",
    ),
    (
        "sched piecewise order",
        lambda: optimizers.schedules.PiecewiseConstantDecay([5, 2], [0.1, 0.2, 0.3]),
        ValueError,
        "boundaries must increase, got [5, 2]",
    ),
    (
        "sched cosine",
        lambda: optimizers.schedules.CosineDecay(0.1, -5),
        ValueError,
        "decay_steps must be positive, got -5",
    ),
    (
        "set lr str",
        lambda: setattr(reg(optimizer="sgd", loss="mse").optimizer, "learning_rate", "a"),
        TypeError,
        "learning_rate must be a number, got 'a'",
    ),
    (
        "label smoothing",
        lambda: losses.CategoricalCrossentropy(label_smoothing=2),
        ValueError,
        "label_smoothing must be between 0 and 1, got 2",
    ),
    ("huber delta", lambda: losses.Huber(delta=-1), ValueError, "delta must be a finite number, 0 or more, got -1"),
    ("focal gamma", lambda: losses.BinaryFocalCrossentropy(gamma="a"), TypeError, "gamma must be a number, got 'a'"),
    (
        "from_logits str",
        lambda: losses.BinaryCrossentropy(from_logits="yes"),
        TypeError,
        "from_logits must be True or False, got 'yes'",
    ),
    (
        "loss dtype",
        lambda: losses.MeanSquaredError(dtype="foo"),
        ValueError,
        "dtype must be 'float32' or 'float64', got 'foo'",
    ),
    (
        "metric auc curve",
        lambda: metrics.AUC(curve="roc_curve"),
        ValueError,
        "curve must be 'ROC' or 'PR', got 'roc_curve'",
    ),
    ("metric topk", lambda: metrics.TopKCategoricalAccuracy(k=0), ValueError, "k must be a positive integer, got 0"),
    (
        "metric f1",
        lambda: metrics.F1Score(average="foo"),
        ValueError,
        "average must be None, 'micro', 'macro' or 'weighted', got 'foo'",
    ),
    ("l2 str", lambda: regularizers.L2("a"), TypeError, "l2 must be a number, got 'a'"),
    ("l2 neg", lambda: regularizers.L2(-1), ValueError, "l2 must be a finite number, 0 or more, got -1"),
    ("init const", lambda: initializers.Constant("a"), TypeError, "value must be a number, got 'a'"),
    (
        "init stddev",
        lambda: initializers.RandomNormal(stddev=-1),
        ValueError,
        "stddev must be a finite number, 0 or more, got -1",
    ),
    ("init seed", lambda: initializers.GlorotUniform(seed="a"), TypeError, "seed must be an integer, got 'a'"),
]


@rows(TABLE)
def test_the_sentence(make: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    check(make, error, sentence)


def test_the_form_of_all() -> None:
    check_form(TABLE)
