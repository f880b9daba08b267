"""Dense, Embedding, Masking, Dropout, Activation and Input: values, shapes and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import activations, layers

RNG = np.random.default_rng(4)
MASK = np.array([[True, False], [True, True]])


@pytest.mark.parametrize("shape", [(2, 3), (2, 4, 3), (2, 1, 4, 3), (0, 3)])
def test_dense_works_on_the_last_axis(shape: tuple[int, ...]) -> None:
    layer = layers.Dense(5, "tanh", bias_initializer="ones", dtype="float64")
    x = RNG.standard_normal(shape)
    y = layer(x)
    np.testing.assert_allclose(y, np.tanh(x @ layer.kernel.value + 1), atol=1e-14)
    assert y.shape == layer.compute_output_shape(shape) == (*shape[:-1], 5)
    assert [w.name for w in layer.weights] == ["kernel", "bias"]


def test_dense_does_not_write_to_its_weights_or_inputs() -> None:
    layer = layers.Dense(3, use_bias=True)
    x = RNG.standard_normal((2, 3)).astype("float32")
    x.flags.writeable = False
    y = layer(x)
    y[...] = 0
    assert layer(x).any()


def test_masks_pass_through() -> None:
    for layer in (layers.Dense(2), layers.Dropout(0.5), layers.Activation("relu"), layers.InputLayer((2, 3))):
        assert layer.compute_mask(np.ones((2, 2, 3)), MASK) is MASK
        assert layer.compute_mask(np.ones((2, 2, 3)), None) is None


def test_embedding_looks_rows_up() -> None:
    table = RNG.standard_normal((4, 2))
    layer = layers.Embedding(4, 2, weights=table, mask_zero=True, dtype="float64")
    ids = np.array([[3, 0], [1, 3]])
    np.testing.assert_array_equal(layer(ids), table[ids])
    np.testing.assert_array_equal(layer(ids.astype("float32")), table[ids])
    np.testing.assert_array_equal(layer.compute_mask(ids), ids != 0)
    assert layers.Embedding(4, 2).compute_mask(ids) is None
    assert layer.compute_output_shape((None, 7)) == (None, 7, 2)
    assert layer(np.zeros((0, 3), int)).shape == (0, 3, 2)
    fresh = layers.Embedding(50, 20)
    fresh.build((None,))
    assert 0.04 < np.abs(fresh.embeddings.value).max() <= 0.05


def test_masking_marks_steps_where_all_features_are_the_value() -> None:
    x = np.array([[[5.0, 5.0], [5.0, 1.0], [np.nan, 5.0]], [[0.0, 0.0], [5.0, 5.0], [1.0, 2.0]]])
    layer = layers.Masking(5.0)
    there = np.array([[False, True, True], [True, False, True]])
    np.testing.assert_array_equal(layer.compute_mask(x), there)
    np.testing.assert_array_equal(layer(x), np.where(there[..., None], x, 0))


def test_masking_compares_in_the_dtype_of_the_layer() -> None:
    x = np.full((1, 1, 2), 0.1, "float32")
    assert not layers.Masking(0.1).compute_mask(x).any()


def test_dropout_keeps_the_mean_and_works_in_training_only() -> None:
    layer = layers.Dropout(0.25, seed=3)
    x = np.ones((200, 50), "float32")
    assert layer(x) is x
    y = layer(x, training=True)
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert abs(y.mean() - 1) < 0.02
    assert not np.array_equal(y, layer(x, training=True))
    np.testing.assert_array_equal(y, layers.Dropout(0.25, seed=3)(x, training=True))
    assert not layers.Dropout(1.0)(x, training=True).any()
    assert layers.Dropout(0.0)(x, training=True) is x


def test_dropout_does_not_spread_nan_from_what_it_drops() -> None:
    y = layers.Dropout(0.5, seed=1)(np.full((4, 50), np.nan, "float32"), training=True)
    assert 50 < np.isnan(y).sum() < 150
    assert (y[~np.isnan(y)] == 0).all()


def test_dropout_shares_draws_along_axes_of_size_one() -> None:
    y = layers.Dropout(0.5, noise_shape=(None, 1, None), seed=1)(np.ones((4, 3, 6), "float32"), training=True)
    np.testing.assert_array_equal(y, np.repeat(y[:, :1], 3, axis=1))
    assert len(np.unique(y)) == 2


def test_input_says_the_shape_and_passes_arrays_through() -> None:
    layer = layers.InputLayer((None, 3), batch_size=2)
    assert isinstance(layer, layers.InputLayer)
    assert layer.batch_shape == layers.InputLayer(batch_shape=(2, None, 3)).batch_shape == (2, None, 3)
    x = np.ones((2, 5, 3))
    y, pullback = layer.forward(x)
    assert y is x
    assert pullback(x) is x
    assert (layer.built, layer.weights, str(layer.dtype)) == (True, [], "float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", activations.NAMES)
def test_activations_keep_shape_and_dtype_and_do_not_overflow(name: str, dtype: Any) -> None:
    x = np.array([[-800.0, -30.0, -1.0, 0.0], [0.5, 1.0, 30.0, 80.0]], dtype)
    y, pullback = activations.get(name).forward(x)
    dx = pullback(np.ones_like(y))
    assert y.dtype == dx.dtype == dtype
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("name", activations.NAMES)
def test_activations_pass_nan_on(name: str) -> None:
    assert np.isnan(activations.get(name)(np.array([[np.nan, 1.0]]))[0, 0])


VALUES = {
    "softmax": [0.09003057, 0.24472847, 0.66524096],
    "log_softmax": [-2.40760596, -1.40760596, -0.40760596],
    "gelu": [-0.15865525, 0.0, 0.84134475],
    "silu": [-0.26894142, 0.0, 0.73105858],
    "hard_sigmoid": [1 / 3, 0.5, 2 / 3],
    "leaky_relu": [-0.2, 0.0, 1.0],
    "selu": [-1.11133074, 0.0, 1.05070099],
    "mish": [-0.30340147, 0.0, 0.86509839],
    "squareplus": [0.61803399, 1.0, 1.61803399],
}


@pytest.mark.parametrize("name", VALUES)
def test_activations_have_keras_values(name: str) -> None:
    np.testing.assert_allclose(activations.get(name)([-1.0, 0.0, 1.0]), VALUES[name], atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparsemax_is_the_nearest_point_of_the_simplex(dtype: str) -> None:
    """Held against the tau that bisection finds, which makes a row add up to 1."""
    x = np.random.default_rng(6).normal(size=(40, 7)).astype(dtype) * np.geomspace(0.01, 50, 40, dtype=dtype)[:, None]
    low, high = x.max(axis=1, keepdims=True) - 1, x.max(axis=1, keepdims=True)
    for _ in range(60):
        middle = (low + high) / 2
        large = np.maximum(x - middle, 0).sum(axis=1, keepdims=True) > 1
        low, high = np.where(large, middle, low), np.where(large, high, middle)
    y = activations.sparsemax(x)
    np.testing.assert_allclose(y, np.maximum(x - low, 0), atol=2e-5 if dtype == "float32" else 1e-13)
    np.testing.assert_allclose(activations.sparsemax([1, 0.5, -3]), [0.75, 0.25, 0])


def test_activations_are_found_by_any_of_their_names() -> None:
    assert activations.get("swish") is activations.get("silu") is activations.silu
    assert activations.get(None) is activations.linear
    assert layers.Dense(2, activations.relu).activation.name == "relu"
    with pytest.raises(AttributeError, match="nosuch"):
        activations.nosuch  # noqa: B018
