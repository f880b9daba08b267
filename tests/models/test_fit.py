"""fit, evaluate, predict and the batch methods: Keras's numbers, data of every kind, History, learning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_cases as cases
from nets import X, Y, linear

from cellstep import optimizers, seeds
from cellstep.callbacks import Callback, EarlyStopping, History
from cellstep.layers import GRU, LSTM, Dense, Embedding, Input
from cellstep.models import Sequential

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())["fit"]


class Seen(Callback):
    """Notes every hook; keeps logs."""

    def __init__(self) -> None:
        self.hooks: list[str] = []
        self.logs: list[Any] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_"):
            self.hooks.append(name)
        return super().__getattribute__(name)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.logs.append(logs)


def test_training_follows_keras_step_by_step() -> None:
    layers = [
        Input((5,)),
        Embedding(5, 2, mask_zero=True, dtype="float64"),
        LSTM(3, return_sequences=True, dtype="float64"),
        Dense(3, activation="softmax", dtype="float64"),
    ]
    net = Sequential(layers)
    net.set_weights(cases.TAGGER)
    net.compile(optimizers.Adam(0.05), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    history = net.fit(cases.TOKENS, cases.LABELS, sample_weight=cases.WEIGHTS, **cases.FIT).history
    assert list(history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    for name, values in GOLDEN["history"].items():
        np.testing.assert_allclose(history[name], values, rtol=1e-6, err_msg=name)
    for w, values in zip(net.weights, GOLDEN["weights"], strict=True):
        np.testing.assert_allclose(w.value.ravel(), values, rtol=1e-5, atol=1e-7, err_msg=w.path)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_a_recurrent_model_learns_which_symbol_came_first(optimizer: str) -> None:
    seeds.set_random_seed(3)
    rng = np.random.default_rng(1)
    x = rng.integers(1, 5, (256, 6))
    x[np.arange(6) >= rng.integers(2, 7, 256)[:, None]] = 0
    y = (x[:, 0] > 2) * 1
    net = Sequential([Embedding(5, 4, mask_zero=True), GRU(8), Dense(1, activation="sigmoid")])
    rate = {"adam": 0.02, "rmsprop": 0.02, "sgd": 1.0}[optimizer]
    chosen = optimizers.get(optimizer)
    chosen.learning_rate = rate
    net.compile(chosen, "binary_crossentropy", metrics=["accuracy"])
    history = net.fit(x, y, epochs=20, verbose=0, validation_split=0.25).history
    assert history["val_accuracy"][-1] > 0.95
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert ((net.predict(x)[:, 0] > 0.5) == y).mean() > 0.95


def test_history_says_what_was_run() -> None:
    net = linear(metrics=["mae"])
    history = net.fit(X, Y, batch_size=4, epochs=5, initial_epoch=2, verbose=0, validation_data=(X, Y))
    assert isinstance(history, History)
    assert net.history is history
    assert history.epoch == [2, 3, 4]
    assert history.params == {"verbose": 0, "epochs": 5, "steps": 3}
    assert {name: len(values) for name, values in history.history.items()} == dict.fromkeys(
        ("loss", "mae", "val_loss", "val_mae"), 3
    )
    assert all(isinstance(v, float) for values in history.history.values() for v in values)
    given = History()
    assert net.fit(X, Y, verbose=0, callbacks=[given]) is given


def test_a_step_is_gradient_descent() -> None:
    net = linear()
    W, b = net.get_weights()
    error = X @ W + b - Y
    loss = net.train_on_batch(X, Y)
    np.testing.assert_allclose(loss, (error**2).mean())
    np.testing.assert_allclose(net.get_weights()[0], W - 0.1 * X.T @ error * 2 / error.size)
    np.testing.assert_allclose(net.get_weights()[1], b - 0.1 * error.sum(0) * 2 / error.size)


def test_the_last_rows_are_kept_for_validation_before_shuffling() -> None:
    net, other = linear(), linear()
    split = net.fit(X, Y, epochs=2, verbose=0, validation_split=0.3, shuffle=False).history
    given = other.fit(X[:7], Y[:7], epochs=2, verbose=0, validation_data=(X[7:], Y[7:]), shuffle=False).history
    assert split == given


def test_shuffling_changes_the_order_and_a_seed_repeats_it() -> None:
    def run(seed: int, shuffle: bool = True) -> Any:
        seeds.set_random_seed(seed)
        net = linear()
        net.fit(X, Y, batch_size=2, epochs=2, verbose=0, shuffle=shuffle)
        return net.get_weights()[0]

    assert np.array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))
    assert np.array_equal(run(1, shuffle=False), run(2, shuffle=False))


def test_rows_stay_together_when_shuffled() -> None:
    seen: list[Any] = []
    net = linear(metrics=[lambda y_true, y_pred: seen.append(y_true.copy()) or np.zeros(len(y_true))])
    net.fit(X, X[:, :2], batch_size=3, verbose=0, sample_weight=np.ones(10))
    rows = np.concatenate(seen)
    assert sorted(rows.tolist()) == sorted(X[:, :2].tolist())
    assert not np.array_equal(rows, X[:, :2])


def test_weights_of_rows_and_of_classes() -> None:
    labels = np.arange(10) % 3
    weights = np.array([1.0, 2.0, 0.5])[labels]

    def run(**options: Any) -> Any:
        net = Sequential([Input((3,)), Dense(3, activation="softmax", dtype="float64")])
        net.set_weights([cases.spread(3, 3) / 4, np.zeros(3)])
        one_hot = options.pop("one_hot", False)
        net.compile("sgd", "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy")
        return net.fit(X, np.eye(3)[labels] if one_hot else labels, verbose=0, shuffle=False, **options).history

    by_row = run(sample_weight=weights)
    assert run(class_weight={1: 2.0, 2: 0.5}) == by_row
    np.testing.assert_allclose(run(class_weight={1: 2.0, 2: 0.5}, one_hot=True)["loss"], by_row["loss"])
    assert run() != by_row


def test_a_batch_given_class_weights_is_the_batch_given_weights() -> None:
    nets = [Sequential([Input((3,)), Dense(1, activation="sigmoid", dtype="float64")]) for _ in range(2)]
    y = np.arange(10) % 2
    for net in nets:
        net.set_weights([cases.spread(3, 1), np.zeros(1)])
        net.compile("sgd", "binary_crossentropy", weighted_metrics=["accuracy"])
    first = nets[0].train_on_batch(X, y, class_weight={0: 3.0}, return_dict=True)
    assert first == nets[1].train_on_batch(X, y, sample_weight=np.where(y, 1.0, 3.0), return_dict=True)
    assert list(first) == ["accuracy", "loss"]


def test_results_come_in_the_order_of_the_metrics() -> None:
    net = linear(metrics=["mse", "mae"], weighted_metrics=["mae", "mse"])
    assert net.metrics_names == ["loss"]
    loss, mse, mae, weighted_mae, weighted_mse = net.evaluate(X, Y, verbose=0, sample_weight=np.arange(10))
    assert net.metrics_names == ["loss", "mse", "mae", "weighted_mae", "weighted_mse"]
    d = X @ net.get_weights()[0] - Y
    np.testing.assert_allclose([mse, mae], [(d**2).mean(), np.abs(d).mean()])
    np.testing.assert_allclose(weighted_mae, (np.abs(d).mean(-1) * np.arange(10)).sum() / 45)
    np.testing.assert_allclose(loss, ((d**2).mean(-1) * np.arange(10)).mean())
    np.testing.assert_allclose(weighted_mse * 45, loss * 10)
    assert net.evaluate(X, Y, verbose=0, return_dict=True)["mse"] == mse
    assert net.test_on_batch(X, Y)[0] == pytest.approx(mse)
    assert isinstance(linear().evaluate(X, Y, verbose=0), float)


def test_metrics_start_again_with_each_epoch_and_batch() -> None:
    net = linear(metrics=["mae"])
    net.optimizer.learning_rate = 0.0  # type: ignore[union-attr]
    history = net.fit(X, Y, epochs=3, verbose=0).history
    assert np.ptp(history["mae"]) < 1e-12
    assert net.train_on_batch(X[:2], Y[:2]) == net.train_on_batch(X[:2], Y[:2])


def test_validation_can_be_rare() -> None:
    for freq, wanted in ((2, [1, 3]), ([1, 4], [0, 3])):
        seen = Seen()
        linear().fit(X, Y, epochs=4, verbose=0, validation_data=(X, Y), validation_freq=freq, callbacks=seen)
        assert [i for i, logs in enumerate(seen.logs) if "val_loss" in logs] == wanted


def test_hooks_come_in_order() -> None:
    seen = Seen()
    linear().fit(X, Y, batch_size=5, verbose=0, validation_data=(X, Y), callbacks=[seen])
    batch = ["on_train_batch_begin", "on_batch_begin", "on_train_batch_end", "on_batch_end"]
    test = ["on_test_begin", *["on_test_batch_begin", "on_test_batch_end"] * 2, "on_test_end"]
    assert seen.hooks == ["on_train_begin", "on_epoch_begin", *batch * 2, *test, "on_epoch_end", "on_train_end"]
    seen.hooks.clear()
    linear().predict(X, callbacks=[seen], verbose=0)
    assert seen.hooks == ["on_predict_begin", "on_predict_batch_begin", "on_predict_batch_end", "on_predict_end"]


def test_a_callback_can_stop_training() -> None:
    class Stop(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = batch == 1

    history = linear().fit(X, Y, batch_size=2, epochs=5, verbose=0, callbacks=Stop())
    assert history.epoch == [0]


def test_early_stopping_keeps_the_best_weights() -> None:
    class Spoil(Callback):
        """Raises the learning rate so far that training diverges after two epochs."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 0.05 if epoch < 1 else 50.0

    net = linear()
    stopping = EarlyStopping("loss", patience=2, restore_best_weights=True)
    history = net.fit(X, Y, batch_size=5, epochs=50, verbose=0, callbacks=[Spoil(), stopping], shuffle=False)
    assert len(history.epoch) == np.argmin(history.history["loss"]) + 3
    assert net.evaluate(X, Y, verbose=0) < 1e3 * min(history.history["loss"])
    assert EarlyStopping("val_accuracy", mode="max").better(0.5, 0.4)
    with pytest.raises(ValueError, match="mode must be 'min' or 'max'"):
        linear(metrics=[lambda a, b: np.zeros(len(a))]).fit(
            *(X, Y), epochs=2, verbose=0, callbacks=[EarlyStopping("<lambda>")]
        )
    with pytest.warns(UserWarning, match="monitors 'val_loss', which is not among: loss"):
        net.fit(X, Y, verbose=0, callbacks=[EarlyStopping()])


