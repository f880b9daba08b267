"""Subclasses of Model: `call` composed of layers, `forward` by hand; layers found in attributes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, Sequential, layers
from cellstep.layers import GRU, LSTM, Dense, Dropout, Embedding, tracer
from cellstep.models import clone_model, load_model

RNG = np.random.default_rng(4)
X = RNG.standard_normal((6, 5, 2))
Y = RNG.standard_normal((6, 1))
TOKENS = RNG.integers(0, 7, (6, 5))


class Tagger(Model):
    """Composes layers as in Keras."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed = Embedding(7, 3, mask_zero=True, dtype="float64")
        self.stack = [GRU(4, return_sequences=True, dtype="float64"), GRU(3, dtype="float64")]
        self.heads = {"one": Dense(1, dtype="float64")}
        self.dropout = Dropout(dropout, seed=3)
        self.note = "no layer"

    def call(self, x: Any, training: Any = None) -> Any:
        x = self.embed(x)
        for layer in self.stack:
            x = layer(x)
        if training:
            x = self.dropout(x)
        return self.heads["one"](x)


class ByHand(Model):
    """Two passes of one layer, put together with NumPy."""

    def __init__(self) -> None:
        super().__init__(name="by_hand")
        self.rnn, self.head = LSTM(3, dtype="float64"), Dense(1, dtype="float64")

    def forward(self, x: Any, training: bool = False) -> Any:
        there, back_there = self.rnn.forward(x)
        back, back_back = self.rnn.forward(x[:, ::-1])
        y, back_head = self.head.forward(there * back)

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            d = back_head(dy)
            dx = back_there(d * back, need_dx=need_dx), back_back(d * there, need_dx=need_dx)
            return dx[0] + dx[1][:, ::-1] if need_dx else None

        return y, pullback


