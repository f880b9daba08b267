"""Layers of the user's with `call`, as in Keras: traced, with the gradients of inputs and weights by the tracing."""

from __future__ import annotations

import copy
import pickle
import types
from typing import Any

import numpy as np
import pytest
import written_layers

import cellstep
from cellstep import Input, Model, Sequential, layers, ops, saving
from cellstep.models import load_model

RNG = np.random.default_rng(3)
X = RNG.standard_normal((4, 6, 3))
Y = RNG.standard_normal((4, 1))


@pytest.fixture
def float64() -> Any:
    cellstep.backend.set_floatx("float64")
    yield
    cellstep.backend.set_floatx("float32")


@saving.register_keras_serializable("call")
class Attention(layers.Layer):
    """Attention over steps, by weights of its own."""

    def __init__(self, units: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.score = layers.Dense(1, use_bias=False)

    def build(self, input_shape: Any) -> None:
        self.W = self.add_weight(name="W", shape=(input_shape[-1], self.units))

    def call(self, x: Any) -> Any:
        return ops.sum(ops.softmax(self.score(ops.tanh(x @ self.W)), axis=1) * x, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def differences(layer: Any, x: Any, run: Any) -> None:
    """The gradients of a weighted sum of the outputs by x and by all weights, against finite differences."""
    y, pullback = layer.forward(x)
    dy = np.random.default_rng(7).standard_normal(y.shape)
    dx = pullback(dy)
    for array, gradient in [(x, dx), *((w.buffer, w.grad) for w in layer.weights)]:
        for at in list(np.ndindex(array.shape))[::4]:
            old, ends = array[at], []
            for h in (1e-6, -1e-6):
                array[at] = old + h
                [w.touch() for w in layer.weights]
                ends.append((run(x) * dy).sum())
            array[at] = old
            [w.touch() for w in layer.weights]
            np.testing.assert_allclose(gradient[at], (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("written", written_layers.MODELS, ids=lambda written: written.__name__)
def test_gradients(float64: None, written: Any) -> None:
    model = written(cellstep)
    model(X)
    for w in model.weights:
        w.assign(np.random.default_rng(1).uniform(-0.5, 0.5, w.shape))
    x = X.copy()
    differences(model, x, lambda x: model(x))


def test_weights_are_made_once_and_come_before_those_of_layers_inside() -> None:
    layer = Attention()
    y = layer(X)
    assert [w.name for w in layer.weights] == ["W", "kernel"]
    assert y.dtype == np.float32
    layer(X[:2])
    layer.build((None, 6, 3))
    assert len(layer.weights) == 2
    assert layer.built
    assert layer.built_for == (4, 6, 3)
    layer.trainable = False
    assert not layer.trainable_weights
    assert layer.compute_output_shape((None, None, 3)) == (None, 3)


def test_a_build_that_fails_leaves_nothing() -> None:
    class Fails(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(name="w", shape=(2,))
            raise ValueError("no")

        def call(self, x: Any) -> Any:
            return x * self.w

    layer = Fails()
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            layer(X[..., :2])
    assert not layer.weights
    assert not layer.built


def test_call_is_looked_up_when_the_layer_is_called() -> None:
    class Later(layers.Layer):
        pass

    layer, other = Later(), Later()
    with pytest.raises(NotImplementedError, match=r"Later must write call\(x, \.\.\.\)"):
        layer(X)
    Later.call = lambda self, x: 2 * x  # type: ignore[method-assign, assignment]
    np.testing.assert_allclose(layer(X), 2 * X, rtol=1e-6)
    other.call = types.MethodType(lambda self, x: 3 * x, other)  # type: ignore[method-assign]
    np.testing.assert_allclose(other(X), 3 * X, rtol=1e-6)
    y, pullback = other.forward(X)
    np.testing.assert_array_equal(pullback(np.ones_like(y)), np.full(X.shape, 3))
    Later.call = lambda self, x: 4 * x  # type: ignore[method-assign, assignment]
    np.testing.assert_allclose(layer(X), 4 * X, rtol=1e-6)

    class LaterModel(Model):
        def __init__(self) -> None:
            super().__init__()
            self.head = layers.Dense(1, use_bias=False)

    model = LaterModel()
    LaterModel.call = lambda self, x: self.head(x[:, -1])  # type: ignore[method-assign, assignment]
    assert model(X).shape == (4, 1)
    model.compile("sgd", "mse")
    assert model.fit(X, Y, verbose=0).history["loss"]


def test_a_change_of_the_layer_is_seen() -> None:
    class Power(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.n, self.inner = 2, layers.Activation("relu")

        def call(self, x: Any) -> Any:
            return self.inner(x) ** self.n

    layer = Power()
    np.testing.assert_allclose(layer(X), np.maximum(X, 0) ** 2, rtol=1e-5)
    layer.n = 3
    np.testing.assert_allclose(layer(X), np.maximum(X, 0) ** 3, rtol=1e-5)
    layer.inner = layers.Activation("linear")
    np.testing.assert_allclose(layer(X), X**3, rtol=1e-5)


def test_training_and_other_arguments() -> None:
    class Scale(layers.Layer):
        def call(self, x: Any, by: float = 1.0, training: Any = None, plus: Any = None) -> Any:
            x = x * by if training else x
            return x if plus is None else x + plus

    layer = Scale()
    np.testing.assert_array_equal(layer(X, 2.0), X.astype("f"))
    np.testing.assert_array_equal(layer(X, by=2.0, training=True), 2 * X.astype("f"))
    np.testing.assert_allclose(layer(X, plus=X), 2 * X, rtol=1e-6)
    x, z = Input((6, 3)), Input((6, 3))
    model = Model([x, z], layer(x, by=3.0, plus=z))
    np.testing.assert_allclose(model([X, X]), 2 * X, rtol=1e-6)
    y, pullback = model.forward([X, X], training=True)
    np.testing.assert_allclose(y, 4 * X, rtol=1e-6)
    dx, dz = pullback(np.ones_like(y))
    assert (dx == 3).all()
    assert (dz == 1).all()
    again = Model.from_config(model.get_config(), {"Scale": Scale})
    np.testing.assert_array_equal(again([X, X], training=True), y)


def test_steps_and_rows_are_open_where_call_does_not_ask() -> None:
    seen = []

    class Sums(layers.Layer):
        def call(self, x: Any) -> Any:
            seen.append(x.shape)
            total = x[:, 0]
            for t in range(1, x.shape[1]):
                total = total + x[:, t]
            return total

    class Rows(layers.Layer):
        def call(self, x: Any) -> Any:
            return x + np.arange(x.shape[0]).reshape(-1, 1, 1)

    class Open(layers.Layer):
        def call(self, x: Any) -> Any:
            seen.append(x.shape)
            return ops.sum(x, axis=1)

    layer = Open()
    for steps in (6, 2, 3):
        np.testing.assert_allclose(layer(X[:2, :steps]), X[:2, :steps].sum(1), atol=1e-6)
    assert seen == [(None, None, 3)]
    seen.clear()
    layer = Sums()
    for steps in (6, 2, 6):
        np.testing.assert_allclose(layer(X[:2, :steps]), X[:2, :steps].sum(1), atol=1e-6)
    assert seen == [(None, None, 3), (None, 6, 3), (None, 2, 3)]
    rows = Rows()
    for n in (4, 2):
        np.testing.assert_allclose(rows(X[:n]), X[:n] + np.arange(n).reshape(-1, 1, 1), rtol=1e-6)
    x = Input((6, 3))
    assert Model(x, rows(x)).output_shape == (None, 6, 3)


def test_files_copies_and_threads(tmp_path: Any) -> None:
    model = Sequential([Input((6, 3)), layers.Bidirectional(layers.LSTM(2, return_sequences=True)), Attention(3)])
    model.compile("adam", "mse")
    model.fit(X, np.zeros((4, 4)), verbose=0)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    again = load_model(tmp_path / "model.keras")
    other = Sequential.from_config(model.get_config())
    other.load_weights(tmp_path / "model.weights.h5")
    for one in (again, other, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(one.predict(X, verbose=0), model.predict(X, verbose=0))


@saving.register_keras_serializable("call")
def doubled(v: Any) -> Any:
    return 2 * ops.tanh(v)


FUNCTIONS: dict[str, Any] = {
    "lambda": lambda v: v * ops.sigmoid(v),
    "named": doubled,
    "numpy's": np.tanh,
    "layer": layers.LeakyReLU(0.1, dtype="float64"),
    "ours": cellstep.activations.tanh,
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=list(FUNCTIONS))
@pytest.mark.parametrize(
    "make",
    [
        lambda f: layers.Dense(3, activation=f),
        lambda f: layers.Activation(f),
        lambda f: layers.GRU(3, activation=f, recurrent_activation="sigmoid", return_sequences=True),
        lambda f: layers.Conv1D(2, 2, activation=f),
        lambda f: layers.Lambda(f),
        lambda f: layers.Lambda(lambda x: ops.sum(f(x) * f(x[:, :1]), axis=1)),
    ],
    ids=["Dense", "Activation", "GRU", "Conv1D", "Lambda", "inside Lambda"],
)
def test_functions_of_tensors(float64: None, function: Any, make: Any) -> None:
    layer = make(function)
    x = X.copy()
    layer(x)
    differences(layer, x, lambda x: layer(x))


def test_configurations_of_functions() -> None:
    for function, written in (
        (doubled, {"class_name": "function", "registered_name": "call>doubled"}),
        (layers.LeakyReLU(0.1), {"class_name": "LeakyReLU", "registered_name": None}),
    ):
        layer = layers.Dense(3, activation=function)
        y = layer(X)
        config = layer.get_config()
        assert written.items() <= config["activation"].items()
        again = layers.Dense.from_config(config)
        again.build(X.shape)
        again.set_weights(layer.get_weights())
        np.testing.assert_array_equal(again(X), y)
    with pytest.raises(TypeError, match="activation must be registered to be saved"):
        layers.Dense(3, activation=lambda v: v).get_config()


def test_lambda_of_several_and_of_numpy() -> None:
    a, b = Input((3,)), Input((3,))
    distance = layers.Lambda(lambda t: ops.sqrt(ops.sum(ops.square(t[0] - t[1]), axis=1, keepdims=True)))
    model = Model([a, b], distance([a, b]))
    x, z = X[:, 0], X[:, 1]
    assert model.output_shape == (None, 1)
    np.testing.assert_allclose(model([x, z]), np.linalg.norm(x - z, axis=1, keepdims=True), rtol=1e-5)
    y, pullback = model.forward([x, z])
    dx, dz = pullback(np.ones_like(y))
    np.testing.assert_allclose(dx, (x - z) / y, rtol=1e-4)
    np.testing.assert_array_equal(dx, -dz)
    by_numpy = layers.Lambda(lambda t: np.sort(t, axis=-1))
    y, pullback = by_numpy.forward(X)
    np.testing.assert_array_equal(y, np.sort(X.astype("f")))
    with pytest.raises(NotImplementedError, match=r"needs pullback, .* or write its function with operators and funct"):
        pullback(y)


def test_models_with_several_arguments() -> None:
    class Decoder(Model):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = layers.GRUCell(3), layers.Dense(3)

        def call(self, x: Any, encoded: Any, state: Any = None) -> Any:
            y, (state,) = self.cell(x, [state])
            return self.head(ops.concatenate([y, ops.mean(encoded, axis=1)], axis=-1)), state

    class Whole(Model):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = layers.GRU(3, return_sequences=True, return_state=True), Decoder()

        def call(self, x: Any) -> Any:
            encoded, state = self.encoder(x)
            y, outputs = x[:, -1], []
            for _ in range(2):
                y, state = self.decoder(y, encoded, state=state)
                outputs.append(y)
            return ops.stack(outputs, axis=1)

    model = Whole()
    model.compile("sgd", "mse")
    assert model.fit(X, X[:, :2], verbose=0).history["loss"]
    assert len(model.weights) == 8
    encoded, state = model.encoder(X)
    y, state = model.decoder(X[:, -1], encoded, state)
    np.testing.assert_allclose(model(X)[:, 0], y, rtol=1e-5, atol=1e-6)


def test_variables_in_attributes_are_weights() -> None:
    class Scale(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.count = cellstep.Variable(np.zeros(1, "float32"), trainable=False, name="count")
            self.factor = cellstep.Variable(np.full(3, 2, "float32"), name="factor")

        def call(self, x: Any) -> Any:
            return x * self.factor.value + self.count

    layer = Scale()
    y, pullback = layer.forward(X)
    pullback(np.ones_like(y))
    assert [w.name for w in layer.weights] == ["factor", "count"]
    np.testing.assert_allclose(layer.factor.grad, X.sum((0, 1)), rtol=1e-5)


@pytest.mark.parametrize("words", [(1, 2), (1, 3)])
def test_integers_stay_integers(words: tuple[int, int]) -> None:
    class Hot(layers.Layer):
        def call(self, x: Any) -> Any:
            return ops.one_hot(x, 4)

    ids = np.array([words])
    np.testing.assert_array_equal(Hot()(ids), np.eye(4)[ids])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda self, x: x * np.asarray(self.w), "Own.call of own .*Weight|<SymbolicTensor w"),
        (lambda self, x: x * self.w.numpy(), "use it in operators and functions of cellstep.ops, and assign it in"),
        (lambda self, x: self.w.assign(x) or x, "use it in operators and functions of cellstep.ops, and assign it in"),
        (lambda self, x: self.w.assign([1.0]) or x, "use it in operators"),
        (lambda self, x: None, "what Own.call of own returns must be symbolic tensors.*got NoneType"),
        (lambda self, x: np.zeros(3), "what Own.call of own returns must be symbolic tensors.*got ndarray"),
        (lambda self: 3, "Own.call must take the inputs, as call.self, x. does, got no parameters"),
        (lambda self, x: [v for v in x], "is one tensor, and cannot be unpacked"),
    ],
)
def test_what_cannot_be_traced_says_so(call: Any, words: str) -> None:
    def build(self: Any, input_shape: Any) -> None:
        self.w = self.add_weight(name="w", shape=(1,))

    kind = type("Own", (layers.Layer,), {"call": call, "build": build})
    with pytest.raises(TypeError, match=words):
        kind(name="own")(X)


def test_a_stream_says_that_it_has_no_step() -> None:
    model = Sequential([Input((None, 3)), layers.GRU(2, return_sequences=True), Attention()])
    with pytest.raises(NotImplementedError, match="cannot be streamed, as Attention has no step for streams"):
        model.stream()


def test_call_that_is_attached_to_a_class_later() -> None:
    class Wide(layers.Dense):
        pass

    before = Wide(3)
    np.testing.assert_allclose(before(X), X @ before.kernel.numpy(), rtol=1e-5, atol=1e-6)

    def call(self: Any, x: Any) -> Any:
        return 2 * layers.Dense.call(self, x)

    Wide.call = call  # type: ignore[method-assign]
    layer = Wide(3)
    np.testing.assert_allclose(layer(X), 2 * (X @ layer.kernel.numpy()), rtol=1e-5, atol=1e-6)
