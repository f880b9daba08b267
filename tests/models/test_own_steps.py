"""Steps that a subclass writes itself: train_step, test_step, predict_step, compute_loss, compute_metrics, metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import Input, Model, layers, losses, math, metrics, optimizers
from cellstep.layers.known_tensor import KnownTensor
from cellstep.utils import unpack_x_y_sample_weight

RNG = np.random.default_rng(3)
X = np.where(RNG.random((10, 4, 1)) < 0.2, 0, RNG.standard_normal((10, 4, 3))).astype("float32")
Y = RNG.standard_normal((10, 4, 2)).astype("float32")
W = RNG.random(10).astype("float32")


class ByGradients(Model):
    def train_step(self, data: Any) -> Any:
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        grads, loss, y_pred = self.gradients(x, y, sample_weight, advance=True, outputs=True)
        self.optimizer.apply(list(grads.values()), self.trainable_weights)
        self.metrics[0].update_state(loss, sample_weight=len(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)


class ByPullback(Model):
    """Keras's loop over metrics; without masks and penalties, which its author would have to add."""

    def train_step(self, data: Any) -> Any:
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred, pullback = self.forward(x, training=True)
        loss, slope = self.loss.value_and_grad(y, y_pred, sample_weight)
        for w in self.trainable_weights:
            w.zero_grad()
        pullback(slope, need_dx=False)
        self.optimizer.apply_gradients([(w.grad, w) for w in self.trainable_weights])
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=len(x))
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


class ByDefault(Model):
    def train_step(self, data: Any) -> Any:
        return super().train_step(data)

    def test_step(self, data: Any) -> Any:
        return super().test_step(data)

    def predict_step(self, data: Any) -> Any:
        return super().predict_step(data)


class BySuper(Model):
    def compute_loss(self, *args: Any, **options: Any) -> Any:
        return super().compute_loss(*args, **options)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return dict(super().compute_metrics(x, y, y_pred, sample_weight))


class Evaluated(Model):
    def test_step(self, data: Any) -> Any:
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        self.metrics[0].update_state(self.compute_loss(x, y, y_pred, sample_weight), sample_weight=len(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)


class Written(Model):
    """As Keras's documentation of compute_loss has it."""

    def compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return math.mean((y_pred - y) ** 2) + math.sum(self.losses)


def net(kind: type[Model], masked: bool, regularizer: Any) -> Model:
    cellstep.set_random_seed(0)
    x = Input((None, 3))
    h = layers.GRU(3, return_sequences=True)(layers.Masking()(x) if masked else x)
    return kind(x, layers.Dense(2, kernel_regularizer=regularizer)(layers.Dropout(0.2, seed=1)(h)))


def trained(kind: type[Model], masked: bool = True, regularizer: Any = "l2", weights: Any = W) -> tuple[Any, Model]:
    model = net(kind, masked, regularizer)
    model.compile(optimizers.SGD(0.1), "mse", metrics=["mae"], weighted_metrics=["mse"])
    history = model.fit(
        X, Y, sample_weight=weights, epochs=2, batch_size=4, verbose=0, validation_data=(X, Y, weights), shuffle=False
    )
    return history.history, model


@pytest.mark.parametrize("kind", [ByGradients, ByDefault, BySuper, Evaluated])
def test_steps_like_the_package_s_train_as_it_does(kind: type[Model]) -> None:
    (history, model), (right, plain) = trained(kind), trained(Model)
    assert history.keys() == right.keys()
    for name, values in right.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-6, err_msg=name)
    for w, v in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_allclose(w.value, v.value, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", [ByPullback, Written])
def test_steps_without_masks(kind: type[Model]) -> None:
    regularizer = None if kind is ByPullback else "l2"
    (history, model), (right, plain) = (trained(k, False, regularizer, None) for k in (kind, Model))
    assert history.keys() == right.keys()
    np.testing.assert_allclose(history["val_loss"], right["val_loss"], rtol=1e-6)
    for w, v in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_allclose(w.value, v.value, rtol=1e-5, atol=1e-7)


def test_a_loss_of_a_model_has_the_right_gradient() -> None:
    seen: list[Any] = []

    class Own(Model):
        def compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool = True) -> Any:
            first, second = y_pred
            assert isinstance(x, np.ndarray)
            assert isinstance(first, KnownTensor)
            assert first.shape == (5, 2)
            loss = math.mean(math.abs(first - y["a"]) ** 3) + math.mean(second * first[:, :1]) * np.float64(0.5)
            loss = loss + 3 * math.sum(self.losses)
            seen.append((float(loss), training))
            return loss

    x = Input((3,), dtype="float64")
    h = layers.Dense(4, "tanh", dtype="float64", kernel_regularizer="l2")(x)
    model = Own(x, [layers.Dense(2, dtype="float64", name="a")(h), layers.Dense(1, dtype="float64", name="b")(h)])
    model.compile(optimizers.SGD(0.1, loss_scale_factor=8.0))
    a, y = RNG.standard_normal((5, 3)), {"a": RNG.standard_normal((5, 2))}
    grads, loss = model.gradients(a, y)
    assert seen == [(loss, True)]
    assert model.evaluate(a, y, verbose=0) == pytest.approx(loss)
    assert seen[-1][1] is False
    weight = model.trainable_weights[0]
    before, step = weight.numpy(), 1e-6
    for place in np.ndindex(weight.shape):
        values = []
        for sign in (1, -1):
            moved = before.copy()
            moved[place] += sign * step
            weight.assign(moved)
            values.append(model.gradients(a, y)[1])
        slope = (values[0] - values[1]) / (2 * step)
        np.testing.assert_allclose(grads[weight.path][place], slope, rtol=1e-5, atol=1e-9)
    weight.assign(before)
    expected = before - 0.1 * grads[weight.path]
    model.train_on_batch(a, y)
    np.testing.assert_allclose(weight.value, expected, rtol=1e-6)