class Two(Model):
    """Several inputs and outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Dense(2, name="a"), Dense(3, name="b")

    def call(self, inputs: Any) -> Any:
        return {"left": self.a(inputs["x"]), "right": self.b(inputs["z"])}


def differences(net: Any, x: Any, y: Any) -> None:
    grads, loss = net.gradients(x, y)
    assert set(grads) == {w.path for w in net.weights}
    for w in net.weights:
        for at in list(np.ndindex(w.shape))[::3]:
            old, ends = w.buffer[at], []
            for h in (1e-6, -1e-6):
                w.buffer[at] = old + h
                w.touch()
                ends.append(net.test_on_batch(x, y))
            w.buffer[at] = old
            w.touch()
            np.testing.assert_allclose(grads[w.path][at], (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(loss, net.test_on_batch(x, y))


@pytest.mark.parametrize(("make", "x"), [(Tagger, TOKENS), (ByHand, X)])
def test_gradients(make: Any, x: Any) -> None:
    net = make()
    net.compile("sgd", "mse")
    net(x)
    for w in net.weights:
        w.assign(w.numpy() + 0.1 * RNG.standard_normal(w.shape))
    differences(net, x, Y)


def test_call_gives_what_its_layers_give() -> None:
    net = Tagger()
    y = net(TOKENS)
    e = net.embed(TOKENS)
    mask = TOKENS != 0
    np.testing.assert_allclose(y, net.heads["one"](net.stack[1](net.stack[0](e, mask=mask), mask=mask)), rtol=1e-12)
    assert [layer.name for layer in net.layers] == [
        layer.name for layer in (net.embed, *net.stack, net.heads["one"], net.dropout)
    ]
    assert len(net.weights) == 1 + 3 + 3 + 2
    assert net(TOKENS[:2, :3]).shape == (2, 1)
    assert net.input_names
    net.summary(print_fn=lambda text: None)
    net.trainable = False
    assert not net.trainable_weights


def test_call_is_told_of_training() -> None:
    net = Tagger(0.9)
    net(TOKENS)
    assert not np.allclose(net(TOKENS, training=True), net(TOKENS))


@pytest.mark.parametrize(("make", "x"), [(Tagger, TOKENS), (ByHand, X)])
def test_fit_evaluate_predict(make: Any, x: Any) -> None:
    net = make()
    net.compile("adam", "mse", metrics=["mae"])
    first = net.fit(x, Y, epochs=20, batch_size=3, verbose=0, validation_split=0.5).history["loss"]
    assert first[-1] < first[0]
    assert net.predict(x, batch_size=4).shape == (6, 1)
    assert net.evaluate(x, Y, verbose=0)[0] == net.test_on_batch(x, Y)[0]
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert np.array_equal(twin(x), net(x))
        assert twin.train_on_batch(x, Y) == copy.deepcopy(net).train_on_batch(x, Y)


def test_several_inputs_and_outputs() -> None:
    net = Two()
    x = {"x": np.ones((4, 2)), "z": np.ones((4, 5))}
    assert sorted(net.predict(x, verbose=0)) == ["left", "right"]
    net.compile("sgd", {"left": "mse", "right": "mae"})
    history = net.fit(x, {"left": np.ones((4, 2)), "right": np.ones((4, 3))}, verbose=0).history
    assert set(history) == {"loss", "left_loss", "right_loss"}
    assert {k: v.shape for k, v in net.predict(x, batch_size=3).items()} == {"left": (4, 2), "right": (4, 3)}
    assert net.output_names == ["left", "right"]


def test_a_subclass_is_a_layer_too() -> None:
    inner = Tagger()
    x = Input((None,), dtype="int32")
    net = Model(x, Dense(2, dtype="float64")(inner(x)))
    assert net(TOKENS).shape == (6, 2)
    assert len(net.weights) == len(inner.weights) + 2
    line = Sequential([Tagger(), Dense(1)])
    assert line(TOKENS).shape == (6, 1)


@layers.register
class Known(Model):
    """Made of tensors in its constructor, with a configuration of its own."""

    def __init__(self, units: int = 3, name: str | None = None) -> None:
        x = Input((None, 2))
        super().__init__(x, Dense(1)(GRU(units)(x)), name=name)
        self.units = units

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units, "name": self.name}


def test_a_subclass_may_be_made_of_tensors() -> None:
    net = Known(5)
    assert net(X).shape == (6, 1)
    again = Known.from_config(net.get_config())
    assert [w.shape for w in again.weights] == [w.shape for w in net.weights]
    assert layers.deserialize(layers.serialize(net)).units == 5


class Neither(Model):
    pass


class Sums(Model):
    def call(self, x: Any) -> Any:
        return np.sort(x)


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: Neither()(X), NotImplementedError, "Neither must be made of inputs and outputs, or write call"),
        (lambda: Sums()(X), TypeError, "has no values before a model runs: call layers on it"),
        (lambda: Tagger().stream(), ValueError, "is a subclass, and a stream needs a model made of tensors"),
        (lambda: clone_model(Tagger()), TypeError, "model must be a Sequential or made of tensors"),
        (lambda: ByHand()(X, mask=np.ones((6, 5), bool)), TypeError, "mask must be None, as ByHand.forward does not"),
        (lambda: Tagger().inputs, ValueError, "has no tensors before it is built"),
    ],
)
def test_errors(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()


class Flat(Model):
    """Needs to know how many steps there are."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.flat, self.head = layers.Embedding(9, 4), layers.Flatten(), layers.Dense(2)

    def call(self, ids: Any) -> Any:
        return self.head(self.flat(self.table(ids)))


