"""Losses of the user's: functions of tensors, functions with a gradient, classes with `call`."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import X, Y, linear

from cellstep import layers, losses, math, metrics, models, ops, saving

RNG = np.random.default_rng(7)
P, T = RNG.standard_normal((4, 5, 3)), RNG.standard_normal((4, 5, 3))


def squares(y_true: Any, y_pred: Any) -> Any:
    return math.mean(math.square(y_true - y_pred), axis=-1)


def places(y_true: Any, y_pred: Any) -> Any:
    return (y_true - y_pred) ** 2


def whole(y_true: Any, y_pred: Any) -> Any:
    return math.mean((y_true - y_pred) ** 2)


def by_hand(y_true: Any, y_pred: Any) -> Any:
    gap = y_pred - y_true
    return (gap**2).mean(axis=-1), 2 * gap / gap.shape[-1]


def by_numpy(y_true: Any, y_pred: Any) -> Any:
    return np.square(y_true - y_pred).mean(axis=-1)


class Squares(losses.Loss):
    """As a user of Keras writes it."""

    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.factor * math.mean(math.square(y_true - y_pred), axis=-1)


WEIGHTS = {"none": None, "rows": RNG.uniform(0, 2, 4), "steps": RNG.uniform(0, 2, (4, 5)) * (RNG.random((4, 5)) > 0.3)}
MASK = np.arange(5) < np.array([5, 2, 0, 4])[:, None]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("loss", [squares, places, by_hand, Squares()])
def test_a_mean_square_of_ones_own_is_that_of_the_package(loss: Any, weights: str, masked: bool) -> None:
    mask, given = (MASK if masked else None), WEIGHTS[weights]
    p = P.copy()
    if masked:
        p[~MASK] = np.nan
    wanted = losses.MeanSquaredError().value_and_grad(T, p, given, mask)
    found = losses.get(loss).value_and_grad(T, p, given, mask)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-12)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-12, atol=1e-15)


def test_one_number_for_a_batch() -> None:
    value, gradient = losses.get(whole).value_and_grad(T, P)
    wanted = losses.MeanSquaredError().value_and_grad(T, P)
    np.testing.assert_allclose(value, wanted[0])
    np.testing.assert_allclose(gradient, wanted[1], rtol=1e-12)
    # such a loss has seen to masks itself; weights count by their mean, as in Keras
    np.testing.assert_allclose(losses.get(whole)(T, P, WEIGHTS["steps"]), wanted[0] * np.mean(WEIGHTS["steps"]))
    np.testing.assert_allclose(losses.get(whole)(T, P, WEIGHTS["rows"], MASK), wanted[0] * np.mean(WEIGHTS["rows"]))


def padded(y_true: Any, y_pred: Any) -> Any:
    """The loss of the steps whose target is not 0, as tutorials on translation and on tagging write it."""
    values = losses.SparseCategoricalCrossentropy(reduction="none")(y_true, y_pred)
    mask = ops.cast(y_true != 0, values.dtype)
    return ops.sum(values * mask) / ops.sum(mask)


def padded_accuracy(y_true: Any, y_pred: Any) -> Any:
    found = ops.argmax(y_pred, axis=-1)
    mask = y_true != 0
    return ops.sum(ops.cast((ops.cast(y_true, found.dtype) == found) & mask, "float32")) / np.sum(mask)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("weights", "value"), [(None, 0.90822196), (np.arange(8.0), 3.1787767), (np.arange(40.0).reshape(8, 5), 17.710327)]
)
def test_a_loss_and_a_metric_that_see_to_padding_themselves(masked: bool, weights: Any, value: float) -> None:
    """With Keras's values, which it gives for outputs without a mask; with one it finds no shapes that go together."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, (8, 5))
    x[:, 3:] = 0
    y = rng.integers(0, 3, (8, 5))
    model = models.Sequential(
        [layers.Input((5,)), layers.Embedding(6, 3, mask_zero=masked), layers.Dense(3, "softmax")]
    )
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    model.compile("sgd", padded, metrics=[padded_accuracy])
    logs = model.fit(x, y, sample_weight=weights, batch_size=8, verbose=0).history
    np.testing.assert_allclose([logs["loss"][0], logs["padded_accuracy"][0]], [value, 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        lambda y, p: ops.mean(ops.where(y == 1, 1 - p, p) ** 2, axis=-1),
        lambda y, p: ops.mean(ops.where(y != 1, p, 1 - p) ** 2, axis=-1),
        lambda y, p: ops.mean(ops.where((y == 1) & (p == p + 0.0), 1 - p, p) ** 2, axis=-1),
    ],
)
def test_tensors_are_compared_by_values_in_losses(loss: Any) -> None:
    y = (T > 0).astype(float)
    value, gradient = losses.get(loss).value_and_grad(y, P)
    np.testing.assert_allclose(value, np.mean((y - P) ** 2))
    np.testing.assert_allclose(gradient, 2 * (P - y) / P.size)


