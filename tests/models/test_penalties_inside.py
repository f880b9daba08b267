"""activity_regularizer of layers within layers: TimeDistributed, Bidirectional, models in models, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from passes import run

from cellstep import Input, Model, Sequential, layers, optimizers, regularizers

X = np.random.default_rng(1).standard_normal((4, 6, 3))
Y = np.ones((4, 1))
PENALTY = regularizers.L1L2(0.1, 0.3)
SAME = {"activity_regularizer": PENALTY, "dtype": "float64"}
ROWS = {"activity_regularizer": regularizers.OrthogonalRegularizer(0.5), "dtype": "float64"}
F64 = {"dtype": "float64"}


def inner() -> Sequential:
    return Sequential([layers.Dense(4, "tanh", **SAME), layers.Dense(2, **SAME)])


MADE: dict[str, Any] = {
    "each step": lambda: layers.TimeDistributed(layers.Dense(2, **SAME), **SAME),
    "each step, one by one": lambda: layers.TimeDistributed(layers.Dense(5, "tanh", **ROWS)),
    "a model each step": lambda: layers.TimeDistributed(inner()),
    "a batch each step": lambda: layers.TimeDistributed(layers.BatchNormalization(momentum=1.0, **SAME)),
    "both directions": lambda: layers.Bidirectional(layers.LSTM(2, return_sequences=True, **SAME), **SAME),
    "last outputs": lambda: layers.Bidirectional(layers.GRU(2, **SAME), merge_mode="mul"),
    "a model": inner,
    "a model in a model": lambda: Sequential([inner(), layers.Dropout(0.5, **SAME)]),
}


def net(name: str, optimizer: Any = "sgd") -> Sequential:
    rng = np.random.default_rng(2)
    first, last = layers.Dense(3, **F64), [layers.Flatten(**F64), layers.Dense(1, **F64)]
    made = Sequential([Input((6, 3)), first, MADE[name](), *last])
    made.set_weights([np.abs(rng.standard_normal(w.shape)) / 2 for w in made.weights])
    made.compile(optimizer, "mse")
    return made


def wanted(name: str, made: Sequential) -> list[float]:
    """The penalties as the definition has them: of each output of each layer in each call, over the rows."""
    layer: Any = made.layers[1]
    x = made.layers[0](X)

    def of(y: Any, penalty: Any = PENALTY) -> float:
        return float(penalty(y)) / len(y)

    if name == "each step":
        return [of(layer(x)), sum(of(layer.layer(x[:, t])) for t in range(6))]
    if name == "each step, one by one":
        return [of(layer.layer(x[:, t]), ROWS["activity_regularizer"]) for t in range(6)]
    if name == "a model each step":
        one, two = layer.layer.layers
        return [of(one(x)), of(two(one(x)))]
    if name == "a batch each step":
        return [of(layer(x))]
    if name in ("both directions", "last outputs"):
        own = [of(layer(x))] if layer.activity_regularizer else []
        return [*own, of(layer.forward_layer(x)), of(layer.backward_layer(x))]
    one, two = (layer if name == "a model" else layer.layers[0]).layers
    found = [of(one(x)), of(two(one(x)))]
    return found if name == "a model" else [*found, found[-1]]


@pytest.mark.parametrize("name", MADE)
def test_values(name: str) -> None:
    made = net(name)
    found = sorted(wanted(name, made))
    y = made(X)
    if name in ("each step", "a model each step"):
        assert sum(made.losses) == pytest.approx(sum(found), rel=1e-12)
    else:
        np.testing.assert_allclose(sorted(made.losses), found, rtol=1e-12)
    assert made.evaluate(X, Y, verbose=0) == pytest.approx(np.square(y - Y).mean() + sum(found), rel=1e-12)
    assert made.test_on_batch(X, Y) == pytest.approx(np.square(y - Y).mean() + sum(found), rel=1e-12)


@pytest.mark.parametrize("name", [name for name in MADE if name not in ("a model in a model", "a batch each step")])
def test_gradients(name: str) -> None:
    made = net(name)
    found, _ = made.gradients(X, Y)
    for w, slope in zip(made.trainable_weights, found.values(), strict=True):
        start = w.numpy()
        at = tuple(n // 2 for n in w.shape)
        sides = []
        for h in (1e-6, -1e-6):
            moved = start.copy()
            moved[at] += h
            w.assign(moved)
            sides.append(float(made.evaluate(X, Y, verbose=0)))
        w.assign(start)
        np.testing.assert_allclose(slope[at], (sides[0] - sides[1]) / 2e-6, rtol=2e-6, atol=1e-8, err_msg=w.path)


@pytest.mark.parametrize("name", MADE)
def test_a_scaled_loss_makes_the_same_step(name: str) -> None:
    weights = []
    for scale in (None, 1024.0):
        made = net(name, optimizers.SGD(0.1, loss_scale_factor=scale))
        for part in (made, *made.layers, *getattr(made.layers[1], "layers", ())):
            if isinstance(part, layers.Dropout):
                part.rate = 0.0
        made.fit(X, Y, batch_size=3, shuffle=False, epochs=2, verbose=0)
        weights.append(made.get_weights())
    for plain, scaled in zip(*weights, strict=True):
        np.testing.assert_allclose(scaled, plain, rtol=1e-12, atol=1e-15)


def test_forward_of_a_layer_leaves_penalties_out() -> None:
    layer = layers.Bidirectional(layers.GRU(2, **SAME), **SAME)
    y, pullback = layer.forward(X)
    again = layers.Bidirectional(layers.GRU(2, **F64))
    again.build(X.shape)
    again.set_weights(layer.get_weights())
    y2, pullback2 = again.forward(X)
    assert np.array_equal(y, y2)
    assert np.array_equal(pullback(np.ones_like(y)), pullback2(np.ones_like(y)))


@pytest.mark.parametrize("make", [lambda: layers.GRU(2, return_sequences=True, **SAME), MADE["both directions"]])
def test_a_list_of_sequences_counts_by_its_rows(make: Any) -> None:
    rows = [X[0, :2], X[1], X[2, :4]]
    layer = make()
    ran = run(layer, rows)
    # each row alone is a batch of one
    alone = [sum(run(layer, [row]).penalties) for row in rows]
    assert sum(ran.penalties) == pytest.approx(sum(alone) / 3, rel=1e-12)
    model = Sequential([Input((None, 3)), layer])
    model(rows)
    assert sum(model.losses) == pytest.approx(sum(alone) / 3, rel=1e-12)


class Doubled(Model):
    """A model by hand over a layer with a penalty."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dense(1, **SAME)

    def forward(self, x: Any, training: bool = False) -> Any:  # type: ignore[override]
        y, pullback = self.inner.forward(x, training=training)
        return 2 * y, lambda dy, need_dx=True: pullback(2 * dy, need_dx=need_dx)


