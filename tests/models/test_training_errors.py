"""Bad calls of a model say what was wanted and what came, and change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import losses, metrics, optimizers
from cellstep.layers import LSTM, Dense, Embedding, Input
from cellstep.models import Sequential

X = np.ones((4, 3))
Y = np.ones((4, 2))


def net(**options: Any) -> Sequential:
    made = Sequential([Input((3,)), Dense(2)])
    made.compile(**({"optimizer": "sgd", "loss": "mse"} | options))
    return made


def tagger() -> Sequential:
    made = Sequential([Embedding(5, 2, mask_zero=True), LSTM(3, return_sequences=True), Dense(4)])
    made.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    return made


TOKENS = np.array([[1, 2, 0], [3, 4, 1]])

BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "not compiled": (
        lambda: Sequential([Dense(1)]).fit(X, Y),
        *(RuntimeError, r"compile\(optimizer, loss\) must be called before fit"),
    ),
    "evaluate before compile": (lambda: Sequential([Dense(1)]).evaluate(X, Y), RuntimeError, "before evaluate"),
    "batch before compile": (lambda: Sequential([Dense(1)]).train_on_batch(X, Y), RuntimeError, "before train_on"),
    "no loss": (lambda: net(loss=None).fit(X, Y), RuntimeError, "compile needs a loss before fit"),
    "unknown loss": (lambda: net(loss="hinges"), ValueError, "loss must be one of .* hinge.*got 'hinges'"),
    "unknown optimizer": (lambda: net(optimizer="lbfgs"), ValueError, "optimizer must be one of sgd, adam"),
    "unknown metric": (lambda: net(metrics=["auk"]), ValueError, "metrics must be one of .* auc.*got 'auk'"),
    "metrics no list": (lambda: net(metrics="mae"), TypeError, "metrics must be a list or a dictionary, got 'mae'"),
    "loss weight nan": (
        lambda: net(loss_weights=[np.nan]),
        ValueError,
        "loss_weights must hold finite numbers, got nan",
    ),
    "loss weight large": (
        lambda: net(loss_weights=[10**400]),
        ValueError,
        "loss_weights must hold finite numbers, got 1",
    ),
    "loss weights": (lambda: net(loss_weights=["a"]), TypeError, "loss_weights must hold numbers, got 'a'"),
    "steps at once": (
        lambda: net(steps_per_execution=0),
        ValueError,
        "steps_per_execution must be a positive integer, got 0",
    ),
    "jit": (lambda: net(jit_compile="no"), ValueError, "jit_compile must be 'auto', True or False, got 'no'"),
    "lengths differ": (lambda: net().fit(X, Y[:3]), ValueError, "expected y to have the 4 rows of x, got 3"),
    "weights' length": (lambda: net().fit(X, Y, sample_weight=[1, 2]), ValueError, "expected sample_weight to have"),
    "no targets": (lambda: net().fit(X), ValueError, "y must be given"),
    "no data": (lambda: net().fit(), TypeError, "expected x to be an array, got None"),
    "ragged": (lambda: net().fit([[1], [1, 2]], [1, 2]), ValueError, r"expected x of shape .*, got \(2, 2\)"),
    "strings": (lambda: net().fit(["a", "b"], [1, 2]), TypeError, "expected x to hold real numbers"),
    "dictionary": (lambda: net().fit({"x": X}, Y), ValueError, r"names of the inputs \(.*\), got x"),
    "scalar": (lambda: net().fit(3, 3), ValueError, r"expected x of shape \(None, 3\), got \(\)"),
    "no rows": (lambda: net().fit(X[:0], Y[:0]), ValueError, "x must give at least one batch"),
    "evaluate no rows": (lambda: net().evaluate(X[:0], Y[:0]), ValueError, "must give at least one batch"),
    "batch without rows": (lambda: net().train_on_batch(X[:0], Y[:0]), ValueError, "x must have at least one row"),
    "features": (lambda: net().fit(np.ones((4, 5)), Y), ValueError, r"expected x of shape \(None, 3\), got \(4, 5\)"),
    "target shape": (lambda: net().fit(X, np.ones((4, 3))), ValueError, r"y_true must have the shape \(4, 2\)"),
    "batch size 0": (lambda: net().fit(X, Y, batch_size=0), ValueError, "batch_size must be a positive integer, got 0"),
    "batch size": (lambda: net().predict(X, batch_size=1.5), TypeError, "batch_size must be a positive integer"),
    "epochs": (lambda: net().fit(X, Y, epochs=-1), ValueError, "epochs must be a positive integer, got -1"),
    "steps": (
        lambda: net().fit(X, Y, steps_per_epoch=0),
        ValueError,
        "steps_per_epoch must be a positive integer, got 0",
    ),
    "verbose": (lambda: net().fit(X, Y, verbose=3), ValueError, "verbose must be 'auto', 0, 1 or 2, got 3"),
    "shuffle": (lambda: net().fit(X, Y, shuffle="batch"), TypeError, "shuffle must be True or False, got 'batch'"),
    "split": (lambda: net().fit(X, Y, validation_split=1.5), ValueError, "between 0 and 1, got 1.5"),
    "empty split": (lambda: net().fit(X[:1], Y[:1], validation_split=0.5), ValueError, "leaves no rows on one side"),
    "split of batches": (
        lambda: net().fit(iter([(X, Y)]), validation_split=0.5),
        *(ValueError, "validation_split needs x to be an array"),
    ),
    "y beside batches": (lambda: net().fit(iter([(X, Y)]), Y), ValueError, "y must be None where x makes batches"),
    "size beside batches": (lambda: net().fit(iter([(X, Y)]), batch_size=2), ValueError, "batch_size must be None"),
    "parts": (lambda: net().fit(iter([(X, Y, Y, Y)])), ValueError, "expected batches .* got 4 parts"),
    "validation data": (lambda: net().fit(X, Y, validation_data=X), TypeError, "validation_data must be a tuple"),
    "validation parts": (lambda: net().fit(X, Y, validation_data=()), ValueError, "got 0 parts"),
    "both weights": (
        lambda: net().fit(X, Y, class_weight={0: 1}, sample_weight=np.ones(4)),
        *(ValueError, "class_weight and sample_weight cannot both be given"),
    ),
    "class weights": (lambda: net().fit(X, Y, class_weight=[1, 2]), TypeError, "class_weight must be a dictionary"),
    "classes of rows": (lambda: net().fit(X, Y, class_weight={0: 1}), ValueError, "class_weight needs one class a row"),
    "callback": (lambda: net().fit(X, Y, callbacks=[print]), TypeError, "callbacks must hold"),
    "label range": (
        lambda: tagger().fit(TOKENS, TOKENS),
        ValueError,
        "labels from 0 to 3, as there are 4 units, got 4",
    ),
    "label fraction": (lambda: tagger().fit(TOKENS, TOKENS / 2), ValueError, "integer labels, got [01].5"),
    "label shape": (lambda: tagger().fit(TOKENS, TOKENS[:, 0]), ValueError, r"\(2, 3\) or \(2, 3, 1\).*got \(2,\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_calls(name: str) -> None:
    run, error, words = BAD[name]
    with pytest.raises(error, match=words):
        run()


class Fails(metrics.Metric):
    """A metric that cannot be computed."""

    def update_state(self, *args: Any, **options: Any) -> None:
        raise KeyError("no such thing")

    def reset_state(self) -> None: ...


@pytest.mark.parametrize(
    "spoil",
    [
        lambda made: made.train_on_batch(X, np.ones((4, 5))),
        lambda made: made.train_on_batch(np.ones((4, 7)), Y),
        lambda made: made.train_on_batch(X, Y, sample_weight=np.ones((4, 9))),
        lambda made: (made.compile(made.optimizer, "mse", metrics=[Fails("f")]), made.train_on_batch(X, Y)),
        lambda made: (made.compile(made.optimizer, Broken()), made.train_on_batch(X, Y)),
    ],
)
def test_a_failed_step_changes_neither_weights_nor_optimizer(spoil: Any) -> None:
    made = net(optimizer=optimizers.Adam())
    made.train_on_batch(X, Y)
    optimizer = made.optimizer
    assert optimizer is not None

    def state() -> list[Any]:
        slots = [optimizer.slot(s, w) for s in ("momentum", "velocity") for w in made.weights]
        return [*(w.numpy() for w in made.weights), *(np.array(s) for s in slots), np.array(optimizer.iterations)]

    before = state()
    with pytest.raises((ValueError, KeyError, ZeroDivisionError)):
        spoil(made)
    assert all(np.array_equal(a, b) for a, b in zip(before, state(), strict=True))
    made.compile(optimizer, "mse")
    made.train_on_batch(X, Y)
    assert optimizer.iterations == 2


class Broken(losses.MeanSquaredError):
    """A loss whose gradient fails."""

    def forward(self, y_true: Any, y_pred: Any) -> Any:
        def pullback(dvalues: Any) -> Any:
            raise ZeroDivisionError

        return super().forward(y_true, y_pred)[0], pullback
