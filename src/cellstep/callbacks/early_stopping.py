"""EarlyStopping."""

from __future__ import annotations

import warnings
from typing import Any

from .base import Callback, Logs


class EarlyStopping(Callback):
    """End training when a monitored value has stopped improving.

    Args:
        monitor: a key of the logs.
        min_delta: a change of this much or less is no improvement.
        patience: epochs without improvement before training ends.
        verbose: 1 prints a line when that happens.
        mode: "min", "max", or "auto", which knows the losses and metrics of the model.
        baseline: what has to be beaten as well.
        restore_best_weights: put the weights of the best epoch back at the end.
        start_from_epoch: epochs to wait before monitoring.

    Raises:
        ValueError: an unknown mode; or at the end of the first epoch, a monitored value that "auto" does not know.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be 'auto', 'min' or 'max', got {mode!r}")
        self.monitor = monitor
        self.min_delta = abs(min_delta)
        self.patience = patience
        self.verbose = verbose
        self.mode = mode
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best: float | None = None
        self.best_weights: Any = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        current = (logs or {}).get(self.monitor)
        if current is None:
            known = ", ".join(logs or {})
            warnings.warn(f"EarlyStopping monitors {self.monitor!r}, which is not among: {known}", stacklevel=2)
            return
        if epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self._better(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self._better(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)

    def _better(self, value: float, than: float | None) -> bool:
        if than is None:
            return True
        return value - self.min_delta > than if self._upwards() else value + self.min_delta < than

    def _upwards(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_")
        direction = next((m.direction for m in self.model.metrics if m.name == name), "")
        if not direction:
            raise ValueError(f"mode must be 'min' or 'max' for monitor={self.monitor!r}: 'auto' does not know which")
        return bool(direction == "up")
