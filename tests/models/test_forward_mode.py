"""Derivatives along a direction are those of finite differences, for every cell, and agree with pullbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, cells, layers
from cellstep.cells import Cell
from cellstep.models import jvp

VARIANTS = [name for name in cells.__all__ if name not in ("Cell", "ProjectionLSTM", "AugmentedLSTM")]
MAKES: dict[str, Callable[[], Any]] = {
    **{name: lambda name=name: getattr(cells, name).Layer(4, return_sequences=True) for name in VARIANTS},
    "ProjectionLSTM": lambda: cells.ProjectionLSTM.Layer(5, 3),
    "AugmentedLSTM": lambda: cells.AugmentedLSTM.Layer(5, 3, use_bias=False),
    "SimpleRNN": lambda: layers.SimpleRNN(3, activation="softsign", num_layers=2),
    "LSTM": lambda: layers.LSTM(4, recurrent_activation="hard_sigmoid", go_backwards=True, return_sequences=True),
    "GRU": lambda: layers.GRU(4, use_bias=False),
    "GRU before": lambda: layers.GRU(4, reset_after=False, activation="mish"),
}


def model_of(make: Callable[[], Any]) -> tuple[Any, list[Any]]:
    """A model in float64 with random weights, and these."""
    rng = np.random.default_rng(0)
    layer = make()
    model = Sequential(
        [Input((None, 3), dtype="float64"), type(layer).from_config(layer.get_config() | {"dtype": "float64"})]
    )
    model.add(layers.Dense(2, activation="softmax", dtype="float64"))
    for w in model.weights:
        w.assign(w.value + rng.standard_normal(w.shape) / 3)
    return model, [w.value.copy() for w in model.weights]


@pytest.mark.parametrize("name", MAKES)
def test_it_is_that_of_finite_differences_and_of_pullbacks(name: str) -> None:
    model, weights = model_of(MAKES[name])
    rng = np.random.default_rng(1)
    x, dx = rng.standard_normal((2, 2, 5, 3))
    directions = {w.path: rng.standard_normal(w.shape) for w in model.weights}

    def moved(e: float) -> Any:
        for w, value in zip(model.weights, weights, strict=True):
            w.assign(value + e * directions[w.path])
        return model(x + e * dx)

    numeric, y0 = (moved(1e-5) - moved(-1e-5)) / 2e-5, moved(0)
    y, dy = jvp(model, x, dx, directions)
    np.testing.assert_allclose(y, y0, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dy, numeric, rtol=1e-6, atol=1e-7 * np.abs(numeric).max())
    # <u, J v> is <J^T u, v>
    for w in model.weights:
        w.grad[...] = 0
    u = rng.standard_normal(y.shape)
    of_x = model.forward(x)[1](u)
    back = (of_x * dx).sum() + sum((w.grad * directions[w.path]).sum() for w in model.weights)
    np.testing.assert_allclose((u * dy).sum(), back, rtol=1e-9)


def test_what_is_left_out_is_zero() -> None:
    model, _ = model_of(MAKES["LSTM"])
    x = np.ones((1, 4, 3))
    assert not jvp(model, x)[1].any()
    layer = model.layers[0]
    y, dy = jvp(layer, x, dx=np.ones_like(x))
    np.testing.assert_allclose(y, layer(x), rtol=1e-12)
    assert dy.shape == y.shape
    assert dy.any()


@pytest.mark.parametrize("dtypes", [("float64", "float32", "float64"), ("float32", "float64", "float32")])
def test_each_layer_computes_in_its_own_dtype(dtypes: tuple[str, ...]) -> None:
    a, b, c = dtypes
    model = Sequential([Input((None, 3)), layers.LSTM(4, return_sequences=True, dtype=a, use_bias=False)])
    model.add(layers.GRU(3, dtype=b))
    model.add(layers.Dense(2, dtype=c, use_bias=False))
    rng = np.random.default_rng(0)
    x, dx = rng.standard_normal((2, 5, 4, 3))
    y, dy = jvp(model, x, dx, {w.path: rng.standard_normal(w.shape) for w in model.weights})
    assert y.dtype == dy.dtype == model(x).dtype == np.dtype(c)
    np.testing.assert_allclose(y, model(x), rtol=1e-5, atol=1e-6)
    middle = model.layers[1]
    assert jvp(middle, model.layers[0](x))[0].dtype == np.dtype(b)
    y, dy = jvp(model, x, dx)
    numeric = (model(x + 1e-2 * dx).astype(float) - model(x - 1e-2 * dx)) / 2e-2
    np.testing.assert_allclose(dy, numeric, atol=1e-3)


def test_what_it_cannot_do_is_said() -> None:
    model, _ = model_of(MAKES["LSTM"])
    x = np.ones((1, 4, 3))
    with pytest.raises(TypeError, match="model must be a model or a layer, got None"):
        jvp(None, x)
    for wrong in ([x], x, "kernel"):
        with pytest.raises(TypeError, match="dweights must be a dictionary of paths to arrays"):
            jvp(model, x, dweights=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected dweights of .*kernel.*, got 'W'"):
        jvp(model, x, dweights={"W": x})
    with pytest.raises(ValueError, match="dx"):
        jvp(model, x, dx=x[:, :2])
    with pytest.raises(ValueError, match="one step or more"):
        jvp(model, x[:, :0])
    for layer in (layers.Bidirectional(layers.LSTM(2)), layers.GRU(2, zoneout=0.1), layers.LSTM(2, stateful=True)):
        with pytest.raises(NotImplementedError, match="jvp runs recurrent layers of known cells and Dense"):
            jvp(layer, x)
    unknown = layers.LSTM(2, activation="softmax")
    unknown.build((1, 4, 3))
    with pytest.raises(NotImplementedError, match="a cell of known equations"):
        jvp(unknown, x)


def test_a_cell_of_your_own() -> None:
    class Own(Cell):
        gates = "a b"
        vectors = "p"

        def step(self, z: Any, h: Any) -> Any:
            return self.normalize(np.tanh(z.x.a + self.product(np.sin(z.b) * h, "a")) + self.p * h)

    layer = Own.Layer(4, dtype="float64")
    layer.build((2, 5, 3))
    rng = np.random.default_rng(0)
    x, dx = rng.standard_normal((2, 2, 5, 3))
    dy = jvp(layer, x, dx)[1]
    np.testing.assert_allclose(dy, (layer(x + 1e-6 * dx) - layer(x - 1e-6 * dx)) / 2e-6, rtol=1e-6, atol=1e-8)
