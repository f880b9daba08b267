"""Callbacks that keep a model in files: ModelCheckpoint, and BackupAndRestore for runs that are interrupted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .base import Callback, Logs
from .monitor import Monitor


class _Every:
    """Says when to save: at the end of epochs, or after each so many batches."""

    def __init__(self, save_freq: str | int) -> None:
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1):
            raise ValueError(f"save_freq must be 'epoch' or a number of batches, got {save_freq!r}")
        self.by_epoch = save_freq == "epoch"
        self._freq, self._seen = save_freq, 0

    def batch(self) -> bool:
        self._seen += 1
        if self.by_epoch or self._seen != self._freq:
            return False
        self._seen = 0
        return True


class ModelCheckpoint(Monitor):
    """Saves the model while it is trained.

    Args:
        filepath: may hold `{epoch}`, from 1, `{batch}` and values of the logs: "{epoch:02d}-{val_loss:.2f}.weights.h5".
        monitor, mode: as in `EarlyStopping`.
        verbose: 1 prints a line when it saves.
        save_best_only: only when the monitored value improves.
        save_weights_only: the weights, and the state of the optimizer, in Keras's layout; filepath ends in .weights.h5.
            Otherwise the whole model, as by `model.save`; filepath ends in .keras.
        save_freq: "epoch", or after each so many batches.
        initial_value_threshold: what has to be improved on at first.

    Raises:
        ValueError: filepath or save_freq is none of these.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        if not isinstance(filepath, str | os.PathLike):
            raise TypeError(f"filepath must be a path, got {filepath!r}")
        self.filepath = os.fspath(filepath)
        self.save_best_only, self.save_weights_only, self.verbose = save_best_only, save_weights_only, verbose
        wanted = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(wanted):
            raise ValueError(
                f"filepath must end in {wanted} with save_weights_only={save_weights_only}, got {self.filepath!r}"
            )
        self.best = initial_value_threshold
        self._every, self._epoch = _Every(save_freq), 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self._every.batch():
            self._save(logs, batch=batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self._every.by_epoch:
            self._save(logs)

    def _save(self, logs: Logs, **batch: int) -> None:
        values = {"epoch": self._epoch + 1, **batch, **(logs or {})}
        try:
            path = Path(self.filepath.format(**values))
        except KeyError as error:
            raise KeyError(f"filepath names {error.args[0]!r}, which is not among: {', '.join(values)}") from None
        if self.save_best_only:
            current = self.watched(logs)
            if current is not None:
                if not self.better(current, self.best):
                    return
                self.best = current
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: saved {path}")


class BackupAndRestore(Callback):
    """Goes on where an interrupted `fit` stopped: the same call, made again, begins with the epoch that was cut.

    Args:
        backup_dir: for the backup, `latest.weights.h5`; weights, optimizer and epoch are one file.
        save_freq: "epoch", or after each so many batches; the epoch that was cut is trained from its beginning.
        double_checkpoint: keep the backup before the last one too, as `latest.weights.h5.bkp`.
        delete_checkpoint: delete it when training has ended.

    The model must be built before `fit`. Needs h5py. The order of shuffled rows is not part of the backup.
    """

    def __init__(
        self,
        backup_dir: Any,
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if not os.fspath(backup_dir):
            raise ValueError("backup_dir must name a directory, got an empty string")
        self.path = Path(backup_dir) / "latest.weights.h5"
        self.before = self.path.with_name(self.path.name + ".bkp")
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._every, self._epoch = _Every(save_freq), 0

    def on_train_begin(self, logs: Logs = None) -> None:
        if not self.model.built:
            raise ValueError("BackupAndRestore needs a model that is built before fit: give it an Input")
        if self.path.exists():
            note = self.model.load_weights(self.path)
            self.model.resume_epoch = self._epoch = int(note.get("epoch", 0))

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self._every.batch():
            self._save()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch + 1
        if self._every.by_epoch:
            self._save()

    def on_train_end(self, logs: Logs = None) -> None:
        if self.delete_checkpoint:
            self.path.unlink(missing_ok=True)
            self.before.unlink(missing_ok=True)

    def _save(self) -> None:
        if self.double_checkpoint and self.path.exists():
            self.path.replace(self.before)
        self.model.save_weights(self.path, note={"epoch": self._epoch})
