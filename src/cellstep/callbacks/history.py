"""History: what fit returns."""

from __future__ import annotations

from .base import Callback, Logs


class History(Callback):
    """The logs of every epoch.

    Attributes:
        history: name to the list of its values, one an epoch: `loss`, `accuracy`, `val_loss`, ...
        epoch: the numbers of the epochs, from 0 or from `initial_epoch`.
        params: {"verbose", "epochs", "steps"} of the call of fit.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