@pytest.mark.parametrize("scale", [None, 8.0])
def test_a_model_by_hand_passes_penalties_on(scale: Any) -> None:
    made = Doubled()
    made.compile(optimizers.SGD(loss_scale_factor=scale), "mse")
    x, y = X[:, 0], np.ones((4, 1))
    found, loss = made.gradients(x, y)
    w = made.inner.get_weights()
    out = x @ w[0] + w[1]
    assert loss == pytest.approx(np.square(2 * out - 1).mean() + PENALTY(out) / 4, rel=1e-12)
    slope = 4 * (2 * out - 1) / 4 + PENALTY.gradient(out) / 4
    np.testing.assert_allclose(next(iter(found.values())), x.T @ slope)


def test_a_model_by_hand_remembers_penalties() -> None:
    made = Doubled()
    made(X[:, 0])
    assert made.losses == pytest.approx([PENALTY(made.inner(X[:, 0])) / 4])


def test_losses_are_those_of_the_last_call() -> None:
    shared = layers.Dense(3, kernel_regularizer="l2", **SAME)
    x = Input((3,), dtype="float64")
    made = Model(x, shared(shared(x)))
    assert made.losses == shared.losses == regularizers.penalties(shared.trainable_weights)
    made(X[:, 0])
    once = shared(X[:, 0])
    assert made.losses[:2] == pytest.approx([PENALTY(once) / 4, PENALTY(shared(once)) / 4])
    assert made.losses[2:] == regularizers.penalties(shared.trainable_weights)
    assert shared.losses[0] == made.losses[1]
    empty = run(made, X[:0, 0])
    assert empty.penalties == (0.0, 0.0)


TAKE_IT: dict[str, tuple[Any, Any]] = {
    "ActivityRegularization": (lambda p: layers.ActivityRegularization(0.1, 0.3), X),
    "AveragePooling1D": (lambda p: layers.AveragePooling1D(2, **p), X),
    "BatchNormalization": (lambda p: layers.BatchNormalization(**p), X),
    "Concatenate": (lambda p: layers.Concatenate(**p), [X, X]),
    "Dropout": (lambda p: layers.Dropout(0.5, **p), X),
    "Flatten": (lambda p: layers.Flatten(**p), X),
    "GaussianNoise": (lambda p: layers.GaussianNoise(0.1, **p), X),
    "LayerNormalization": (lambda p: layers.LayerNormalization(**p), X),
    "Masking": (lambda p: layers.Masking(**p), X),
    "PReLU": (lambda p: layers.PReLU(**p), X),
    "Softmax": (lambda p: layers.Softmax(**p), X),
    "SpatialDropout1D": (lambda p: layers.SpatialDropout1D(0.5, **p), X),
    "add two-axis arrays": (lambda p: layers.Add(**p), [X[:, 0], X[:, 1]]),
}


@pytest.mark.parametrize("name", TAKE_IT)
def test_any_layer_takes_it(name: str) -> None:
    make, x = TAKE_IT[name]
    layer = make({"activity_regularizer": PENALTY, "dtype": "float64"})
    y = layer(x)
    assert layer.losses == pytest.approx([PENALTY(y) / 4])
    if name != "ActivityRegularization":
        assert layer.get_config()["activity_regularizer"]["class_name"] == "L1L2"
        assert "activity_regularizer" not in make({}).get_config()
    assert type(layer).from_config(layer.get_config()).activity_regularizer.get_config() == PENALTY.get_config()


def test_an_argument_that_no_layer_takes() -> None:
    with pytest.raises(TypeError, match=r"Dropout takes no argument 'speed'"):
        layers.Dropout(0.5, speed=3)  # type: ignore[call-arg]
