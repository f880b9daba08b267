"""Plain runs of recurrent layers: the bits of any other run, and only where no option takes part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellstep import kernels, layers
from cellstep.layers import plain_run
from cellstep.layers.context import Context

B, T, I, H = 3, 5, 2, 4  # noqa: E741 - the contract's letter
X = np.random.default_rng(0).standard_normal((B, T, I)).astype("f4")
KINDS = (layers.SimpleRNN, layers.LSTM, layers.GRU)


def results(layer: Any, x: Any, dy: Any) -> list[Any]:
    """y, dx and the gradients of the weights."""
    for w in layer.weights:
        w.zero_grad()
    y, pullback = layer.forward(x)
    return [y, pullback(dy), *(w.grad.copy() for w in layer.weights)]


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_bits_are_those_of_a_run_with_a_mask(kind: Any, sequences: bool, on: kernels.Backend) -> None:
    layer = kind(H, return_sequences=sequences)
    layer.build((None, None, I))
    for rows, steps in ((0, T), (B, T), (1, T), (2, T), (B, 0), (0, 0), (B, T)):
        x = np.ascontiguousarray(X[:rows, :steps])
        dy = np.random.default_rng(1).standard_normal(layer(x).shape).astype("f4")
        plain = results(layer, x, dy)
        with layers.trace():  # which no plain run keeps
            other = results(layer, x, dy)
        masked = layer(x, mask=np.ones((rows, steps), bool))
        for a, b in zip([*plain, plain[0]], [*other, masked], strict=True):
            np.testing.assert_array_equal(a, b)
        layer.set_weights([w + w.dtype.type(0.125) for w in layer.get_weights()])


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: setattr(layer, "return_state", True),
        lambda layer: setattr(layer, "stateful", True),
        lambda layer: setattr(layer.cell, "dropout", 0.5),
        lambda layer: setattr(layer.cell, "recurrent_dropout", 0.5),
    ],
)
def test_no_run_is_plain_once_an_option_takes_part(change: Callable[[Any], None]) -> None:
    layer = layers.LSTM(H)
    layer(X)
    training = Context(True, True)
    assert plain_run.plain_run(layer, X, training) is not None
    for other in (X.astype("f8"), X[:, :, :1], X[:, ::-1], X[0], X.tolist()):
        assert plain_run.plain_run(layer, other, training) is None
    change(layer)
    assert plain_run.plain_run(layer, X, training) is None


def test_a_pullback_takes_gradients_of_any_strides_and_refuses_other_shapes() -> None:
    layer = layers.GRU(H, return_sequences=True)
    y, pullback = layer.forward(X)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype("f4")
    dx = pullback(dy)
    for same in (np.asfortranarray(dy), dy[:, ::-1].copy()[:, ::-1], dy.astype("f8")):
        np.testing.assert_array_equal(pullback(same), dx)
    with pytest.raises(ValueError, match="dy"):
        pullback(dy[:, :2])