def test_training_by_functions_is_training_by_the_loss() -> None:
    nets = [linear() for _ in range(4)]
    for net, loss in zip(nets, ("mse", squares, by_hand, losses.mean_squared_error), strict=True):
        net.set_weights(nets[0].get_weights())
        net.compile("sgd", loss)
    logs = [net.fit(X, Y, epochs=2, verbose=0, shuffle=False, batch_size=4).history["loss"] for net in nets]
    for log, net in zip(logs, nets, strict=True):
        np.testing.assert_allclose(log, logs[0], rtol=1e-6)
        np.testing.assert_allclose(net.get_weights()[0], nets[0].get_weights()[0], rtol=1e-6)


def test_a_model_with_a_loss_of_ones_own_is_copied_and_saved(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    net = linear()
    for loss in (squares, Squares(2.0)):
        net.compile("sgd", loss)
        first = net.test_on_batch(X, Y)
        for again in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
            assert again.test_on_batch(X, Y) == first
    net.compile("sgd", squares)
    net.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"loss must be a known function, got 'squares': .*; compile=False loads"):
        saving.load_model(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras", {"squares": squares})
    assert again.test_on_batch(X, Y) == net.test_on_batch(X, Y)
    known = saving.register_keras_serializable("tests")(squares)
    net.compile("sgd", known)
    net.save(tmp_path / "m.keras")
    assert saving.load_model(tmp_path / "m.keras").test_on_batch(X, Y) == net.test_on_batch(X, Y)
    net.compile("sgd", losses.mean_absolute_error)
    net.save(tmp_path / "m.keras")
    assert isinstance(saving.load_model(tmp_path / "m.keras").loss, losses.MeanAbsoluteError)


def test_losses_as_functions_of_arrays() -> None:
    np.testing.assert_array_equal(losses.mse(T, P), losses.MeanSquaredError().values(T, P))
    np.testing.assert_array_equal(losses.huber(T, P, delta=0.5), losses.Huber(0.5).values(T, P))


def test_targets_come_in_the_rank_of_the_predictions() -> None:
    seen = []

    def loss(y_true: Any, y_pred: Any) -> Any:
        seen.append((y_true.shape, str(y_true.dtype)))
        return math.mean((y_true - y_pred) ** 2, axis=-1)

    wanted = losses.MeanSquaredError()([1, 2], [[0.5], [1.0]])
    assert losses.get(loss)(np.array([1, 2]), np.array([[0.5], [1.0]], "float32")) == np.float32(wanted)
    assert seen == [((None, 1), "float32")]


def test_a_function_of_tensors_is_a_metric_too() -> None:
    metric = metrics.get(squares)
    metric.update_state(T, P)
    np.testing.assert_allclose(metric.result(), ((T - P) ** 2).mean())


def branch(y_true: Any, y_pred: Any) -> Any:
    return y_pred if y_true > 0 else -y_pred


def mistaken(y_true: Any, y_pred: Any) -> Any:
    return (y_true - y_pred).median()


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: losses.get(by_numpy)(T, P), TypeError, "loss by_numpy must have a gradient: write it with"),
        (lambda: losses.get(lambda t, p: (t, t[0]))(T, P), TypeError, r"got a gradient of shape \(5, 3\)"),
        (lambda: losses.get(lambda t, p: (by_hand(t, p)[0].T, t))(T, P), ValueError, r"give values of shape \(4, 5\)"),
        (lambda: losses.get(mistaken)(T, P), AttributeError, "median"),
        (lambda: losses.get(squares)(T[:2], P), ValueError, "y_true must have 4 rows, as y_pred has, got 2"),
        (lambda: losses.Loss()(T, P), NotImplementedError, r"Loss must write call\(y_true, y_pred\) with functions of"),
        (lambda: losses.FunctionLoss("mse"), TypeError, "fn must be a function of"),
    ],
)
def test_errors(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()
