"""Compiled: the optimizer, the loss and the metrics of a model, and the numbers that it gathers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from .. import losses, metrics, optimizers
from ..metrics import Metric

Array = NDArray[Any]
#: The key in logs, the metric, and whether it sees weights.
Entry = tuple[str, Metric, bool]


class Compiled:
    """What `compile` was given, looked up and checked.

    Args:
        optimizer, loss: names or objects; loss may be None.
        plain: metrics that see the mask but no weights.
        weighted: metrics that see both.

    Raises:
        ValueError, TypeError: an unknown name, or no such thing at all.
    """

    def __init__(self, optimizer: Any, loss: Any, plain: Any, weighted: Any) -> None:
        self.optimizer = optimizers.get(optimizer)
        self.loss = None if loss is None else losses.get(loss)
        self._asked = [(i, False) for i in _listed("metrics", plain)]
        self._asked += [(i, True) for i in _listed("weighted_metrics", weighted)]
        for identifier, _ in self._asked:
            metrics.check(identifier)
        self._tracker = metrics.Mean("loss")
        self._tracker.direction = "down"
        self._built: list[Entry] | None = None if self._asked else []

    @property
    def metrics(self) -> list[Metric]:
        """The mean of the loss, then the metrics. Those that depend on shapes appear with the first batch."""
        return [self._tracker, *(m for _, m, _ in self._built or ())]

    def reset(self) -> None:
        """Start the means again."""
        for metric in self.metrics:
            metric.reset_state()

    def update(self, value: float, y: Array, y_pred: Array, sample_weight: Array | None, mask: Array | None) -> None:
        """Add a batch: the loss counts once a row, as in Keras."""
        if self._built is None:
            self._built = self._build(y.shape, y_pred.shape)
        for _, metric, weighted in self._built:
            metric.update_state(y, y_pred, sample_weight if weighted else None, mask)
        self._tracker.total += float(value) * len(y_pred)
        self._tracker.count += len(y_pred)

    def results(self) -> dict[str, float]:
        """The means so far: `loss` first, then the metrics as they were given."""
        found = {"loss": self._tracker.result()}
        for name, metric, _ in self._built or ():
            found[name] = float(metric.result())
        return found

    def _build(self, true_shape: tuple[int, ...], pred_shape: tuple[int, ...]) -> list[Entry]:
        built: list[Entry] = []
        names: set[str] = {"loss"}
        for identifier, weighted in self._asked:
            metric = metrics.get(identifier, true_shape, pred_shape)
            name = stem = metric.name if not (weighted and metric.name in names) else f"weighted_{metric.name}"
            number = 0
            while name in names:
                number += 1
                name = f"{stem}_{number}"
            names.add(name)
            built.append((name, metric, weighted))
        return built


def _listed(name: str, value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise TypeError(f"{name} must be a list, got {value!r}")
    return value
