"""Monitor: what callbacks that watch one value of the logs have in common."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ..configured import levels_to_user
from ..core import brief, check_number
from .base import Callback, Logs


class Monitor(Callback):
    """Watches a value of the logs, and knows which of two is better.

    Args:
        monitor: a key of the logs.
        mode: "min", "max", or "auto", which knows the losses and metrics of the model.
        min_delta: a change of this much or less is no improvement.

    Raises:
        ValueError: an unknown mode; or at the end of the first epoch, a monitored value that "auto" does not know.
    """

    _uncalled: ClassVar[Mapping[str, str]] = {
        "get_monitor_value": "override watched(logs)",
        "in_cooldown": "override on_epoch_end(epoch, logs)",
    }

    def __init__(self, monitor: str, mode: str, min_delta: float = 0) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be 'auto', 'min' or 'max', got {mode!r}")
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be a key of the logs, such as 'val_loss', got {brief(monitor)}")
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(check_number("min_delta", min_delta))
        self.best: float | None = None

    def watched(self, logs: Logs) -> float | None:
        """The monitored value; None, with a warning, where the logs have it not."""
        current = (logs or {}).get(self.monitor)
        if current is None:
            known, name = ", ".join(logs or {}), type(self).__name__
            warnings.warn(f"{name} monitors {self.monitor!r}, which is not among: {known}", stacklevel=levels_to_user())
        if current is not None and np.ndim(current):
            raise ValueError(
                f"monitor of {type(self).__name__} must name a number among the logs, got {self.monitor!r}, an array "
                f"of shape {np.shape(current)}: have the metric average it"
            )
        return current

    def better(self, value: float, than: float | None) -> bool:
        """Whether a value improves on another by more than min_delta; on None always."""
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
