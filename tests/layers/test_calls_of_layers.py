"""How layers with `call` are called: sizes that they ask for, `super().call`, arguments, and masks by name."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import Input, Model, Sequential, layers, ops
from cellstep.layers import Layer

RNG = np.random.default_rng(5)
X = RNG.standard_normal((4, 6, 3)).astype("float32")
IDS = RNG.integers(0, 5, (4, 6))


def of_call(call: Any, base: Any = Layer, **attributes: Any) -> Any:
    return type("Own", (base,), {"call": call, "__module__": "mine", **attributes})


def by_unpacking(self: Any, x: Any) -> Any:
    batch, steps, features = x.shape
    return ops.reshape(x, (batch, steps * features))


SIZES: dict[str, Any] = {
    "equal": (lambda self, x: x * 2 if x.shape[1] == 6 else x, lambda a: a * 2 if a.shape[1] == 6 else a),
    "not equal": (lambda self, x: x * 2 if x.shape[1] != 6 else x, lambda a: a * 2 if a.shape[1] != 6 else a),
    "greater": (lambda self, x: x * 2 if x.shape[1] > 3 else x, lambda a: a * 2 if a.shape[1] > 3 else a),
    "truth": (lambda self, x: x * 2 if x.shape[1] else x, lambda a: a * 2),
    "or": (lambda self, x: ops.reshape(x, (-1, (x.shape[1] or 1) * 3)), lambda a: a.reshape(len(a), -1)),
    "is None": (lambda self, x: x if x.shape[1] is None else x * 2, lambda a: a * 2),
    "among": (lambda self, x: x * 2 if x.shape[1] in (5, 6) else x, lambda a: a * 2 if a.shape[1] in (5, 6) else a),
    "a key": (lambda self, x: x * {6: 2.0}.get(x.shape[1], 1.0), lambda a: a * 2 if a.shape[1] == 6 else a),
    "rows": (lambda self, x: x * 2 if x.shape[0] == 1 else x, lambda a: a * 2 if len(a) == 1 else a),
    "shapes": (lambda self, x: x * 2 if x.shape == (x * 2).shape else x, lambda a: a * 2),
    "inside": (lambda self, x: x * 2 if (x + 1)[:, 1:].shape[1] == 5 else x, lambda a: a * (1 + (a.shape[1] == 6))),
    "half": (lambda self, x: x[:, : x.shape[1] // 2], lambda a: a[:, : a.shape[1] // 2]),
    "range": (lambda self, x: sum(x[:, t] for t in range(x.shape[1])), lambda a: a.sum(1)),
    "divided": (lambda self, x: ops.sum(x, axis=1) / x.shape[1], lambda a: a.mean(1)),
    "unpacked": (by_unpacking, lambda a: a.reshape(len(a), -1)),
    "numpy's": (lambda self, x: x + np.ones(x.shape, "float32"), lambda a: a + 1),
    "zeros": (lambda self, x: x + ops.ones(x.shape), lambda a: a + 1),
}


@pytest.mark.parametrize(("call", "wanted"), SIZES.values(), ids=list(SIZES))
@pytest.mark.parametrize("base", [Layer, Model, layers.Lambda])
def test_sizes_that_are_asked_for_are_known(call: Any, wanted: Any, base: Any) -> None:
    layer = layers.Lambda(lambda x: call(None, x)) if base is layers.Lambda else of_call(call, base)()
    for array in (X, X[:, :5], X[:1], X[:2, :3], X):
        np.testing.assert_allclose(layer(array), wanted(array), rtol=1e-5, atol=1e-6)


def test_an_open_axis_is_none_in_a_shape_once_the_trace_is_over() -> None:
    seen: list[Any] = []
    of_call(lambda self, x: seen.append(x.shape) or x * 2)()(X)
    assert seen == [(None, None, 3)]
    assert repr(seen[0]) == "(None, None, 3)"


def scaled(base: Any) -> Any:
    """A class over one of the package that gives twice the outputs."""

    def call(self: Any, inputs: Any, mask: Any = None, training: bool = False) -> Any:
        options = {} if base in (layers.Dense, layers.Embedding, layers.Conv1D) else {"mask": mask}
        y = base.call(self, inputs, **options, training=training)
        return [2 * part for part in y] if isinstance(y, list | tuple) else 2 * y

    return of_call(call, base)


LAYERS: dict[str, Any] = {
    "Dense": (layers.Dense, lambda make: make(2), X),
    "LSTM": (layers.LSTM, lambda make: make(2, return_sequences=True), X),
    "GRU": (layers.GRU, lambda make: make(2, return_state=True), X),
    "RNN": (layers.RNN, lambda make: make(layers.SimpleRNNCell(2)), X),
    "Bidirectional": (layers.Bidirectional, lambda make: make(layers.LSTM(2)), X),
    "Embedding": (layers.Embedding, lambda make: make(5, 2), IDS),
    "Conv1D": (layers.Conv1D, lambda make: make(2, 2), X),
    "BatchNormalization": (layers.BatchNormalization, lambda make: make(), X),
    "LayerNormalization": (layers.LayerNormalization, lambda make: make(), X),
    "TimeDistributed": (layers.TimeDistributed, lambda make: make(layers.Dense(2)), X),
}


@pytest.mark.parametrize(("base", "make", "x"), LAYERS.values(), ids=list(LAYERS))
def test_super_call_gives_what_the_layer_of_the_package_gives(base: Any, make: Any, x: Any) -> None:
    with cellstep.utils.custom_object_scope({"Own": scaled(base)}):
        plain, own = make(base), make(scaled(base))
    plain.build(x.shape), own.build(x.shape)
    assert [w.name for w in own.weights] == [w.name for w in plain.weights]
    weights = [RNG.uniform(0.1, 0.9, w.shape) for w in plain.weights]
    mask = np.arange(6) < np.array([6, 3, 1, 6])[:, None]
    options = {"mask": mask} if base in (layers.LSTM, layers.GRU, layers.RNN, layers.Bidirectional) else {}
    results: list[Any] = []
    for layer, factor in ((plain, 2.0), (own, 1.0)):
        layer.set_weights(weights)
        y, pullback = layer.forward(x, training=True, **options)
        outputs = y if isinstance(y, list | tuple) else [y]
        dy = [np.full_like(a, factor) for a in outputs]
        dx = pullback(dy if isinstance(y, list | tuple) else dy[0])
        grads = [w.grad for w in layer.weights if w.trainable]
        results.append([*(factor * a for a in outputs), *([] if dx is None else [dx]), *grads, *layer.get_weights()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
    shape = x.shape
    assert own.compute_output_shape(shape) == plain.compute_output_shape(shape)


def test_a_class_over_a_layer_of_the_package_in_models(tmp_path: Any) -> None:
    class Penalized(layers.Dense):
        def call(self, inputs: Any) -> Any:
            return super().call(inputs) * 2

    def a_model() -> Any:
        own = Penalized(2, activity_regularizer="l1", kernel_regularizer="l2")
        return Sequential([Input((None, 3)), layers.Masking(), own, layers.GRU(2), layers.Dense(1)])

    model = a_model()
    model.compile("sgd", "mse")
    loss = model.evaluate(X, np.zeros((4, 1)), verbose=0)
    own = model.layers[1]
    y = 2 * (X @ own.kernel.numpy())
    penalties = 0.01 * np.abs(y).sum() / 4 + 0.01 * (own.kernel.numpy() ** 2).sum()
    np.testing.assert_allclose(loss, (model.predict(X, verbose=0) ** 2).mean() + penalties, rtol=1e-5)
    before = own.kernel.numpy()
    np.testing.assert_allclose(model.train_on_batch(X, np.zeros((4, 1))), loss, rtol=1e-6)
    assert (own.kernel.numpy() != before).any()
    model.save(tmp_path / "model.keras")
    again = cellstep.models.load_model(tmp_path / "model.keras", {"Penalized": Penalized})
    np.testing.assert_array_equal(again(X), model(X))
    padded = np.concatenate([X[:, :3], np.zeros((4, 3, 3), "float32")], axis=1)
    np.testing.assert_allclose(model(padded), model(X[:, :3]), atol=1e-6)  # the mask goes on to the GRU


def test_layer_call_computes_nothing() -> None:
    class Own(Layer):
        def call(self, x: Any) -> Any:
            return super().call(x)

    with pytest.raises(NotImplementedError, match=r"Layer.call computes nothing: Own.call must say what"):
        Own()(X)


def test_arguments_by_place_and_by_name() -> None:
    class Two(Layer):
        def call(self, query: Any, value: Any, *, by: float = 1.0) -> Any:
            return query + by * value

    layer, x, z = Two(), Input((6, 3)), Input((6, 3))
    for y in (
        layer(X, X, by=2.0),
        layer(query=X, value=X, by=2.0),
        layer(X, value=X, by=2.0),
        Model([x, z], layer(query=x, value=z, by=2.0))([X, X]),
    ):
        np.testing.assert_allclose(y, 3 * X, rtol=1e-6)
    by_star = of_call(lambda self, *inputs, **options: inputs[0] * options.get("by", 1))()
    np.testing.assert_array_equal(by_star(X, by=2), 2 * X)
    for arguments, options, words in (
        ((X, X, X), {}, r"Two.call takes query, value by position, got 3 arguments"),
        ((X, X), {"value": X}, r"takes query, value by position, got 2 arguments and value=\.\.\."),
        ((), {"value": X}, r"own must be called with query, got value"),
        ((), {}, r"own must be called with query, got nothing"),
    ):
        with pytest.raises(TypeError, match=words):
            Two(name="own")(*arguments, **options)
    with pytest.raises(TypeError, match="head must be called with x, got nothing"):
        layers.Dense(1, name="head")()


def test_masks_of_several_arguments() -> None:
    seen: list[Any] = []

    class Cross(Layer):
        supports_masking = True

        def call(self, query: Any, value: Any, mask: Any = None, query_mask: Any = None, value_mask: Any = None) -> Any:
            seen.append([mask is not None, query_mask is not None, value_mask is not None])
            weights = 1.0 if value_mask is None else ops.cast(value_mask, "float32")[..., None]
            return query + ops.sum(value * weights, axis=1, keepdims=True)

    x, z = Input((6, 3)), Input((6, 3))
    masked = X.copy()
    masked[:, 4:] = 0
    shifted = layers.Lambda(lambda t: t + 1.0, mask=lambda x, mask: mask)
    value = shifted(layers.Masking()(z))
    model = Model([x, z], Cross()(x, value))
    np.testing.assert_allclose(model([X, masked]), X + (masked + 1)[:, :4].sum(1, keepdims=True), rtol=1e-5)
    assert seen[-1] == [False, False, True]
    model = Model([x, z], Cross()(value, x))
    model([X, masked])
    assert seen[-1] == [False, True, False]
    y, pullback = Model([x, z], Cross()(value, value)).forward([X, masked])
    assert seen[-1] == [False, True, True]
    np.testing.assert_allclose(pullback(np.ones_like(y))[1][:, 3:5, 0], [[7, 0]] * 4, rtol=1e-6)


def test_what_is_traced_is_not_kept_by_the_layers_inside() -> None:
    class Loop(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layers.Dense(3)

        def call(self, x: Any) -> Any:
            return sum(self.inner(x[:, t]) for t in range(x.shape[1]))

    layer = Loop()
    for steps in range(1, 5):
        layer(X[:, :steps])
    assert not layer.inner.nodes
    model = Sequential([Input((None, 3)), layer])
    model.compile("sgd", "mse")
    for _ in range(10):
        model.train_on_batch(X, X[:, 0])
        model.predict_on_batch(X)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(100):
        model.train_on_batch(X, X[:, 0])
        model.predict_on_batch(X)
    gc.collect()
    assert len(gc.get_objects()) - before < 50


def test_layers_and_variables_in_a_class_over_one_of_the_package(tmp_path: Any) -> None:
    class Normed(layers.Dense):
        def __init__(self, units: int, **options: Any) -> None:
            super().__init__(units, **options)
            self.norm = layers.LayerNormalization()
            self.gain = cellstep.Variable(np.ones(units, "float32"), name="gain")

        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            self.extra = self.add_weight(shape=(self.units,), name="extra", initializer="ones")

        def call(self, inputs: Any) -> Any:
            return self.norm(super().call(inputs)) * self.gain * self.extra

    model = Sequential([Input((6, 3)), Normed(2), layers.GRU(1)])
    own = model.layers[0]
    assert [w.name for w in own.weights] == ["gain", "kernel", "bias", "extra", "gamma", "beta"]
    before = own.get_weights()
    model.compile("sgd", "mse")
    model.fit(X, np.ones((4, 1)), verbose=0)
    assert all((a != b).any() for a, b in zip(own.get_weights(), before, strict=True))
    model.save_weights(tmp_path / "model.weights.h5")
    again = Sequential([Input((6, 3)), Normed(2), layers.GRU(1)])
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(again(X), model(X))


def test_a_class_over_lstm_with_states_and_in_bidirectional(tmp_path: Any) -> None:
    @cellstep.saving.register_keras_serializable("calls")
    class Twice(layers.LSTM):
        def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
            return 2 * super().call(sequences, initial_state=initial_state, mask=mask, training=training)

    own, plain = Twice(2), layers.LSTM(2)
    own.build(X.shape), plain.build(X.shape)
    plain.set_weights(own.get_weights())
    states = [np.full((4, 2), 0.5, "float32"), np.full((4, 2), -0.5, "float32")]
    np.testing.assert_allclose(own(X, initial_state=states), 2 * plain(X, initial_state=states), rtol=1e-6)
    x, h, c = Input((6, 3)), Input((2,)), Input((2,))
    model = Model([x, h, c], own(x, initial_state=[h, c]))
    np.testing.assert_allclose(model([X, *states]), 2 * plain(X, initial_state=states), rtol=1e-6)
    mask = np.arange(6) < np.array([6, 3, 1, 6])[:, None]
    both, wanted = layers.Bidirectional(Twice(2)), layers.Bidirectional(layers.LSTM(2))
    both.build(X.shape), wanted.build(X.shape)
    wanted.set_weights(both.get_weights())
    np.testing.assert_allclose(both(X, mask=mask), 2 * wanted(X, mask=mask), rtol=1e-6)
    model = Sequential([Input((6, 3)), layers.Bidirectional(Twice(2))])
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(cellstep.models.load_model(tmp_path / "model.keras")(X), model(X))
    parts = Twice(2, stateful=True)
    parts.build(X.shape)
    parts.set_weights(own.get_weights())
    np.testing.assert_allclose([parts(X[:, :3]), parts(X[:, 3:])][1], own(X), rtol=1e-5)


def test_losses_and_activations_that_ask_for_rows() -> None:
    def scaled(y_true: Any, y_pred: Any) -> Any:
        return ops.sum(ops.square(y_true - y_pred)) / y_pred.shape[0] * (2.0 if y_pred.shape[0] == 4 else 1.0)

    model = Sequential([Input((6, 3)), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", scaled)
    for rows, factor in ((4, 2.0), (3, 1.0), (4, 2.0)):
        y = model.predict(X[:rows], verbose=0)
        loss = model.evaluate(X[:rows], np.zeros((rows, 1)), verbose=0, batch_size=4)
        np.testing.assert_allclose(loss, factor * (y**2).mean(), rtol=1e-5)
    kernel = model.layers[1].kernel.numpy()
    slope = 2 * 2 * X.reshape(4, -1).T @ model.predict(X, verbose=0) / 4
    model.train_on_batch(X, np.zeros((4, 1)))
    np.testing.assert_allclose(kernel - model.layers[1].kernel.numpy(), 0.01 * slope, rtol=1e-3, atol=1e-6)
    layer = layers.Dense(2, use_bias=False, activation=lambda v: v * 2 if v.shape[0] == 4 else v)
    for rows, factor in ((4, 2), (3, 1)):
        y = layer(X[:rows, 0])
        np.testing.assert_allclose(y, factor * X[:rows, 0] @ layer.kernel.numpy(), rtol=1e-5)


def test_super_call_of_models_says_what_to_write() -> None:
    words = r"Own.call cannot use super\(\).call: keep the layers as attributes"
    x = Input((6, 3))
    for base, arguments in ((Sequential, [[layers.Dense(2)]]), (Model, [x, layers.Dense(2)(x)]), (Model, [])):
        kind = of_call(lambda self, x, base=base: base.call(self, x) * 2, base)
        with pytest.raises(NotImplementedError, match=words):
            kind(*arguments)(X)


def test_a_call_that_needs_its_masks() -> None:
    class Needs(Layer):
        def call(self, x: Any, mask: Any = None) -> Any:
            weights = ops.cast(mask, "float32")[..., None]
            return ops.sum(x * weights, axis=1) / ops.cast(mask.shape[1], "float32")

    class Cross(Layer):
        def call(self, query: Any, value: Any, value_mask: Any = None) -> Any:
            return query + ops.sum(value * ops.cast(value_mask, "float32")[..., None], axis=1, keepdims=True)

    masked = X.copy()
    masked[:, 4:] = 0
    with pytest.warns(UserWarning, match="ends the mask"):
        y = Sequential([Input((None, 3)), layers.Masking(), Needs()])(masked)
    np.testing.assert_allclose(y, masked.sum(1) / 6, rtol=1e-5, atol=1e-6)
    x = Input((6, 3))
    model = Model(x, Cross()(x, layers.Masking()(x)))
    assert model.output_shape == (None, 6, 3)
    np.testing.assert_allclose(model(masked), masked + masked.sum(1, keepdims=True), rtol=1e-5, atol=1e-6)

    class Fails(Layer):
        def call(self, x: Any, mask: Any = None) -> Any:
            raise ValueError("in its own words")

    with pytest.raises(ValueError, match="in its own words"):
        Fails()(x)


class Squared(layers.Dense):
    """What the layer beneath gives, twice."""

    def __init__(self, units: int) -> None:
        super().__init__(units, activation="tanh", dtype="float64")
        self.norm = layers.LayerNormalization(dtype="float64")

    def call(self, inputs: Any) -> Any:
        return self.norm(super().call(inputs)) * super().call(inputs)


class Started(layers.GRU):
    """First states from the inputs."""

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        y, h = super().call(sequences, initial_state=[ops.tanh(sequences[:, 0, :2])])
        return y * h[:, None] / sequences.shape[1]


class Both(layers.Bidirectional):
    """Over itself."""

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        return super().call(super().call(sequences))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Squared(3),
        lambda: Started(2, return_sequences=True, return_state=True, dtype="float64"),
        lambda: Both(layers.LSTM(3, return_sequences=True, dtype="float64"), merge_mode="sum", dtype="float64"),
    ],
    ids=["Dense", "GRU", "Bidirectional"],
)
def test_gradients_through_super_call(make: Any) -> None:
    layer, x = make(), RNG.standard_normal((2, 3, 3))
    y, pullback = layer.forward(x)
    dy = RNG.standard_normal(y.shape)
    dx = pullback(dy)
    for array, gradient in [(x, dx), *((w.buffer, w.grad.copy()) for w in layer.weights)]:
        for at in list(np.ndindex(array.shape))[::5]:
            old, ends = array[at], []
            for value in (old + 1e-6, old - 1e-6, old):
                array[at] = value
                for w in layer.weights:
                    w.touch()
                ends.append((layer(x) * dy).sum())
            np.testing.assert_allclose(gradient[at], (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-7)


class CrossAttention(layers.Layer):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.attention = layers.MultiHeadAttention(1, 3)

    def call(self, x: Any, context: Any) -> Any:
        return self.attention(query=x, value=context)


def test_layers_inside_see_the_masks_of_all_inputs() -> None:
    x, words = Input((None, 2)), Input((None,), dtype="int32")
    model = Model([x, words], CrossAttention()(x, layers.Embedding(5, 2, mask_zero=True)(words)))
    data, ids = np.ones((2, 3, 2), "float32"), np.array([[1, 2, 0, 0], [3, 4, 0, 0]])
    np.testing.assert_allclose(
        model.predict([data, ids], verbose=0), model.predict([data, ids[:, :2]], verbose=0), 1e-6
    )
    ids[:, 2:] = 1  # which is no padding
    assert np.abs(model.predict([data, ids], verbose=0) - model.predict([data, ids[:, :2]], verbose=0)).max() > 1e-4
