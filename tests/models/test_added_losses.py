"""`add_loss` within `call`: its value in the loss of training and evaluation, its gradient, and where it is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import written_layers

import cellstep
from cellstep import callbacks, layers, models, ops, regularizers

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((7, 6, 3)), RNG.standard_normal((7, 2))


class Energy(layers.Layer):
    """Adds the mean square of its inputs, as an activity regularizer does."""

    def call(self, x: Any, training: bool = False) -> Any:
        self.add_loss(0.1 * ops.sum(ops.square(x)) / ops.shape(x)[0])
        return x


def pair() -> tuple[Any, Any]:
    """The same model with a penalty by `add_loss`, and by a regularizer."""
    made = []
    for penalty in (Energy(), layers.ActivityRegularization(l2=0.1)):
        model = models.Sequential([layers.Input((None, 3)), layers.GRU(4), penalty, layers.Dense(2)])
        model.compile("adam", "mse", metrics=["mae"])
        made.append(model)
    made[1].set_weights(made[0].get_weights())
    return made[0], made[1]


def test_a_loss_is_what_a_regularizer_of_the_same_value_is() -> None:
    added, regularized = pair()
    for model in (added, regularized):
        model(X)
    np.testing.assert_allclose(added.losses, regularized.losses, rtol=1e-6)
    for run in (
        lambda m: m.evaluate(X, Y, batch_size=3, verbose=0),
        lambda m: m.train_on_batch(X, Y),
        lambda m: m.test_on_batch(X, Y),
        lambda m: list(m.fit(X, Y, batch_size=3, epochs=3, shuffle=False, verbose=0).history.values()),
        lambda m: m.predict(X, verbose=0).ravel(),
    ):
        np.testing.assert_allclose(run(added), run(regularized), rtol=1e-5)
    rows = [row[: 2 + n % 4] for n, row in enumerate(X.astype("float32"))]
    np.testing.assert_allclose(added.evaluate(rows, Y, verbose=0), regularized.evaluate(rows, Y, verbose=0), rtol=1e-5)


@pytest.mark.parametrize("written", written_layers.WITH_LOSSES, ids=lambda written: written.__name__)
def test_gradients_are_those_of_the_loss(written: Any) -> None:
    cellstep.config.set_floatx("float64")
    try:
        model = written(cellstep)
        model(X)
        model.compile("sgd", "mse")
        gradients, _ = model.gradients(X, Y[:, :1])
        for weight in model.trainable_weights:
            value, direction, step = weight.numpy().copy(), RNG.standard_normal(weight.shape), 1e-6
            losses = []
            for sign in (1, -1):
                weight.assign(value + sign * step * direction)
                losses.append(model.gradients(X, Y[:, :1])[1])
            weight.assign(value)
            slope = float(np.sum(gradients[weight.path] * direction))
            np.testing.assert_allclose((losses[0] - losses[1]) / (2 * step), slope, rtol=1e-5, atol=1e-7)
    finally:
        cellstep.config.set_floatx("float32")


def test_a_model_learns_from_added_losses_alone() -> None:
    model = models.Sequential([layers.Input((6, 3)), layers.GRU(4, bias_initializer="ones"), Energy()])
    model.compile(cellstep.optimizers.Adam(0.05))
    history = model.fit(X, epochs=8, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    np.testing.assert_allclose(model.evaluate(X, verbose=0), sum(model.losses), rtol=1e-6)


def test_only_in_training() -> None:
    class Trained(layers.Layer):
        def call(self, x: Any, training: bool = False) -> Any:
            if training:
                self.add_loss(ops.mean(x) + 100.0)
            return x

    model = models.Sequential([layers.Input((6, 3)), layers.GRU(2), Trained()])
    model.compile("sgd", "mse")
    assert model.evaluate(X, Y, verbose=0) < 100 < model.train_on_batch(X, Y)
    model.fit(X, Y, verbose=0, callbacks=[callbacks.LambdaCallback()])
    assert model.evaluate(X, Y, verbose=0) < 100


class Cell(layers.Layer):
    state_size = 3

    def call(self, x: Any, states: Any) -> Any:
        self.add_loss(ops.mean(x))
        return x, [x]


class Outside(layers.Layer):
    def call(self, x: Any) -> Any:
        self.add_loss(0.5)
        return x


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (
            lambda: models.Sequential([layers.Dense(1)], name="net").add_loss(1.0),
            ValueError,
            "add_loss of net must be called from within call, with a tensor, got 1.0",
        ),
        (
            lambda: models.Sequential([layers.Dense(1)], name="net").add_loss(layers.Input((3,))),
            ValueError,
            "add_loss of net must be called from within call, with a tensor, got <SymbolicTensor",
        ),
        (lambda: Outside(name="out")(X), ValueError, "add_loss of out must be called from within call"),
        (lambda: layers.RNN(Cell())(X), NotImplementedError, "add_loss and activity_regularizer are not built within"),
    ],
)
def test_errors(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()


def test_a_loss_is_needed_where_nothing_adds_one() -> None:
    model = models.Sequential([layers.Input((6, 3)), layers.GRU(2), layers.Lambda(lambda v: v * 2)])
    model.compile("sgd")
    with pytest.raises(RuntimeError, match="compile needs a loss"):
        model.fit(X, Y, verbose=0)
    own = written_layers.nested_layers(cellstep)
    own.compile("sgd")
    with pytest.raises(RuntimeError, match="compile needs a loss, or a call of the model's must add one by add_loss"):
        own.fit(X, Y[:, :1], verbose=0)
    assert isinstance(regularizers.get("l2"), regularizers.Regularizer)


def test_rows_that_are_whole_batches_in_models_over_ragged_rows() -> None:
    class Centred(models.Model):
        def __init__(self) -> None:
            super().__init__()
            self.gru = layers.GRU(4)
            self.w = self.add_weight((4, 2), name="w")

        def call(self, x: Any) -> Any:
            h = self.gru(x)
            return (h - ops.mean(h, axis=0)) @ self.w

    model = Centred()
    model.build((None, None, 3))
    rows = [row[: 2 + n % 4] for n, row in enumerate(X.astype("float32"))]
    h = np.concatenate([model.gru(row[None]) for row in rows])
    np.testing.assert_allclose(model.predict(rows, verbose=0), (h - h.mean(0)) @ model.w.numpy(), atol=1e-6)
    model.compile("sgd", "mse")
    assert set(model.gradients(rows, Y)[0]) == {w.path for w in model.weights}
