"""SwapEMAWeights: evaluate and save with moving averages of the weights, while training updates the weights."""

from __future__ import annotations

from typing import Any

from ..core import as_array, check_bool, check_natural
from .base import Callback, Check, Logs


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

    def get_state(self) -> dict[str, Any]:
        places = {id(variable): i for i, variable in enumerate(self.model.weights)}
        return {
            "swapped": self._swapped,
            "averages": [[places[id(variable)], average] for variable, average in self._averages],
        }

    @property
    def _state_checks(self) -> dict[str, Check]:  # type: ignore[override]
        return {"swapped": check_bool, "averages": self._check_averages}

    def set_state(self, state: dict[str, Any]) -> None:
        self._swapped, self._averages = state["swapped"], state["averages"]

    def _check_averages(self, name: str, value: Any) -> list[tuple[Any, Any]]:
        weights, averages = self.model.weights, []
        if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
            raise TypeError(f"{name} must be pairs of a weight's number and an array, got {type(value).__name__}")
        for number, average in value:
            if check_natural("number of a weight", number) >= len(weights):
                raise ValueError(f"{name} must be of {len(weights)} weights, got number {number}")
            variable = weights[number]
            averages.append((variable, as_array(f"{name} of {variable.path}", average, variable.dtype, variable.shape)))
        return averages

    def _swap(self) -> None:
        optimizer = self.model.optimizer
        if not optimizer.updates:
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
