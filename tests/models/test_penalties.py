"""Regularizers and constraints in training: the loss, the gradients, the order of clipping and of constraints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nets import X, Y

from cellstep import constraints, layers, optimizers, regularizers
from cellstep.models import Sequential

KERNEL = np.array([[1.0, -2.0], [0.5, 0.25], [-1.0, 3.0]])


def dense(**options: Any) -> Sequential:
    net = Sequential([layers.Input((3,)), layers.Dense(2, dtype="float64", **options)])
    net.set_weights([KERNEL, [0.5, -0.5]])
    return net


def test_penalties_are_in_the_loss_and_in_the_gradient() -> None:
    plain, net = dense(), dense(kernel_regularizer=regularizers.L2(0.1), bias_regularizer="l1")
    for model in (plain, net):
        model.compile(optimizers.SGD(0.5), "mse")
    extra = 0.1 * np.square(KERNEL).sum() + 0.01
    np.testing.assert_allclose(net.losses, [extra - 0.01, 0.01])
    assert plain.losses == []
    np.testing.assert_allclose(net.evaluate(X, Y, verbose=0), plain.evaluate(X, Y, verbose=0) + extra)
    np.testing.assert_allclose(net.train_on_batch(X, Y), plain.train_on_batch(X, Y) + extra)
    kernel, bias = (a - b for a, b in zip(net.get_weights(), plain.get_weights(), strict=True))
    np.testing.assert_allclose(kernel, -0.5 * 0.2 * KERNEL, atol=1e-15)
    np.testing.assert_allclose(bias, -0.5 * 0.01 * np.array([1, -1]), atol=1e-15)


def test_a_frozen_weight_is_not_penalized() -> None:
    net = dense(kernel_regularizer="l2")
    net.trainable = False
    assert net.losses == []


def test_clipping_sees_the_penalty() -> None:
    net = dense(kernel_regularizer=regularizers.L2(1e6))
    net.compile(optimizers.SGD(1.0, clipnorm=1.0), "mse")
    net.train_on_batch(X, Y)
    moved = net.get_weights()[0] - KERNEL
    np.testing.assert_allclose(moved, -KERNEL / np.linalg.norm(KERNEL), atol=1e-5)


def test_constraints_hold_after_every_step() -> None:
    net = dense(kernel_constraint=constraints.UnitNorm(), bias_constraint="non_neg")
    net.compile(optimizers.Adam(0.3), "mse")
    assert not np.allclose(np.linalg.norm(net.get_weights()[0], axis=0), 1)
    for _ in range(3):
        net.train_on_batch(X, Y)
        kernel, bias = net.get_weights()
        np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 1, rtol=1e-6)
        assert (bias >= 0).all()


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_recurrent_layers_hand_them_to_their_weights(kind: Any) -> None:
    layer = kind(4, kernel_regularizer="l1", recurrent_regularizer="l2", bias_constraint=constraints.MaxNorm(0.0))
    assert isinstance(layer.kernel_regularizer, regularizers.L1)
    net = Sequential([layers.Input((None, 3)), layer])
    assert [type(w.regularizer).__name__ for w in layer.weights] == ["L1", "L2", "NoneType"]
    assert len(net.losses) == 2
    net.compile("sgd", "mse")
    net.train_on_batch(X.reshape(2, 5, 3), np.zeros((2, 4)))
    assert not layer.get_weights()[2].any()


def test_an_embedding_too() -> None:
    layer = layers.Embedding(4, 3, embeddings_regularizer="l2", embeddings_constraint="unit_norm")
    layer.build((None,))
    assert isinstance(layer.embeddings.regularizer, regularizers.L2)
    assert isinstance(layer.embeddings.constraint, constraints.UnitNorm)