def test_keras_s_example_of_a_loss_tracker() -> None:
    class Tracked(Written):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.tracker = metrics.Mean(name="loss")

        def compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            loss = super().compute_loss(x, y, y_pred, sample_weight)
            self.tracker.update_state(loss)
            return loss

        def reset_metrics(self) -> None:
            self.tracker.reset_state()

        @property
        def metrics(self) -> Any:
            return [self.tracker]

    model = net(Tracked, False, "l2")
    model.compile("sgd")
    history = model.fit(X, Y, epochs=10, verbose=0).history
    assert list(history) == ["loss"]
    assert history["loss"][-1] < history["loss"][0]
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(model.compute_loss(X, Y, model(X)))


def test_names_of_layers_made_later_do_not_depend_on_steps() -> None:
    _, model = trained(Written, False)
    before = layers.Dense(1).name
    model.train_on_batch(X, Y)
    model.fit(X, Y, verbose=0)
    after = layers.Dense(1).name
    assert int(after.rpartition("_")[2]) == int(before.rpartition("_")[2]) + 1
    assert math.mean(Input((3,))).name.rpartition("_")[2] != "999"
    assert len(model.layers[-1].nodes) == 1


def test_logs_of_steps() -> None:
    class Own(Model):
        def train_step(self, data: Any) -> Any:
            return {"b": np.arange(3.0), "a": np.float32(2), "more": {"c": 1}}

        def test_step(self, data: Any) -> Any:
            return {"loss": np.float32(0.5), "a": 7}

        def predict_step(self, data: Any) -> Any:
            assert isinstance(data, np.ndarray)
            return {"double": 2 * data, "first": data[:, 0]}

    x = Input((3,))
    model = Own(x, layers.Dense(1)(x))
    model.compile("sgd")
    seen: list[Any] = []
    watch = cellstep.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs))
    a = np.ones((5, 3))
    history = model.fit(a, a, batch_size=2, verbose=0, validation_data=(a, a), callbacks=[watch]).history
    assert list(history) == ["a", "b", "c", "val_a", "val_loss"]
    assert history["a"] == [2.0]
    assert history["val_loss"] == [0.5]
    np.testing.assert_array_equal(history["b"], [[0, 1, 2]])
    assert len(seen) == 3
    assert list(seen[0]) == ["a", "b", "c"]
    assert model.evaluate(a, a, verbose=0) == [0.5, 7.0]
    assert model.evaluate(a, a, verbose=0, return_dict=True) == {"a": 7.0, "loss": 0.5}
    assert model.test_on_batch(a, a) == [0.5, 7.0]
    assert model.train_on_batch(a, a, return_dict=True)["a"] == 2.0
    found = model.predict(a, batch_size=2, verbose=0)
    assert found["double"].shape == (5, 3)
    assert found["first"].shape == (5,)
    assert set(model.predict_on_batch(a)) == {"double", "first"}
    assert model.predict(a)["first"].shape == (5,)


def test_a_model_of_models_needs_no_outputs_of_its_own() -> None:
    class Pair(Model):
        def __init__(self) -> None:
            super().__init__()
            self.coder = cellstep.Sequential([Input((3,)), layers.Dense(2)])
            self.decoder = cellstep.Sequential([Input((2,)), layers.Dense(3)])

        def train_step(self, data: Any) -> Any:
            code, back = self.coder.forward(data, training=True)
            again, back_again = self.decoder.forward(code, training=True)
            loss, slope = losses.MeanSquaredError().value_and_grad(data, again)
            for w in self.trainable_weights:
                w.zero_grad()
            back(back_again(slope), need_dx=False)
            self.optimizer.apply([w.grad for w in self.trainable_weights], self.trainable_weights)
            return {"loss": loss}

    model = Pair()
    model.compile(optimizers.Adam(0.05))
    history = model.fit(X[:, 0], epochs=30, verbose=0).history["loss"]
    assert history[-1] < history[0] / 2


