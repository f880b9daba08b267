"""Runs of training that are killed at random moments and started again, as a program of its own.

    killed_runs.py CASE FOLDER SEED KILLS

FOLDER/whole holds the result of a run that nothing disturbs; FOLDER/0, 1, ... those of runs that were killed, KILLS in
all. Each run is a process, forked from this one before it has computed anything.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cellstep
from cellstep import callbacks, layers, models, optimizers, seeds, utils
from cellstep.callbacks import state_file

N, T, F = 44, 6, 3


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((N, T, F))
    return x, (x.sum((1, 2)) > 0).astype(int)


def made(*inner: Any, batch: int | None = None, optimizer: Any, metrics: Any = ("accuracy",)) -> models.Sequential:
    net = models.Sequential([layers.Input((T, F), batch_size=batch), *inner, layers.Dense(2, activation="softmax")])
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=list(metrics))
    return net


def shuffled(folder: Path) -> tuple[models.Sequential, Any]:
    """Dropout of every kind, moving statistics, shuffled rows, and callbacks that remember."""
    net = made(
        layers.GaussianNoise(0.1),
        layers.LSTM(8, dropout=0.2, recurrent_dropout=0.2, return_sequences=True),
        layers.BatchNormalization(),
        layers.SpatialDropout1D(0.2),
        layers.Bidirectional(layers.GRU(4, dropout=0.3)),
        layers.Dropout(0.2),
        optimizer=optimizers.Adam(0.1, global_clipnorm=1.0),
    )
    watching = [
        callbacks.ReduceLROnPlateau("val_loss", 0.7, patience=2),
        callbacks.EarlyStopping("val_loss", patience=6, restore_best_weights=True),
        callbacks.ModelCheckpoint(folder / "best.weights.h5", save_best_only=True, save_weights_only=True),
        callbacks.BackupAndRestore(folder / "backup", save_freq=2, double_checkpoint=True),
        callbacks.CSVLogger(folder / "log.csv"),
    ]
    return net, net.fit(*data(), 4, 14, 0, watching, validation_split=0.2)


def stateful(folder: Path) -> tuple[models.Sequential, Any]:
    """States that go on from batch to batch, epochs that end within a pass, averages, updates after several steps; and
    a run that is over, and is started again, is over at once: so a log that is appended to has no line twice."""
    optimizer = optimizers.SGD(0.1, momentum=0.9, use_ema=True, ema_momentum=0.8, gradient_accumulation_steps=2)
    net = made(
        layers.GRU(6, stateful=True, return_sequences=True),
        layers.Bidirectional(layers.SimpleRNN(3, stateful=True)),
        batch=4,
        optimizer=optimizer,
    )
    watching = [
        callbacks.BackupAndRestore(folder / "backup", save_freq=3, delete_checkpoint=False),
        callbacks.SwapEMAWeights(swap_on_epoch=True),
        callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        callbacks.CSVLogger(folder / "log.csv", append=True),
    ]
    x, y = data()
    return net, net.fit(
        x, y, 4, 14, 0, watching, validation_data=(x[:8], y[:8]), shuffle=False, steps_per_epoch=4, validation_freq=2
    )


class Thaw(callbacks.Callback):
    """A callback of a user's, which counts, and trains a layer only now and then."""

    def __init__(self) -> None:
        self.batches = 0

    def get_state(self) -> Any:
        return {"batches": self.batches}

    def set_state(self, state: Any) -> None:
        self.batches = state["batches"]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch in (2, 5, 7):
            self.model.layers[0].trainable = epoch == 5

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.batches += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["batches"] = self.batches


def drawn(folder: Path) -> tuple[models.Sequential, Any]:
    """A generator that draws from NumPy's generator, and a layer that is frozen for a while."""
    x, y = data()

    def batches() -> Iterator[Any]:
        while True:
            rows = np.random.randint(0, N, 5)  # noqa: NPY002
            yield x[rows] + np.random.normal(0, 0.1, (5, T, F)), y[rows]  # noqa: NPY002

    net = made(layers.GRU(5), layers.Dropout(0.3), optimizer=optimizers.Nadam(0.02))
    watching = [Thaw(), callbacks.BackupAndRestore(folder / "backup", save_freq=2)]
    return net, net.fit(batches(), epochs=12, steps_per_epoch=5, verbose=0, callbacks=watching)


class Batches(utils.PyDataset):
    """Batches that differ whenever they are asked for."""

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> Any:
        x, y = data()
        rows = slice(4 * index, 4 * index + 4)
        return x[rows] + np.random.normal(0, 0.1), y[rows]  # noqa: NPY002


def numbered(folder: Path) -> tuple[models.Sequential, Any]:
    """Batches by number in random order, averages of the weights from epoch to epoch, backups by epochs."""
    net = made(layers.LSTM(5), optimizer=optimizers.RMSprop(0.02, momentum=0.5, use_ema=True), metrics=())
    backup = callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True)
    watching = [backup, callbacks.SwapEMAWeights(swap_on_epoch=True), callbacks.TerminateOnNaN()]
    return net, net.fit(Batches(), epochs=12, verbose=0, callbacks=watching, validation_data=Batches())


CASES = {"shuffled": shuffled, "stateful": stateful, "drawn": drawn, "numbered": numbered}


def train(case: str, folder: Path) -> None:
    """One run, from its beginning or from its backup, and its result."""
    folder.mkdir(exist_ok=True)
    cellstep.utils.set_random_seed(11)
    net, history = CASES[case](folder)
    log = folder / "log.csv"
    states = net.optimizer.states()
    result = {
        "weights": net.get_weights(),
        "optimizer": [states[w]._asdict() if w in states else None for w in net.weights],
        "calls": [net.optimizer.calls, net.optimizer.rate],
        "history": [history.epoch, history.history],
        "log": log.read_text() if log.exists() else None,
        "random": seeds.get_state(),
        "left": sorted(path.name for path in (folder / "backup").iterdir() if not path.name.startswith(".")),
    }
    state_file.write(folder / "result", result)


def start(case: str, folder: Path) -> int:
    """A new process that trains."""
    child = os.fork()
    if child:
        return child
    try:
        train(case, folder)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0 if (folder / "result").exists() else 1)


def main(case: str, folder: Path, seed: int, kills: int) -> None:
    begin = time.perf_counter()
    assert os.waitpid(start(case, folder / "whole"), 0)[1] == 0
    whole = time.perf_counter() - begin
    rng, done, number = np.random.default_rng(seed), 0, 0
    while done < kills:
        status = -1
        while status:
            child = start(case, folder / str(number))
            if done < kills:
                time.sleep(rng.uniform(0, whole / 2))
                os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            if os.WIFEXITED(status) and status:
                raise SystemExit(f"a run failed after {done} kills")
            done += os.WIFSIGNALED(status)
        number += 1
    print(f"{case}: {done} kills in {number} runs of {whole:.2f} s")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
