"""Gradients of a stream are those of backpropagation through all its steps, and of finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import cells, layers
from cellstep.models import RTRL

NAMES = ("MinGRU", "MinLSTM", "SRU", "QRNN", "IndRNN", "LRU")
B, T = 2, 7


def layer_of(name: str, **options: Any) -> Any:
    rng = np.random.default_rng(0)
    layer = getattr(cells, name).Layer(4, return_sequences=True, dtype="float64", **options)
    layer.build((B, None, 3))
    for w in layer.weights:
        w.assign(w.value + rng.standard_normal(w.shape) / 3)
    return layer


def gradients(layer: Any) -> list[Any]:
    found = [w.grad.copy() for w in layer.weights]
    for w in layer.weights:
        w.grad[...] = 0
    return found


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_they_are_those_of_backpropagation(name: str, use_bias: bool) -> None:
    layer, rng = layer_of(name, use_bias=use_bias), np.random.default_rng(1)
    x, dy = rng.standard_normal((B, T, 3)), rng.standard_normal((B, T, 4))
    dy[:, 3] = 0  # a step without a label
    y, pullback = layer.forward(x)
    gradients(layer)
    pullback(dy)
    wanted, stream = gradients(layer), RTRL(layer)
    for _ in range(2):
        stream.reset()
        for t in range(T):
            out, back = stream.step(x[:, t])
            np.testing.assert_allclose(out, y[:, t], rtol=1e-12)
            if t != 3:
                back(dy[:, t])
        for ours, theirs in zip(gradients(layer), wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_steps_loss_has_its_gradient_by_finite_differences(name: str) -> None:
    layer, rng = layer_of(name), np.random.default_rng(2)
    x, dy = rng.standard_normal((B, T, 3)), rng.standard_normal((B, 4))
    stream = RTRL(layer)
    for t in range(T):
        _, back = stream.step(x[:, t])
    gradients(layer)
    dx = back(dy)
    found = gradients(layer)

    def loss(w: Any, value: Any) -> float:
        w.assign(value)
        return float((layer(x)[:, -1] * dy).sum())

    for w, gradient in zip(layer.weights, found, strict=True):
        value = w.value.copy()
        for at in np.ndindex(*w.shape):
            d = np.zeros_like(value)
            d[at] = 1e-6
            numeric = (loss(w, value + d) - loss(w, value - d)) / 2e-6
            np.testing.assert_allclose(gradient[at], numeric, rtol=1e-5, atol=1e-8)
        w.assign(value)
    assert dx.shape == (B, 3)


def test_frozen_weights_get_none_and_wrong_rows_are_said() -> None:
    layer = layer_of("MinGRU")
    layer.cell.trainable = False
    stream = RTRL(layer)
    _, back = stream.step(np.ones((B, 3)))
    _, back = stream.step(np.ones((B, 3)))
    back(np.ones((B, 4)))
    assert not any(g.any() for g in gradients(layer))
    with pytest.raises(ValueError, match="states"):
        stream.step(np.ones((B + 1, 3)))
    with pytest.raises(ValueError, match="x"):
        stream.step(np.ones((B, 2)))


def test_a_stream_of_no_rows_has_no_gradients() -> None:
    layer = layer_of("MinGRU")
    stream = RTRL(layer)
    for _ in range(2):
        y, back = stream.step(np.ones((0, 3)))
        assert y.shape == (0, 4)
        assert back(y).shape == (0, 3)
    assert not any(g.any() for g in gradients(layer))


def test_units_that_see_each_other_are_refused() -> None:
    for layer in (layers.LSTM(3), cells.MGU.Layer(3), cells.LayerNormLSTM.Layer(3), layers.GRU(3)):
        layer.build((1, None, 2))
        with pytest.raises(NotImplementedError, match="no unit sees another's state"):
            RTRL(layer)
    for wrong in (layers.Dense(3), layers.RNN([cells.MinGRU(3), cells.MinGRU(3)]), cells.MinGRU.Layer(3)):
        with pytest.raises(NotImplementedError, match="one known cell"):
            RTRL(wrong)


def test_a_step_that_fails_did_not_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(3).standard_normal((4, 2, 3))
    layer = cells.MinGRU.Layer(4, dtype="float64")
    layer.build((2, None, 3))
    whole, stream = RTRL(layer), RTRL(layer)
    for t in range(4):
        y, pullback = whole.step(x[t])
    pullback(np.ones_like(y))
    wanted = [w.grad.copy() for w in layer.weights]
    carry = stream._carry
    for t in range(4):

        def fails(*arguments: Any) -> Any:
            raise MemoryError

        monkeypatch.setattr(stream, "_carry", fails)
        before = stream.states
        with pytest.raises(MemoryError):
            stream.step(x[t])
        assert stream.states is before
        monkeypatch.setattr(stream, "_carry", carry)
        y, pullback = stream.step(x[t])
    for w in layer.weights:
        w.grad[...] = 0
    pullback(np.ones_like(y))
    for w, grad in zip(layer.weights, wanted, strict=True):
        np.testing.assert_array_equal(w.grad, grad)


@pytest.mark.parametrize("options", [{"go_backwards": True}, {"stateful": True}, {"trainable_initial_state": True}])
def test_layers_that_compute_something_else_are_refused(options: dict[str, Any]) -> None:
    layer = cells.MinGRU.Layer(4, **options)
    layer.build((2, None, 3))
    with pytest.raises(NotImplementedError, match="without zoneout, go_backwards, stateful and first states"):
        RTRL(layer)
