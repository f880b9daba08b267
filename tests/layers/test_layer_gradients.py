"""Every layer's pullback against central differences of its forward, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layers.cases import CASES, Case
from slopes import check_gradients

from cellstep import activations, kernels, layers

RNG = np.random.default_rng(3)
B, T, I, H = 3, 4, 2, 3  # noqa: E741
X = RNG.standard_normal((B, T, I))
MASKS: dict[str, dict[str, Any]] = {
    "no mask": {},
    "right": {"mask": np.arange(T) < np.array([4, 2, 0])[:, None]},
    "left": {"mask": np.arange(T) >= np.array([1, 0, 4])[:, None]},
    "holes": {"mask": np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 1]], bool)},
    "lengths": {"lengths": np.array([4, 1, 0])},
}
RECURRENT: dict[str, Any] = {
    "SimpleRNN": lambda **k: layers.SimpleRNN(H, dtype="float64", **k),
    "LSTM": lambda **k: layers.LSTM(H, dtype="float64", **k),
    "GRU": lambda **k: layers.GRU(H, dtype="float64", **k),
    "GRU before": lambda **k: layers.GRU(H, reset_after=False, dtype="float64", **k),
    "RNN of a cell": lambda **k: layers.RNN(layers.LSTMCell(H, use_bias=False, dtype="float64"), **k),
}
RETURNS = {
    "last": {},
    "sequence": {"return_sequences": True},
    "last and states": {"return_state": True},
    "sequence and states": {"return_sequences": True, "return_state": True},
}


def initial(layer: layers.RNN) -> list[Any]:
    return [RNG.standard_normal((B, H)) for _ in layer.state_size]


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("name", RECURRENT)
def test_what_is_returned(on: kernels.Backend, name: str, returns: str) -> None:
    layer = RECURRENT[name](**RETURNS[returns])
    check_gradients(layer, X, states=initial(layer))


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_masks_and_direction(name: str, sequences: bool, mask: str, backwards: bool, zero: bool) -> None:
    layer = RECURRENT[name](return_sequences=sequences, go_backwards=backwards, zero_output_for_mask=zero)
    check_gradients(layer, X, states=initial(layer), **MASKS[mask])


@pytest.mark.parametrize("name", RECURRENT)
def test_masks_on_every_backend(on: kernels.Backend, name: str) -> None:
    layer = RECURRENT[name](return_sequences=True, return_state=True, go_backwards=True)
    check_gradients(layer, X, states=initial(layer), **MASKS["holes"])


@pytest.mark.parametrize("mask", ["no mask", "holes"])
def test_dropout_of_inputs(mask: str) -> None:
    layer = layers.GRU(H, dropout=0.4, seed=5, return_sequences=True, dtype="float64")
    check_gradients(layer, X, training=True, **MASKS[mask])


def test_stateful_gradients_stop_at_the_kept_states() -> None:
    layer = layers.LSTM(H, stateful=True, dtype="float64")
    layer(X)
    kept = [s.copy() for s in layer.states or []]
    _, pullback = layer.forward(X)
    dx = pullback(np.ones((B, H)))
    other = layers.LSTM(H, dtype="float64")
    other.build(X.shape)
    other.set_weights(layer.get_weights())
    _, other_pullback = other.forward(X, initial_state=kept)
    np.testing.assert_array_equal(dx, other_pullback(np.ones((B, H)))[0])


@pytest.mark.parametrize("name", activations.NAMES)
def test_activations(name: str) -> None:
    # away from the corners of relu and its like
    x = np.array([[-3.7, -2.1, -1.3, -0.8], [-0.3, 0.2, 0.7, 1.4], [2.2, 3.6, 5.1, 7.3]])
    check_gradients(layers.Activation(name, dtype="float64"), x)


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "softmax", "log_softmax", "gelu", "silu"])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (2, 2, 2, 3)])
def test_dense(shape: tuple[int, ...], activation: str) -> None:
    check_gradients(layers.Dense(3, activation, dtype="float64"), RNG.standard_normal(shape))


def test_dense_without_bias() -> None:
    check_gradients(layers.Dense(3, use_bias=False, dtype="float64"), X)


def test_embedding_adds_up_what_a_row_of_the_table_gave() -> None:
    ids = np.array([[1, 0, 4], [1, 1, 2]])
    check_gradients(layers.Embedding(5, 3, dtype="float64"), ids, integers=True)


def test_masking() -> None:
    x = RNG.standard_normal((2, 3, 2))
    x[0, 1] = 0
    layer = layers.Masking(dtype="float64")
    _, pullback = layer.forward(x)
    dx = pullback(np.ones_like(x))
    assert not dx[0, 1].any()
    assert dx.sum() == x.size - 2


@pytest.mark.parametrize("case", CASES, ids=str)
def test_layers_that_do_not_recur(case: Case) -> None:
    check_gradients(case.make(layers, "float64"), case.inputs("float64"), mask=case.mask, **case.call)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.SpatialDropout1D(0.4, seed=2, dtype="float64"),
        lambda: layers.GaussianNoise(0.4, seed=2, dtype="float64"),
        lambda: layers.GaussianDropout(0.4, seed=2, dtype="float64"),
        lambda: layers.TimeDistributed(layers.Dropout(0.4, seed=2, dtype="float64")),
        lambda: layers.TimeDistributed(layers.Dropout(0.4, (1, None), seed=2, dtype="float64")),
        lambda: layers.Lambda(np.square, pullback=lambda x, y, dy: 2 * x * dy, dtype="float64"),
    ],
    ids=["SpatialDropout1D", "GaussianNoise", "GaussianDropout", "of each step", "of each step, rows alike", "Lambda"],
)
def test_layers_that_draw_or_are_given(make: Any) -> None:
    check_gradients(make(), X, training=True)


@pytest.mark.parametrize("score_mode", ["dot", "concat"])
def test_dropout_of_attention(score_mode: str) -> None:
    layer = layers.Attention(True, score_mode, dropout=0.4, seed=2, dtype="float64")
    check_gradients(layer, [X, X[:, :3] + 1], training=True, return_attention_scores=True)


def test_recurrence_inside_each_step() -> None:
    rng = np.random.default_rng(6)
    mask = np.arange(3) < np.array([[3, 1], [2, 2]])[:, :, None]
    layer = layers.TimeDistributed(layers.GRU(2, dtype="float64"))
    check_gradients(layer, rng.standard_normal((2, 2, 3, 2)), mask=mask)


@pytest.mark.parametrize("noise_shape", [None, (None, 1, None)])
def test_dropout(noise_shape: Any) -> None:
    check_gradients(layers.Dropout(0.4, noise_shape, seed=2, dtype="float64"), X, training=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.LSTM(H, return_sequences=True, dtype="float64"),
        lambda: layers.Dense(3, "softmax", dtype="float64"),
    ],
    ids=["LSTM", "Dense"],
)
def test_a_pullback_can_be_called_again_and_adds_again(make: Any) -> None:
    layer = make()
    y, pullback = layer.forward(X)
    dy = RNG.standard_normal(y.shape)
    first = pullback(dy)
    once = [w.grad.copy() for w in layer.weights]
    np.testing.assert_array_equal(pullback(dy), first)
    for w, grad in zip(layer.weights, once, strict=True):
        # a backend may add each product straight to what is there, so small sums round on the scale of large ones
        np.testing.assert_allclose(w.grad, 2 * grad, rtol=1e-14, atol=1e-15 * np.abs(grad).max())
    assert pullback(dy, need_dx=False) is None


def test_missing_gradients_of_states_are_zeros() -> None:
    layer = layers.LSTM(H, return_state=True, return_sequences=True, dtype="float64")
    (y, h, c), pullback = layer.forward(X)
    np.testing.assert_array_equal(
        pullback([np.ones_like(y), None, None]), pullback([np.ones_like(y), np.zeros_like(h), np.zeros_like(c)])
    )
    np.testing.assert_array_equal(pullback([None, None, None]), np.zeros_like(X))


@pytest.mark.parametrize("make", [RECURRENT["GRU"], lambda: layers.Dense(3, dtype="float64")], ids=["GRU", "Dense"])
def test_a_frozen_layer_gets_no_gradient_but_passes_one_on(make: Any) -> None:
    layer = make()
    y, pullback = layer.forward(X)
    dx = pullback(np.ones_like(y))
    for w in layer.weights:
        w.zero_grad()
    layer.trainable = False
    np.testing.assert_array_equal(pullback(np.ones_like(y)), dx)
    assert not any(w.grad.any() for w in layer.weights)
    assert layer.trainable_weights == []
    layer.trainable = True
    layer.weights[0].trainable = False
    pullback(np.ones_like(y))
    assert [w.grad.any() for w in layer.weights] == [False, *[True] * (len(layer.weights) - 1)]


def test_dense_refuses_a_pullback_after_its_kernel_changed() -> None:
    layer = layers.Dense(3)
    y, pullback = layer.forward(X)
    layer.kernel.assign(np.zeros(layer.kernel.shape))
    with pytest.raises(RuntimeError, match="dense/kernel changed between forward and its pullback"):
        pullback(np.ones_like(y))


def test_recurrent_pullback_uses_the_weights_of_its_forward() -> None:
    layer = RECURRENT["LSTM"]()
    _, pullback = layer.forward(X)
    dx = pullback(np.ones((B, H)))
    layer.set_weights([0 * w for w in layer.get_weights()])
    np.testing.assert_array_equal(pullback(np.ones((B, H))), dx)
