"""EarlyStopping."""

from __future__ import annotations

from typing import Any

from ..core import as_array, check_bool, check_natural, check_number
from ..log import info
from .base import Check, Logs, number_or_none
from .monitor import Monitor


class EarlyStopping(Monitor):
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
        super().__init__(monitor, mode, min_delta)
        self.patience = check_natural("patience", patience)
        self.verbose = verbose
        self.baseline = None if baseline is None else check_number("baseline", baseline)
        self.restore_best_weights = check_bool("restore_best_weights", restore_best_weights)
        self.start_from_epoch = check_natural("start_from_epoch", start_from_epoch)
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = None
        self.best_weights: Any = None

    @property
    def _state_checks(self) -> dict[str, Check]:  # type: ignore[override]
        counts = dict.fromkeys(("wait", "stopped_epoch", "best_epoch"), check_natural)
        return {**counts, "best": number_or_none, "best_weights": self._check_weights}

    def _check_weights(self, name: str, value: Any) -> Any:
        """Arrays as `get_weights` gives them, or None."""
        if value is None:
            return None
        weights = self.model.weights
        if not isinstance(value, list) or len(value) != len(weights):
            raise ValueError(f"{name} must be {len(weights)} arrays or None, got {type(value).__name__}")
        return [as_array(f"{name} of {w.path}", a, w.dtype, w.shape) for a, w in zip(value, weights, strict=True)]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        current = self.watched(logs)
        if current is None:
            return
        if epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.better(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.better(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            info(
                __name__,
                "epoch %d: %s is no better since epoch %d, training ends",
                epoch + 1,
                self.monitor,
                epoch + 1 - self.wait,
            )

    def on_train_end(self, logs: Logs = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)
