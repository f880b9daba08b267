"""Callbacks that set the learning rate. Both write it into the logs, so that it is in the History."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import check_natural, check_number
from ..log import info
from .base import Callback, Logs, number_or_none
from .monitor import Monitor


def _settable(callback: Callback) -> Any:
    """The model's optimizer; ValueError where its learning rate follows a schedule."""
    optimizer = callback.model.optimizer
    if optimizer.scheduled:
        name = type(callback).__name__
        raise ValueError(f"{name} needs an optimizer whose learning_rate is a number, got one with a schedule")
    return optimizer


def _note(callback: Callback, logs: Any) -> None:
    if logs is not None:
        logs["learning_rate"] = callback.model.optimizer.rate


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch.

    Args:
        schedule: a function of the epoch, from 0, and the learning rate; or of the epoch alone.
        verbose: 1 prints a line an epoch.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"schedule must be a function of the epoch and the learning rate, got {schedule!r}")
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        optimizer = _settable(self)
        rate = self.schedule(epoch, optimizer.rate) if self._takes_rate() else self.schedule(epoch)
        if not isinstance(rate, float | np.floating):
            raise TypeError(f"schedule must return a float, got {rate!r}")
        optimizer.learning_rate = rate
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {rate:g}")

    def _takes_rate(self) -> bool:
        try:
            inspect.signature(self.schedule).bind(0, 0.1)
        except TypeError:
            return False
        return True

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        _note(self, logs)


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when a monitored value has stopped improving.

    Args:
        monitor, mode, min_delta: as in `EarlyStopping`.
        factor: below 1.
        patience: epochs without improvement before that happens.
        verbose: 1 prints a line when it does.
        cooldown: epochs after it in which none is counted.
        min_lr: the learning rate goes no lower.
    """

    _state_checks = {"best": number_or_none, "cooldown_counter": check_natural, "wait": check_natural}

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not 0 < check_number("factor", factor) < 1:
            raise ValueError(f"factor must be above 0 and below 1, got {factor!r}")
        self.factor, self.patience, self.verbose = factor, check_natural("patience", patience), verbose
        self.cooldown, self.min_lr = check_natural("cooldown", cooldown), check_number("min_lr", min_lr, 0)
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        self.best = None
        self.cooldown_counter = self.wait = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        optimizer = _settable(self)
        _note(self, logs)
        current = self.watched(logs)
        if current is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.better(current, self.best):
            self.best, self.wait = current, 0
        elif not self.cooldown_counter:
            self.wait += 1
            if self.wait >= self.patience and optimizer.rate > self.min_lr:
                optimizer.learning_rate = max(optimizer.rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                info(__name__, "epoch %d: learning rate reduced to %g", epoch + 1, optimizer.rate)
                if self.verbose:
                    print(f"Epoch {epoch + 1}: learning rate reduced to {optimizer.rate:g}")