@pytest.mark.parametrize("size", [1, 3, 10, 32])
def test_predictions_do_not_depend_on_the_batch_size(size: int) -> None:
    net = linear()
    np.testing.assert_allclose(net.predict(X, batch_size=size), net(X), rtol=1e-12)
    assert net.predict(X[:0], batch_size=size).shape == (0, 2)
    assert net.predict(X.tolist()).shape == (10, 2)
    np.testing.assert_allclose(net.predict_on_batch(X), net(X))


def test_no_rows_through_a_recurrent_model() -> None:
    net = Sequential([Embedding(5, 2, mask_zero=True), LSTM(3, return_sequences=True), Dense(2)])
    assert net.predict(np.zeros((0, 4), int)).shape == (0, 4, 2)


def test_frozen_layers_stay_and_thaw() -> None:
    net = Sequential([Input((3,)), Dense(4), Dense(2)])
    net.compile("adam", "mse")
    net.train_on_batch(X, Y)
    net.layers[0].trainable = False
    before = net.get_weights()
    net.train_on_batch(X, Y)
    same = [np.array_equal(a, b) for a, b in zip(before, net.get_weights(), strict=True)]
    assert same == [True, True, False, False]
    net.layers[0].trainable = True
    net.train_on_batch(X, Y)
    assert not np.array_equal(before[0], net.get_weights()[0])


def test_a_model_can_be_compiled_again() -> None:
    net = linear()
    net.train_on_batch(X, Y)
    weights = net.get_weights()
    net.compile("adam", "mae", metrics=["mse"])
    assert all(np.array_equal(a, b) for a, b in zip(weights, net.get_weights(), strict=True))
    assert len(net.train_on_batch(X, Y)) == 2
