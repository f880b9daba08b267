"""Gradients of each row are those of `gradients` for the row alone, to the bit, and those of finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, cells, kernels, set_random_seed
from cellstep.layers import GRU, LSTM, Dense, Dropout, Masking, SimpleRNN
from cellstep.models import sample_gradients

pytestmark = pytest.mark.skipif(kernels.active().many is None, reason="rows in lanes are compiled")

#: Not covered, or no cell of its own.
WHOLE_ROWS = ("AugmentedLSTM", "Cell", "LayerNormGRU", "LayerNormLSTM", "ProjectionLSTM")
CASES: dict[str, tuple[list[Callable[[], Any]], str, bool]] = {
    "classes": ([lambda: GRU(4), lambda: Dense(3, "softmax")], "sparse_categorical_crossentropy", False),
    "steps": (
        [lambda: LSTM(5, return_sequences=True), lambda: SimpleRNN(2, return_sequences=True), lambda: Dense(1)],
        "huber",
        True,
    ),
    "masked": ([Masking, lambda: GRU(3, reset_after=False), lambda: Dense(2, "tanh"), lambda: Dense(1)], "mse", False),
}


def model_of(case: str, dtype: str) -> tuple[Sequential, Any, Any]:
    """A model, and a batch for it."""
    layers, loss, steps = CASES[case]
    set_random_seed(0)
    model = Sequential([Input((None, 3), dtype=dtype)])
    for make in layers:
        layer = make()
        model.add(type(layer).from_config(layer.get_config() | {"dtype": dtype}))
    model.compile("adam", loss)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((37, 6, 3)).astype(dtype)
    x[np.arange(6) >= rng.integers(1, 7, (37, 1))] = 0
    outputs = model.output_shape[-1]
    y = rng.integers(0, outputs, 37) if case == "classes" else rng.random((37, 6, 1) if steps else (37, 1))
    return model, x, y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_they_are_those_of_each_row_alone(case: str, dtype: str) -> None:
    model, x, y = model_of(case, dtype)
    found, losses = sample_gradients(model, x, y)
    assert list(found) == [w.path for w in model.trainable_weights]
    for i in range(len(x)):
        alone, loss = model.gradients(x[i : i + 1], y[i : i + 1])
        assert losses[i] == loss
        for path, gradient in alone.items():
            np.testing.assert_array_equal(found[path][i], gradient)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in cells.__all__ if name not in WHOLE_ROWS])
def test_known_variants_also_make_values_of_their_vectors_once(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    make = getattr(cells, name).Layer
    layers = [make(3, return_sequences=True, dtype=dtype), make(5, dtype=dtype), Dense(2, dtype=dtype)]
    model = Sequential([Input((None, 2), dtype=dtype), *layers])
    model.set_weights([w + rng.normal(0, 0.1, w.shape) for w in model.get_weights()])
    model.compile("adam", "mse")
    x, y = rng.standard_normal((19, 4, 2)).astype(dtype), rng.standard_normal((19, 2))
    found, losses = sample_gradients(model, x, y)
    for i in range(len(x)):
        alone, loss = model.gradients(x[i : i + 1], y[i : i + 1])
        assert losses[i] == loss
        for path, gradient in alone.items():
            np.testing.assert_array_equal(found[path][i], gradient)


def test_they_are_those_of_finite_differences() -> None:
    model, x, y = model_of("masked", "float64")
    found, _ = sample_gradients(model, x, y)
    rng, step = np.random.default_rng(1), 1e-6
    for weight in model.trainable_weights:
        direction, values = rng.standard_normal(weight.shape), weight.numpy()
        losses = []
        for side in (1, -1):
            weight.assign(values + side * step * direction)
            losses.append(sample_gradients(model, x, y)[1])
        weight.assign(values)
        slopes = (found[weight.path] * direction).reshape(len(x), -1).sum(axis=1)
        np.testing.assert_allclose(slopes, (losses[0] - losses[1]) / (2 * step), rtol=1e-6, atol=1e-8)


def test_their_mean_is_the_gradient_of_the_batch() -> None:
    model, x, y = model_of("classes", "float64")
    found, losses = sample_gradients(model, x, y)
    whole, loss = model.gradients(x, y)
    assert losses.mean() == pytest.approx(loss, rel=1e-12)
    for path, gradient in whole.items():
        np.testing.assert_allclose(found[path].mean(axis=0), gradient, rtol=1e-10, atol=1e-14)


def test_what_does_not_fit_is_refused() -> None:
    model, x, y = model_of("classes", "float32")
    with pytest.raises(ValueError, match="expected y to have the 37 rows of x, got 2"):
        sample_gradients(model, x, y[:2])
    with pytest.raises(ValueError, match="y must be given"):
        sample_gradients(model, x, None)
    for nothing in (x[:0], x[:, :0], [x[0], x[1, :2]]):
        with pytest.raises(ValueError, match="with one row or more, of sequences of one length, got "):
            sample_gradients(model, nothing, y[: len(nothing)])
    with pytest.raises(TypeError, match="model must be a Sequential or a Model, got None"):
        sample_gradients(None, x, y)
    other = Sequential([Input((None, 3)), GRU(2), Dropout(0.5), Dense(1)])
    with pytest.raises(RuntimeError, match="before sample_gradients"):
        sample_gradients(other, x, y)
    other.compile("adam", "mse")
    with pytest.raises(NotImplementedError, match="got Dropout"):
        sample_gradients(other, x, y)