def test_an_optimizer_may_override_apply() -> None:
    class Halved(optimizers.SGD):
        def apply(self, grads: Any, trainable_variables: Any = ()) -> None:
            super().apply([g / 2 for g in grads], trainable_variables)

    class Pairs(optimizers.SGD):
        def apply_gradients(self, grads_and_vars: Any) -> int:
            return super().apply_gradients([(g / 2, v) for g, v in grads_and_vars])

    found = []
    for optimizer in (optimizers.SGD(0.05), Halved(0.1), Pairs(0.1)):
        model = net(Model, True, None)
        model.compile(optimizer, "mse")
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False)
        found.append(np.concatenate([w.value.ravel() for w in model.weights]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-6)


def test_metrics_that_are_attributes_count_as_in_keras() -> None:
    class Own(Model):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.norm = metrics.Mean(name="norm")

        def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            self.norm.update_state(np.abs(y_pred).max())
            return super().compute_metrics(x, y, y_pred, sample_weight)

    history, model = trained(Own)
    assert set(history) == {p + n for p in ("", "val_") for n in ("loss", "mae", "mse", "norm")}
    assert model.metrics_names == ["loss", "mae", "mse", "norm"]
    model.reset_metrics()
    assert model.norm.count == 0


STEPS: list[tuple[Any, type[Exception], str]] = [
    (lambda self, state, data: {}, NotImplementedError, "Own.train_step must take data alone, as weights change"),
    (lambda self, data: 3.0, TypeError, "Own.train_step must return a dictionary of logs, got float"),
]


@pytest.mark.parametrize(("step", "error", "words"), STEPS)
def test_bad_steps(step: Any, error: type[Exception], words: str) -> None:
    model = net(type("Own", (Model,), {"train_step": step, "__module__": "mine"}), True, None)
    model.compile("sgd", "mse")
    with pytest.raises(error, match=words):
        model.fit(X, Y, verbose=0)


LOSSES: list[tuple[Any, type[Exception], str]] = [
    (lambda y, p: float(np.mean((y - np.asarray(p)) ** 2)), TypeError, "as a float has no gradient"),
    (lambda y, p: (p - y) ** 2, ValueError, r"must return one number, a tensor of shape \(\), got shape \(10, 4, 2\)"),
]


@pytest.mark.parametrize(("loss", "error", "words"), LOSSES)
def test_bad_losses(loss: Any, error: type[Exception], words: str) -> None:
    def compute_loss(self: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
        return loss(y, y_pred)

    model = net(type("Own", (Model,), {"compute_loss": compute_loss, "__module__": "mine"}), True, None)
    model.compile("sgd")
    before = model.get_weights()
    with pytest.raises(error, match=words):
        model.fit(X, Y, verbose=0)
    for w, v in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(w.value, v)


def test_what_goes_with_no_step_of_a_model_s_own_is_refused() -> None:
    model = net(ByGradients, True, None)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"tbptt must be None, as ByGradients.train_step says what a step is"):
        model.fit(X, Y, tbptt=(2, 2), verbose=0)

    class Evaluates(Model):
        def evaluate(self, *args: Any, **options: Any) -> Any:
            return super().evaluate(*args, **options)

    model = net(Evaluates, True, None)
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    with pytest.raises(NotImplementedError, match=r"Evaluates.evaluate would not be called by fit: override test_step"):
        model.fit(X, Y, validation_split=0.5, verbose=0)
    x = Input((None, 3))
    penalized = Written(x, layers.GRU(2, return_sequences=True, activity_regularizer="l2")(x))
    penalized.compile("sgd")
    with pytest.raises(NotImplementedError, match="compute_loss must not be overridden where a layer has an activity"):
        penalized.fit(X, Y, verbose=0)


@pytest.mark.parametrize("kind", [ByGradients, ByDefault, BySuper, Evaluated])
def test_steps_of_one_s_own_over_sequences_of_different_lengths(kind: type[Model]) -> None:
    lengths = (3, 9, 2, 5, 4, 1)
    x = [RNG.standard_normal((n, 3)) for n in lengths]
    y = [RNG.standard_normal((n, 2)) for n in lengths]
    found = []
    for each in (kind, Model):
        model = net(each, False, None)
        model.compile("adam", "mse", metrics=["mae"])
        history = model.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0, validation_data=(x, y)).history
        found.append((history, model.predict(x)))
    for name, values in found[1][0].items():
        np.testing.assert_allclose(found[0][0][name], values, rtol=1e-5, err_msg=name)
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
