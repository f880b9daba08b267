"""Arrays of numpy.ma with masked values are refused wherever arrays come in: their masks would be lost in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, layers, losses, math, metrics, optimizers, sampling, utils

X, Y = np.ones((3, 4, 2)), np.ones((3, 1))


def masked(a: Any) -> Any:
    return np.ma.masked_array(np.asarray(a, float), mask=np.arange(np.size(a)).reshape(np.shape(a)) == 0)


def net() -> Sequential:
    model = Sequential([Input((None, 2)), layers.GRU(2), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def step(cell: Any) -> Any:
    return cell(masked(np.ones((3, 2))), cell.get_initial_state(3))


def stream() -> Any:
    return net().stream(3).step(masked(np.ones((3, 2))))


def applied() -> None:
    model = net()
    optimizers.SGD().apply([masked(w.value) for w in model.trainable_weights], model.trainable_weights)


WAYS: dict[str, Callable[[], Any]] = {
    "call": lambda: net()(masked(X)),
    "predict": lambda: net().predict(masked(X)),
    "list": lambda: net().predict(list(masked(X))),
    "fit x": lambda: net().fit(masked(X), Y, verbose=0),
    "fit y": lambda: net().fit(X, masked(Y), verbose=0),
    "fit weights": lambda: net().fit(X, Y, sample_weight=masked(np.ones(3)), verbose=0),
    "validation": lambda: net().fit(X, Y, validation_data=(X, masked(Y)), verbose=0),
    "batches": lambda: net().fit(iter([(masked(X), Y)]), verbose=0),
    "train_on_batch": lambda: net().train_on_batch(X, masked(Y)),
    "evaluate": lambda: net().evaluate(masked(X), Y, verbose=0),
    "gradients": lambda: net().gradients(masked(X), Y),
    "mask": lambda: layers.GRU(2)(X, mask=masked(np.ones((3, 4)))),
    "lengths": lambda: layers.GRU(2)(X, lengths=np.ma.masked_array([1, 2, 3], mask=[1, 0, 0])),
    "states": lambda: layers.GRU(2)(X, initial_state=[masked(np.ones((3, 2)))]),
    "layer": lambda: layers.Dense(2)(masked(X)),
    "layer of a list": lambda: layers.GRU(2)(list(masked(X))),
    "embedding": lambda: layers.Embedding(3, 2)(masked(np.ones((2, 2)))),
    "pullback": lambda: layers.Dense(1).forward(X)[1](masked(np.ones((3, 4, 1)))),
    "cell": lambda: step(layers.GRUCell(2)),
    "stream": stream,
    "set_weights": lambda: net().set_weights([masked(w) for w in net().get_weights()]),
    "assign": lambda: net().weights[0].assign(masked(net().weights[0].value)),
    "table": lambda: layers.Embedding(3, 2, weights=masked(np.ones((3, 2)))),
    "grads": applied,
    "loss y": lambda: losses.MeanSquaredError()(masked(Y), Y),
    "loss p": lambda: losses.MeanSquaredError()(Y, masked(Y)),
    "loss weights": lambda: losses.MeanSquaredError()(Y, Y, masked(np.ones(3))),
    "loss function": lambda: losses.mean_squared_error(masked(Y), Y),
    "metric": lambda: metrics.MeanSquaredError()(Y, masked(Y)),
    "mean": lambda: metrics.Mean()(masked(Y)),
    "auc": lambda: metrics.AUC()(masked(Y), Y),
    "accuracy": lambda: metrics.BinaryAccuracy()(masked(Y), Y),
    "math": lambda: math.sum(masked(X)),
    "to_categorical": lambda: utils.to_categorical(masked([1, 2])),
    "normalize": lambda: utils.normalize(masked(X)),
    "windows": lambda: utils.timeseries_dataset_from_array(masked(np.ones(9)), None, 3),
    "sampling": lambda: sampling.sample(masked(np.ones(3))),
}


@pytest.mark.parametrize("way", WAYS)
def test_masked_values_are_refused(way: str) -> None:
    with pytest.raises(
        TypeError, match=r"to have no masked values, got a masked array: np.ma.filled\(.*, 0\) gives them"
    ):
        WAYS[way]()


def test_whole_numbers_alone_are_ids() -> None:
    for model in (layers.Embedding(5, 2), Sequential([Input((2,)), layers.Embedding(5, 2)])):
        with pytest.raises(ValueError, match="expected x to hold integers, got fractions, NaN or infinity"):
            model(np.array([[1.5, 2.0]]))
        np.testing.assert_array_equal(model(np.array([[1.0, 2.0]])), model(np.array([[1, 2]])))


def test_targets_are_not_broadcast() -> None:
    model = Sequential([Input((3,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"y_true must have the shape \(4, 2\) of y_pred, got \(4, 1\)"):
        model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)


def test_without_masked_values_it_is_an_array() -> None:
    whole = np.ma.masked_array(X, mask=np.zeros(X.shape, bool))
    model = net()
    np.testing.assert_array_equal(model.predict(whole), model.predict(X))
    assert type(model(whole)) is np.ndarray
