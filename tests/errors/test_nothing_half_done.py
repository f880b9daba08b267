"""After an error nothing is half done: weights, states, moving means, the optimizer, the history; and warnings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mistakes import LAB, TOK, C, X, Y, clf, reg, seq

from cellstep import Input, Sequential, layers, metrics, optimizers

BAD_Y = np.ones((4, 7), "float32")


def net() -> Sequential:
    """A stateful layer, moving means and an optimizer with momenta."""
    model = Sequential(
        [
            Input((5, 3)),
            layers.LSTM(4, stateful=True),
            layers.BatchNormalization(),
            layers.Dropout(0.0),
            layers.Dense(1),
        ]
    )
    model.compile(optimizers.Adam(0.1), "mse", metrics=["mae"])
    return model


def everything(model: Sequential) -> list[Any]:
    """All that a step writes, as copies."""
    optimizer: Any = model.optimizer
    slots = [optimizer.slot(slot, w) for slot in ("momentum", "velocity") for w in model.trainable_weights]
    states = model.layers[0].states
    return [*model.get_weights(), *map(np.array, slots), *(s.copy() for s in states), np.array(optimizer.iterations)]


class Fails(metrics.Metric):
    """Fails at its third batch."""

    seen = 0

    def update_state(self, *args: Any, **options: Any) -> None:
        self.seen += 1
        if self.seen == 3:
            raise ZeroDivisionError

    def reset_state(self) -> None: ...

    def result(self) -> float:
        return 0.0


@pytest.mark.parametrize(
    "step",
    [
        lambda model: model.train_on_batch(X, BAD_Y),
        lambda model: model.test_on_batch(X, BAD_Y),
        lambda model: model.train_on_batch(X, Y, sample_weight=np.ones((4, 9))),
        lambda model: model.train_on_batch(X[:2], Y[:2]),
        lambda model: model.fit(X, BAD_Y, verbose=0),
        lambda model: model.fit(X, Y, validation_data=(X, Y[:2]), verbose=0),
        lambda model: model.fit(X, Y, validation_data=(X[..., :2], Y), verbose=0),
        lambda model: model.fit(X, Y, epochs=3, initial_epoch=-1, verbose=0),
        lambda model: model.fit(X, Y, validation_split="0.2", verbose=0),
        lambda model: model.evaluate(X, BAD_Y, verbose=0),
    ],
)
def test_a_call_that_fails_changes_nothing(step: Callable[[Sequential], Any]) -> None:
    model = net()
    model.train_on_batch(X, Y)
    before = everything(model)
    with pytest.raises((ValueError, TypeError)):
        step(model)
    for now, then in zip(everything(model), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    "last",
    [
        (X, BAD_Y),
        (X[..., :2], Y),
        (X, np.array([["a"]] * 4)),
        (X, Y, np.ones((4, 9))),
        (X, Y, Y, Y),
        None,
    ],
)
def test_a_fit_that_fails_midway_keeps_the_whole_steps_before(last: Any) -> None:
    def broken() -> Any:
        yield X, Y
        yield X, Y
        yield last

    model, twin = net(), net()
    twin.set_weights(model.get_weights())
    for _ in range(2):
        twin.train_on_batch(X, Y)
    with pytest.raises((ValueError, TypeError)):
        model.fit(broken(), verbose=0)
    for now, then in zip(everything(model), everything(twin), strict=True):
        np.testing.assert_array_equal(now, then)
    assert model.history is not None
    assert model.history.history == {}
    assert model.fit(X, Y, verbose=0).epoch == [0]


def test_a_metric_that_fails_undoes_its_step() -> None:
    model = net()
    model.compile(model.optimizer, "mse", metrics=[Fails("f")])
    model.train_on_batch(X, Y)
    model.train_on_batch(X, Y)
    before = everything(model)
    with pytest.raises(ZeroDivisionError):
        model.train_on_batch(X, Y)
    for now, then in zip(everything(model), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_window_that_fails_undoes_its_step() -> None:
    model = seq()
    model.train_on_batch(X, np.ones((4, 5, 1)))
    before = model.get_weights()
    with pytest.raises(ValueError, match="tbptt needs x and y with one number of steps"):
        model.fit(X, np.ones((4, 3, 1)), tbptt=(2, 2), verbose=0)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert not model.layers[0].stateful


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: layers.LSTM(3, input_shape=(5, 3)), "input_shape of LSTM is older Keras: put an Input.shape. before"),
        (lambda: layers.Dense(3, input_dim=3), "input_dim of Dense is older Keras: put an Input.shape. before"),
        (lambda: layers.Embedding(3, 2, input_length=4), "input_length of Embedding has no effect: leave it away"),
        (lambda: layers.Dense(1, "softmax"), "activation='softmax' over units=1 gives a constant: use 'sigmoid'"),
        (
            lambda: clf("binary_crossentropy", 1, "sigmoid").train_on_batch(X, LAB),
            "y_true of binary_crossentropy should be from 0 to 1, got 2; for classes",
        ),
        (
            lambda: clf("categorical_crossentropy", 1, "sigmoid").train_on_batch(X, Y),
            "y_pred of categorical_crossentropy should have 2 classes or more, got 1",
        ),
    ],
)
def test_what_works_but_not_as_meant_is_warned_of(make: Callable[[], Any], sentence: str) -> None:
    with pytest.warns(UserWarning, match=sentence):
        make()


def test_shapes_of_older_keras_build_a_sequential() -> None:
    with pytest.warns(UserWarning, match="input_shape of LSTM"):
        model = Sequential([layers.LSTM(4, input_shape=(None, 3)), layers.Dense(1)])
    assert model.built
    assert model.input_shape == (None, None, 3)


def test_what_keras_takes_is_taken() -> None:
    layer = layers.LSTM(4)
    mask = np.array([[1, 1, 1, 0, 0]] * 4)
    np.testing.assert_array_equal(layer(X, mask=mask), layer(X, mask=mask.astype(bool)))
    np.testing.assert_array_equal(layer(X, mask=mask.astype("float32")), layer(X, mask=mask.astype(bool)))
    model = Sequential([Input((5,), dtype="int32"), layers.Embedding(7, 2)])
    np.testing.assert_array_equal(model.predict(TOK.astype("float64"), verbose=0), model.predict(TOK, verbose=0))
    lookup = layers.Embedding(7, 2)
    np.testing.assert_array_equal(lookup(TOK > 2), lookup((TOK > 2).astype(int)))
    assert reg().predict(X.tolist(), verbose=0).shape == (4, 1)
    assert C == 3


def test_labels_out_of_range_say_why() -> None:
    for y, why in (
        (LAB + 1, "labels from 0 to 2, as there are 3 units, got 3; labels begin at 0, so give y - 1"),
        (
            LAB - 1,
            "labels from 0 to 2, as there are 3 units, got -1; ignore_class=-1 of the loss leaves such labels out",
        ),
        (LAB * 4, "labels from 0 to 2, as there are 3 units, got 8; the last layer needs 9 units for it"),
    ):
        with pytest.raises(ValueError, match=f"y_true must hold {why}"):
            clf().train_on_batch(X, y)


def test_a_step_after_targets_that_were_refused_counts_in_the_metrics() -> None:
    """Those of the first step ever, which the metrics are made for."""
    model = net()
    with pytest.raises(ValueError, match="y_true"):
        model.fit(X, BAD_Y, batch_size=4, verbose=0)
    y = np.ones((4, 1), "float32")
    logs = model.train_on_batch(X[:4], y, return_dict=True)
    assert set(logs) == {"loss", "mae"}
