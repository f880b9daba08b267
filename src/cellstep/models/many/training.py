"""Training of many models: an epoch of some of them at a time, batch by batch as `fit` takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...interrupts import interrupts_held
from .net import Net
from .rows import Rows
from .scores import Scores, Sums
from .updates import Updates

Array = NDArray[Any]
#: So many models are run together: what Python costs a batch is shared, and their tapes are still in a cache.
COHORT = 512


class Training:
    """What all models share in a fit or an evaluation.

    values: (n, P) the weights, which change when an epoch of some models is done.
    """

    def __init__(self, net: Net, values: Array, scores: Scores, updates: Updates, batch_size: int) -> None:
        self.net, self.values, self.scores, self.updates, self.size = net, values, scores, updates, batch_size

    def epoch(self, models: Array, rows: Rows, order: Array) -> dict[str, Array]:
        """Train these models for an epoch.

        Args:
            order: (k, most) the rows of each in the order in which it takes them, in `rows`.

        Returns:
            the loss and the metrics, by name, (k,) each.
        """
        values = self.values[models]
        slots = {name: array[models] for name, array in self.updates.slots.items()}
        sums, updates = self.scores.begin(len(models)), self.updates
        before = updates.calls[models]
        try:
            for batch in rows.batches(models, self.size):
                for some, start, B in batch:
                    whole = len(some) == len(models)
                    mine = values if whole else values[some]
                    kept = slots if whole else {name: array[some] for name, array in slots.items()}
                    grads = self._batch(rows, models[some], order[some, start : start + B], mine, sums, some, True)
                    updates.step(models[some], mine, grads, kept)
                    if not whole:
                        values[some] = mine
                        for name, array in kept.items():
                            slots[name][some] = array
            with interrupts_held():
                self.values[models] = values
                for name, array in slots.items():
                    updates.slots[name][models] = array
                before = updates.calls[models]  # the epoch is done, also where a signal raises behind this block
        except BaseException:
            updates.calls[models] = before
            raise
        return sums.results()

    def evaluate(self, models: Array, rows: Rows, prefix: str = "") -> dict[str, Array]:
        """The loss and the metrics of these models, by name, (k,) each."""
        values, sums = self.values[models], self.scores.begin(len(models))
        for batch in rows.batches(models, self.size):
            for some, start, B in batch:
                at = rows.first[models[some]][:, None] + np.arange(start, start + B)
                self._batch(rows, models[some], at, values[some], sums, some, False)
        return sums.results(prefix)

    def _batch(
        self, rows: Rows, models: Array, at: Array, values: Array, sums: Sums, places: Array, gradient: bool
    ) -> Any:
        """A batch of k models: adds to the sums at these places, and gives the gradients (k, P)."""
        net, (x, runs, mask) = self.net, rows.take(models, at)
        pred, pullback = net.forward(net.in_lanes(values), x, runs, len(models))
        assert rows.y is not None
        y = rows.y[at]
        if net.steps:
            y = np.ascontiguousarray(y[:, :, : pred.shape[2]])
        loss, dpred = self.scores.differentiate(y, pred, mask, gradient)
        sums.add(places, loss, y, pred, mask)
        return None if dpred is None else pullback(dpred)


def predict(net: Net, values: Array, rows: Rows, batch_size: int) -> list[Array]:
    """Each model's predictions for its rows, of its own length."""
    n = len(values)
    found: list[Any] = [[] for _ in range(n)]
    for cohort in cohorts(np.argsort(rows.counts, kind="stable")):
        for batch in rows.batches(cohort, batch_size):
            for some, start, B in batch:
                models = cohort[some]
                at = rows.first[models][:, None] + np.arange(start, start + B)
                x, runs, _ = rows.take(models, at)
                pred, _ = net.forward(net.in_lanes(values[models]), x, runs, len(models))
                for i, part in zip(models, pred, strict=True):
                    found[i].append(part)
    return [np.concatenate(parts) for parts in found]


def cohorts(models: Array) -> list[Array]:
    """Models that are run together."""
    return [models[i : i + COHORT] for i in range(0, len(models), COHORT)]


def orders(rows: Rows, models: Array, shuffle: Callable[[int, int], Array]) -> Array:
    """(k, most) the rows of each model for an epoch; shuffle(model, n) gives an order of n."""
    counts = rows.counts[models]
    order = np.zeros((len(models), int(counts.max())), np.int64)
    for row, model, n in zip(order, models.tolist(), counts.tolist(), strict=True):
        row[:n] = shuffle(model, n)
    order += rows.first[models][:, None]
    return order
