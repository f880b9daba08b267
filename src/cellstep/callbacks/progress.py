"""ProgressLog: how far a run has come. A bar on a terminal with rich and in a notebook, plain lines everywhere else.

A finished epoch always leaves the same line, so a log file reads like a terminal:

    Epoch 1/3
    4/4 - 0s - 16ms/step - accuracy: 0.5000 - loss: 0.6931
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import bars
from .base import Callback, Logs


def duration(seconds: float) -> str:
    """2s, 16ms or 7us."""
    if seconds >= 1:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"


def values(logs: Mapping[str, Any]) -> str:
    """`accuracy: 0.5000 - loss: 6.9310e-04`; of an array the mean, as in Keras."""
    logs = {name: float(np.mean(value)) for name, value in logs.items()}
    return " - ".join(f"{k}: {v:.4f}" if abs(v) > 1e-3 else f"{k}: {v:.4e}" for k, v in logs.items())


class ProgressLog(Callback):
    """Prints epochs and steps.

    Args:
        verbose: 1 shows a bar in a notebook, and on a terminal if rich is installed; 2 never does.
    """

    #: Seconds between two drawings of the bar.
    interval = 0.1

    def __init__(self, verbose: int = 1) -> None:
        self.verbose = verbose
        self._bar: bars.Bar | None = None
        self._training = False
        self._begin(None)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._training = True

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self.params["epochs"] > 1:
            print(f"Epoch {epoch + 1}/{self.params['epochs']}", flush=True)
        self._begin(self._steps or self.params["steps"])

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._advance(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._finish(logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        if not self._training:
            self._begin(self.params["steps"])

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        if not self._training:
            self._advance(batch, logs)

    def on_test_end(self, logs: Logs = None) -> None:
        if not self._training:
            self._finish(logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._begin(self.params["steps"])

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._advance(batch, None)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._finish(None)

    def close(self) -> None:
        self._training = False
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _begin(self, steps: int | None) -> None:
        self._steps, self._seen = steps, 0
        self._start = self._last = self._drawn = time.perf_counter()
        if self.params and self.verbose == 1:
            self._bar = bars.started(steps)

    def _advance(self, batch: int, logs: Logs) -> None:
        self._seen, self._last = batch + 1, time.perf_counter()
        if self._bar is not None and self._last - self._drawn >= self.interval:
            self._drawn = self._last
            self._bar.update(self._seen, values(logs or {}))

    def _finish(self, logs: Logs) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._steps = self._steps or self._seen
        seconds = self._last - self._start
        each = duration(seconds / max(self._seen, 1))
        parts = [f"{self._seen}/{self._steps}", f"{time.perf_counter() - self._start:.0f}s", f"{each}/step"]
        print(" - ".join([*parts, *([values(logs)] if logs else [])]), flush=True)
