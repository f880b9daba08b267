"""ModelCheckpoint, and how often to save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..core import check_natural, check_path
from ..log import info
from .base import Logs, number_or_none
from .monitor import Monitor


class Every:
    """Says when to save: at the end of epochs, or after each so many batches."""

    def __init__(self, save_freq: str | int) -> None:
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1):
            raise ValueError(f"save_freq must be 'epoch' or a number of batches, got {save_freq!r}")
        self.by_epoch = save_freq == "epoch"
        self._freq, self.seen = save_freq, 0

    def batch(self) -> bool:
        self.seen += 1
        if self.by_epoch or self.seen != self._freq:
            return False
        self.seen = 0
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

    _state_checks = {"best": number_or_none, "epoch": check_natural, "batches": check_natural}

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
        self.filepath = str(check_path("filepath", filepath))
        self.save_best_only, self.save_weights_only, self.verbose = save_best_only, save_weights_only, verbose
        wanted = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(wanted):
            raise ValueError(
                f"filepath must end in {wanted} with save_weights_only={save_weights_only}, got {self.filepath!r}"
            )
        self.best = initial_value_threshold
        self._every, self._epoch = Every(save_freq), 0

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best, "epoch": self._epoch, "batches": self._every.seen}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self._epoch, self._every.seen = state["best"], state["epoch"], state["batches"]

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
        except TypeError:
            arrays = [
                f"{name}, an array of shape {np.shape(value)}" for name, value in values.items() if np.ndim(value)
            ]
            raise ValueError(
                f"filepath must not format arrays as numbers, got {self.filepath!r} and {arrays}"
            ) from None
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
        info(__name__, "epoch %d: saved %s", self._epoch + 1, path)
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: saved {path}")
