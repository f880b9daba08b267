"""Callbacks: what they write, when they save, how they set the learning rate, and runs that are taken up again."""

from __future__ import annotations

import csv
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import X, Y, linear

from cellstep import callbacks, layers, optimizers
from cellstep.models import Sequential, load_model

FIT: dict[str, Any] = {"batch_size": 5, "verbose": 0, "shuffle": False}


class Logs(callbacks.Callback):
    """Puts values of its own into the logs."""

    def __init__(self, **values: list[float]) -> None:
        self.values = values

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs |= {name: values[epoch] for name, values in self.values.items()}


class Cut(callbacks.Callback):
    """Interrupts training."""

    def __init__(self, at: int) -> None:
        self.at = at

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.at:
            raise KeyboardInterrupt


def test_the_best_weights_are_saved_and_read(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    net, path = linear(), tmp_path / "sub" / "best.weights.h5"
    kept: list[Any] = []
    watch = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(net.get_weights()))
    saving = callbacks.ModelCheckpoint(path, "score", save_best_only=True, save_weights_only=True, mode="max")
    net.fit(X, Y, epochs=4, callbacks=[watch, Logs(score=[0.1, 0.5, 0.4, 0.5]), saving], **FIT)
    other = linear()
    other.load_weights(path)
    for a, b in zip(other.get_weights(), kept[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert [p.name for p in path.parent.iterdir()] == ["best.weights.h5"]


def test_a_whole_model_is_saved_with_its_optimizer(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    net = linear()
    net.fit(X, Y, epochs=2, callbacks=callbacks.ModelCheckpoint(tmp_path / "{epoch}-{loss:.1f}.keras"), **FIT)
    files = sorted(tmp_path.iterdir())
    assert [f.name[:2] for f in files] == ["1-", "2-"]
    again = load_model(files[1])
    np.testing.assert_array_equal(again.predict(X, verbose=0), net.predict(X, verbose=0))
    assert again.train_on_batch(X, Y) == net.train_on_batch(X, Y)
    np.testing.assert_array_equal(again.get_weights()[0], net.get_weights()[0])


def test_saving_by_batches(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    saving = callbacks.ModelCheckpoint(tmp_path / "{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=3)
    linear().fit(X, Y, epochs=3, callbacks=saving, **FIT)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["2-1.weights.h5", "3-2.weights.h5"]


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def net() -> Sequential:
        made = linear()
        made.compile(optimizers.Adam(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)), "mse")
        return made

    whole, first, second = net(), net(), net()
    whole.fit(X, Y, epochs=5, **FIT)
    with pytest.raises(KeyboardInterrupt):
        first.fit(X, Y, epochs=5, callbacks=[callbacks.BackupAndRestore(tmp_path / "b"), Cut(3)], **FIT)
    backup = callbacks.BackupAndRestore(tmp_path / "b", double_checkpoint=True)
    history = second.fit(X, Y, epochs=5, callbacks=backup, **FIT)
    assert history.epoch == [0, 1, 2, 3, 4]
    assert history.history == whole.history.history
    for a, b in zip(second.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert list((tmp_path / "b").iterdir()) == []
    assert second.fit(X, Y, epochs=1, **FIT).epoch == [0]


def test_the_learning_rate_falls_on_a_plateau() -> None:
    net = linear()
    plateau = callbacks.ReduceLROnPlateau("score", 0.5, patience=2, mode="min", cooldown=1, min_lr=0.03)
    scores = [1.0, 0.9, 0.9, 0.95, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    history = net.fit(X, Y, epochs=10, callbacks=[Logs(score=scores), plateau], **FIT).history
    np.testing.assert_allclose(history["learning_rate"], [0.1] * 4 + [0.05] * 2 + [0.03] * 4)


@pytest.mark.parametrize("schedule", [lambda epoch, rate: rate / 2, lambda epoch: 0.1 / 2 ** (epoch + 1)])
def test_the_learning_rate_follows_a_function(schedule: Any) -> None:
    history = linear().fit(X, Y, epochs=3, callbacks=callbacks.LearningRateScheduler(schedule), **FIT).history
    np.testing.assert_allclose(history["learning_rate"], [0.05, 0.025, 0.0125])


def test_lines_of_a_csv_file(tmp_path: Path) -> None:
    path, net = tmp_path / "log.csv", linear(metrics=["mae"])
    for _ in range(2):
        history = net.fit(X, Y, epochs=2, callbacks=callbacks.CSVLogger(path, append=True), **FIT).history
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert [row["epoch"] for row in rows] == ["0", "1", "0", "1"]
    assert float(rows[3]["loss"]) == history["loss"][1]
    assert rows[0]["val_loss"] == "NA"


def test_training_ends_at_nan() -> None:
    net, y = linear(), Y.copy()
    y[7] = np.nan
    history = net.fit(X, y, epochs=3, callbacks=callbacks.TerminateOnNaN(), **FIT)
    assert history.epoch == [0]


def test_averages_of_the_weights_are_in_the_model_when_fit_ends() -> None:
    net = linear()
    net.compile(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
    seen: list[Any] = []
    record = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(net.get_weights()[0]))
    net.fit(X, Y, callbacks=record, **FIT)
    np.testing.assert_allclose(net.get_weights()[0], 0.5 * seen[0] + 0.5 * seen[1])


def test_a_scaled_loss_trains_as_a_plain_one() -> None:
    nets = []
    for scale in (None, 64.0):
        net = Sequential([layers.Input((3,)), layers.Dense(2, kernel_regularizer="l2", dtype="float64")])
        net.set_weights(linear().get_weights())
        net.compile(optimizers.SGD(0.1, loss_scale_factor=scale), "mse")
        net.fit(X, Y, **FIT)
        nets.append(net)
    np.testing.assert_allclose(nets[1].get_weights()[0], nets[0].get_weights()[0], rtol=1e-14)


def test_tensorboard_writes_where_there_is_a_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []

    class SummaryWriter:
        def __init__(self, place: str) -> None:
            self.place = Path(place).name

        def add_scalar(self, *what: Any) -> None:
            written.append((self.place, *what))

        def close(self) -> None:
            written.append((self.place, "closed"))

    module = types.ModuleType("tensorboardX")
    module.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    board = callbacks.TensorBoard(tmp_path, update_freq=2)
    history = linear().fit(X, Y, validation_data=(X, Y), callbacks=board, **FIT).history
    assert [w[:2] for w in written] == [
        *(("train", "batch_loss"), ("train", "epoch_loss"), ("validation", "epoch_loss")),
        *(("train", "closed"), ("validation", "closed")),
    ]
    assert written[2] == ("validation", "epoch_loss", history["val_loss"][0], 0)
    for name in callbacks.TensorBoard._WRITERS:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'cellstep\[tensorboard\]'"):
        linear().fit(X, Y, callbacks=callbacks.TensorBoard(tmp_path), **FIT)


def scheduled() -> Sequential:
    net = linear()
    net.compile(optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 5)), "mse")
    return net


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda c: c.ModelCheckpoint("a.pkl"), ValueError, "filepath must end in .keras .*got 'a.pkl'"),
        (lambda c: c.ModelCheckpoint("a.h5", save_weights_only=True), ValueError, "filepath must end in .weights.h5"),
        (lambda c: c.ModelCheckpoint("a.keras", save_freq=0), ValueError, "save_freq must be 'epoch' or a.*got 0"),
        (lambda c: c.BackupAndRestore(""), ValueError, "backup_dir must name a directory"),
        (lambda c: c.ReduceLROnPlateau(factor=1.0), ValueError, "factor must be above 0 and below 1, got 1.0"),
        (lambda c: c.ReduceLROnPlateau(mode="up"), ValueError, "mode must be 'auto', 'min' or 'max', got 'up'"),
        (lambda c: c.LearningRateScheduler(0.1), TypeError, "schedule must be a function.*got 0.1"),
        (lambda c: c.LambdaCallback(on_epoch=print), TypeError, "takes no argument 'on_epoch'"),
        (lambda c: c.TensorBoard(histogram_freq=1), NotImplementedError, "histogram_freq is not built; expected 0"),
        (lambda c: c.TensorBoard(update_freq="step"), ValueError, "update_freq must be 'epoch', 'batch' or.*'step'"),
        (
            lambda c: linear().fit(X, Y, callbacks=c.LearningRateScheduler(lambda e: 1), **FIT),
            *(TypeError, "schedule must return a float, got 1"),
        ),
        (
            lambda c: scheduled().fit(X, Y, callbacks=c.LearningRateScheduler(lambda e: 0.1), **FIT),
            *(ValueError, "LearningRateScheduler needs an optimizer whose learning_rate is a number"),
        ),
        (
            lambda c: linear().fit(X, Y, callbacks=c.ModelCheckpoint("{acc}.keras"), **FIT),
            *(KeyError, "filepath names 'acc', which is not among: epoch, loss"),
        ),
    ],
)
def test_bad_arguments(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run(callbacks)


class Others:
    """A callback of no class that is known here: some hooks, and nothing else."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.calls.append((epoch, sorted(logs)))
        if epoch == 1:
            self.model.stop_training = True

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(batch)


class Set(Others):
    """One that wants to be told."""

    def set_params(self, params: Any) -> None:
        self.told = params


@pytest.mark.parametrize("alone", [True, False])
def test_hooks_of_any_object_are_called(alone: bool) -> None:
    other, net = Set(), linear()
    net.fit(X, Y, epochs=5, callbacks=other if alone else [callbacks.CSVLogger(os.devnull), other], **FIT)
    batches = list(range(-(-len(X) // 5)))
    assert other.calls == [*batches, (0, ["loss"]), *batches, (1, ["loss"])]
    assert other.model is net
    assert other.told["epochs"] == 5


@pytest.mark.parametrize("wrong", [Others, object(), 3, len])
def test_what_has_no_hooks_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"callbacks must hold cellstep\.callbacks\.Callback objects, got"):
        linear().fit(X, Y, callbacks=[wrong], **FIT)
