"""check_gradients: right gradients pass, and each kind of wrong one is found and named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cellstep
from cellstep import layers, losses
from cellstep.testing import check_gradients

Array = NDArray[Any]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


class Scaled(layers.Layer):
    """y = w x, with a pullback that can be wrong."""

    def __init__(self, dx: float = 1.0, dw: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factors = dx, dw

    def build(self, shape: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1],), initializer="ones", name="w")

    def forward(self, x: Array, **options: Any) -> Any:
        w = self.w.numpy()

        def pullback(dy: Array, need_dx: bool = True) -> Array:
            self.w.grad[...] += self.factors[1] * (dy * x).sum((0, 1))
            return self.factors[0] * dy * w

        return x * w, pullback


@pytest.mark.parametrize(
    "layer",
    [
        layers.LSTM(3, return_sequences=True, return_state=True, dtype="float64"),
        layers.Bidirectional(layers.GRU(3, dtype="float64"), dtype="float64"),
        layers.Dense(3, "gelu", dtype="float64"),
        layers.MultiHeadAttention(2, 3, dtype="float64"),
        Scaled(dtype="float64"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers(layer: Any) -> None:
    x: Any = normal(2, 5, 4)
    if isinstance(layer, layers.MultiHeadAttention):
        x = [x, normal(2, 6, 4)]
    found = check_gradients(layer, x)
    names = {w.path for w in layer.trainable_weights} | ({"x[0]", "x[1]"} if isinstance(x, list) else {"x"})
    assert set(found) == names
    assert 0 < max(found.values()) < 1e-5


def test_masks_and_other_options_of_a_layer() -> None:
    layer = layers.GRU(3, dtype="float64", recurrent_dropout=0.5, seed=1)
    check_gradients(layer, normal(3, 5, 2), mask=np.arange(5) < np.array([[5], [3], [0]]))
    found = check_gradients(layer, normal(3, 5, 2), initial_state=[normal(3, 3, seed=2)])
    assert {"x", "initial_state[0]"} < set(found)


def test_models_and_losses() -> None:
    model = cellstep.Sequential(
        [
            cellstep.Input((5, 2), dtype="float64"),
            layers.LSTM(3, dtype="float64", kernel_regularizer="l2"),
            layers.Dense(4, activation="softmax", dtype="float64"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = [w.copy() for w in model.get_weights()]
    found = check_gradients(model, normal(6, 5, 2), np.arange(6) % 4)
    assert set(found) == {w.path for w in model.trainable_weights}
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    check_gradients(losses.Huber(), normal(4, 3), normal(4, 3, seed=1))
    check_gradients(losses.MeanSquaredError(), normal(4, 5, 3), normal(4, 5, 3, seed=1), mask=normal(4, 5) > 0)
    assert max(check_gradients(layers.LSTMCell).values()) < 1e-6


def test_wrong_gradients_are_named() -> None:
    with pytest.raises(
        AssertionError, match=r"expected the gradient of x\[\d, \d, \d\] to be .* by central differences, got"
    ):
        check_gradients(Scaled(dx=1.1, dtype="float64"), normal(2, 5, 4))
    with pytest.raises(AssertionError, match=r"expected the gradient of scaled\w*/w\[\d\] to be"):
        check_gradients(Scaled(dw=0.9, dtype="float64"), normal(2, 5, 4))
    with pytest.raises(AssertionError, match=r"expected the gradient of x"):
        check_gradients(Scaled(dx=float("nan"), dtype="float64"), normal(2, 5, 4))

    class Wrong(losses.MeanSquaredError):
        def forward(self, y_true: Array, y_pred: Array) -> Any:
            values, pullback = super().forward(y_true, y_pred)
            return values, lambda d: 2 * pullback(d)

    with pytest.raises(AssertionError, match=r"expected the gradient of y_pred\[\d, \d\]"):
        check_gradients(Wrong(), normal(4, 3), normal(4, 3, seed=1))


def test_what_cannot_be_checked_is_refused() -> None:
    with pytest.raises(
        ValueError, match="of must have weights of float64, as differences of float32 are too rough, got"
    ):
        check_gradients(layers.GRU(3), normal(2, 5, 4))
    with pytest.raises(TypeError, match="of must be a layer, a model, a loss or a cell, got"):
        check_gradients("GRU", normal(2, 5, 4))
    with pytest.raises(TypeError, match="x, the predictions, and y, the targets, must be given for a loss"):
        check_gradients(losses.Huber(), normal(2, 5))
    with pytest.raises(TypeError, match="y is for losses and compiled models, got"):
        check_gradients(layers.Dense(3, dtype="float64"), normal(2, 5), normal(2, 3))
    with pytest.raises(TypeError, match="x, the inputs, must be given for a layer or a model"):
        check_gradients(layers.GRU(3, dtype="float64"))
