"""SwapEMAWeights: evaluate and save with moving averages of the weights, while training goes on with the weights."""

from __future__ import annotations

from typing import Any

from ..ops import check_bool
from .base import Callback, Logs


class SwapEMAWeights(Callback):
    """Puts the moving averages that the optimizer keeps into the model for each evaluation, and takes them out after.

    Args:
        swap_on_epoch: also from the end of an epoch to the beginning of the next, so that callbacks behind this one,
            such as ModelCheckpoint, see the averages.

    Raises:
        ValueError: when a run begins and the optimizer keeps no averages.

    Example:
        >>> model.compile(cellstep.optimizers.Adam(use_ema=True), "mse")
        >>> history = model.fit(x, y, validation_split=0.25, callbacks=SwapEMAWeights(), verbose=0)
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = check_bool("swap_on_epoch", swap_on_epoch)
        self._swapped = False
        self._averages: list[tuple[Any, Any]] = []

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if model.optimizer is None or not model.optimizer.use_ema:
            raise ValueError("SwapEMAWeights needs an optimizer with use_ema=True, got use_ema=False")

    def _swap(self) -> None:
        optimizer = self.model.optimizer
        if not optimizer.iterations:
            return  # there are no averages yet
        self._averages = []
        for variable in self.model.trainable_weights:
            average = optimizer.slot("average", variable)
            if average is not None:
                before = variable.numpy()
                variable.assign(average.reshape(variable.shape))
                self._averages.append((variable, variable.numpy()))
                average[...] = before.reshape(-1)
        self._swapped = not self._swapped

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self.swap_on_epoch and self._swapped:
            self._swap()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.swap_on_epoch and not self._swapped:
            self._swap()

    def on_train_end(self, logs: Logs = None) -> None:
        if self._swapped:
            # fit ends by putting the averages into the weights, and here the weights stood in their place
            for variable, average in self._averages:
                variable.assign(average)
                self.model.optimizer.slot("average", variable)[...] = average.reshape(-1)
            self._swapped = False

    def on_test_begin(self, logs: Logs = None) -> None:
        if not self._swapped:
            self._swap()

    def on_test_end(self, logs: Logs = None) -> None:
        if self._swapped:
            self._swap()

    def on_predict_begin(self, logs: Logs = None) -> None:
        self.on_test_begin()

    def on_predict_end(self, logs: Logs = None) -> None:
        self.on_test_end()

    def close(self) -> None:
        """Puts the weights back where an exception ended the run."""
        if self._swapped:
            self._swap()