class Averages(Model):
    """Asks for the steps by itself: another graph for each number of them."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = layers.GRU(3, return_sequences=True), layers.Dense(2)

    def call(self, x: Any, training: bool = False) -> Any:
        h = self.rnn(x)
        return self.head(sum(h[:, t] for t in range(x.shape[1])) / x.shape[1])


class Swapped(Model):
    def __init__(self) -> None:
        super().__init__()
        self.swap, self.rnn = layers.Permute((2, 1)), layers.GRU(2)

    def call(self, x: Any) -> Any:
        return self.rnn(self.swap(x))


IDS = np.random.default_rng(0).integers(0, 9, (7, 5))
REAL = np.random.default_rng(0).standard_normal((7, 5, 3)).astype("float32")
LINES: list[tuple[Any, Any, Any]] = [
    (Flat, IDS, lambda: [layers.Embedding(9, 4), layers.Flatten(), layers.Dense(2)]),
    (Flat, IDS.tolist(), lambda: [layers.Embedding(9, 4), layers.Flatten(), layers.Dense(2)]),
    (Averages, REAL, lambda: [layers.GRU(3, return_sequences=True), layers.GlobalAveragePooling1D(), layers.Dense(2)]),
    (
        Averages,
        IDS[:, :, None] % 2,
        lambda: [layers.GRU(3, return_sequences=True), layers.GlobalAveragePooling1D(), layers.Dense(2)],
    ),
    (Swapped, REAL, lambda: [layers.Permute((2, 1)), layers.GRU(2)]),
]


@pytest.mark.parametrize(("kind", "x", "line"), LINES)
def test_what_needs_the_sizes_of_the_data_has_them(kind: Any, x: Any, line: Any) -> None:
    model, plain = kind(), Sequential(line())
    y = np.ones((7, 2), "float32")
    for net in (model, plain):
        net.compile("sgd", "mse", metrics=["mae"])
        net.predict(x)
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(x), plain.predict(x), rtol=1e-5, atol=1e-6)
    histories = [net.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0).history for net in (model, plain)]
    for name, values in histories[1].items():
        np.testing.assert_allclose(histories[0][name], values, rtol=1e-5)
    np.testing.assert_allclose(model.predict(x), plain.predict(x), rtol=1e-5, atol=1e-6)


def test_another_number_of_steps_is_another_graph(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(tracer, "KEPT", 6)
    model = Averages()
    model(REAL)
    model(REAL[:2])
    assert len(model._tracer.graphs) == 1
    plain = Sequential([layers.GRU(3, return_sequences=True), layers.GlobalAveragePooling1D(), layers.Dense(2)])
    plain(REAL)
    plain.set_weights(model.get_weights())
    for steps in (2, 4, 1, 5):
        np.testing.assert_allclose(model(REAL[:, :steps]), plain(REAL[:, :steps]), rtol=1e-5, atol=1e-6)
        y, pullback = model.forward(REAL[:, :steps], training=True)
        dx = plain.forward(REAL[:, :steps], training=True)[1](np.ones_like(y))
        np.testing.assert_allclose(pullback(np.ones_like(y)), dx, rtol=1e-4, atol=1e-6)
    for steps in range(1, 12):
        model(np.ones((1, steps, 3)))
    assert len(model._tracer.graphs) == 6
    assert model.count_params() == plain.count_params()
    flat = Flat()
    assert flat(IDS).shape == (7, 2)
    with pytest.raises(
        ValueError, match=r"expected inputs of dense.* with the 20 features that it was built for, got 12"
    ):
        flat(IDS[:, :3])
    flat.save(tmp_path / "flat.keras")
    again = load_model(tmp_path / "flat.keras", custom_objects={"Flat": Flat})
    np.testing.assert_array_equal(again.predict(IDS), flat.predict(IDS))


def test_build_of_one_s_own_comes_before_call() -> None:
    class Built(Model):
        def build(self, input_shape: Any) -> None:
            self.head = layers.Dense(input_shape[-1])
            super().build(input_shape)

        def call(self, x: Any) -> Any:
            return self.head(x)

    model = Built()
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 3)), verbose=0)
    assert model.predict(np.ones((2, 3))).shape == (2, 3)
    assert [w.shape for w in model.weights] == [(3, 3), (3,)]
