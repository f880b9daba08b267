"""Losses and metrics of many models: values of all their rows at once, summed for each model as of it alone."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy import add
from numpy.typing import NDArray

from ...configured import of_package
from ...losses import Loss
from ...losses.regression import Hinge
from ...metrics.means import MeanOfValues, WeightedMean
from ..compiled import Compiled
from ..scoring import Scored

Array = NDArray[Any]


class Scores:
    """What models were compiled with, over arrays of k of them.

    Raises:
        NotImplementedError: a loss or a metric that looks at more than a row; or weights of losses.
    """

    def __init__(self, compiled: Compiled, y: Array, pred: Array) -> None:
        """y, pred: targets and predictions of some rows of one model."""
        asked = copy.deepcopy([value for _, value, _ in compiled.asked])
        own = Compiled(compiled.optimizer, compiled.asked_loss, compiled.asked_weights, *asked)
        loss = own.outputs([None])[0]
        assert loss is not None
        if own.weights != [None]:
            raise NotImplementedError("ManyModels takes no loss_weights")
        rows = loss.by_step and of_package(type(loss)) and not isinstance(loss, Hinge) and loss.dtype is None
        if not rows or loss.reduction in ("none", None):
            raise NotImplementedError(
                f"ManyModels needs a loss of this package whose values follow from single rows, got {loss.name}"
            )
        self.loss: Loss = loss
        own.build_metrics([None], [Scored(pred, None, y, None)])
        self.metrics: list[tuple[str, MeanOfValues]] = []
        for name, metric, _, _ in own._built or ():
            own_rows = of_package(type(metric)) and metric.by_step and getattr(metric, "ignore_class", None) is None
            if not (isinstance(metric, MeanOfValues) and own_rows):
                raise NotImplementedError(
                    f"ManyModels needs metrics that are means of values of single rows, got {name}"
                )
            self.metrics.append((name, metric))
        self.directions = [own._tracker, *(metric for _, metric in self.metrics)]

    def differentiate(self, y: Array, pred: Array, mask: Array | None, gradient: bool) -> tuple[Array, Array | None]:
        """The loss of each of k models, and its gradient by pred (k, B, ...)."""
        loss, k = self.loss, len(pred)
        true, flat = _rows(y), _rows(pred)
        keep, ignored = None if mask is None else _rows(mask), loss.ignored(true, flat)
        if ignored is not None:
            keep = ~ignored if keep is None else keep & ~ignored
        if keep is None:
            values, pullback = loss.forward(loss.prepare(true, flat, None), flat)
            factor = np.full(values.shape, loss._scale((len(values) // k, *values.shape[1:]), None, None), flat.dtype)
        else:
            keep = np.broadcast_to(keep, loss.value_shape(flat, true))
            values, pullback = loss._forward(true, flat, keep)
            scales = [loss._scale(part.shape, part, None) for part in keep.reshape(k, -1)]
            factor = np.repeat(np.array(scales, flat.dtype), len(values) // k).reshape(-1, *(1,) * (values.ndim - 1))
            factor = np.where(keep, factor, flat.dtype.type(0))
        total = add.reduce((values * factor).reshape(k, -1), axis=1)
        return total, pullback(factor).reshape(pred.shape) if gradient else None

    def begin(self, n: int) -> Sums:
        """Sums of n models, all zero."""
        return Sums(self, n)


class Sums:
    """The loss and the metrics of an epoch: for each of n models a sum of values, and of their weights."""

    def __init__(self, scores: Scores, n: int) -> None:
        self.scores = scores
        self.total = np.zeros((1 + len(scores.metrics), n))
        self.count = np.zeros((1 + len(scores.metrics), n))

    def add(self, models: Array, loss: Array, y: Array, pred: Array, mask: Array | None) -> None:
        """Add a batch of k models, whose places these are."""
        k, B = pred.shape[:2]
        self.total[0, models] += loss.astype(np.float64) * B
        self.count[0, models] += B
        true, flat, keep = _rows(y), _rows(pred), None if mask is None else _rows(mask)
        for i, (_, metric) in enumerate(self.scores.metrics, 1):
            v = np.asarray(metric.values(true, flat, None, keep), np.float64)
            each = v.size / len(v)
            weights = None
            if keep is not None:
                live = np.broadcast_to(keep.reshape(keep.shape + (1,) * (v.ndim - keep.ndim)), v.shape)
                v, weights = np.where(live, v, 0), live.astype(np.float64)
                v = v * weights
            self.total[i, models] += v.reshape(k, -1).sum(axis=1) / each
            counts = v.size // k if weights is None else weights.reshape(k, -1).sum(axis=1)
            self.count[i, models] += counts / each

    def results(self, prefix: str = "") -> dict[str, Array]:
        """By name, (n,) each."""
        counts = np.where(self.count == 0, 1, self.count)
        means = self.total / counts
        found = {f"{prefix}loss": means[0]}
        for i, (name, metric) in enumerate(self.scores.metrics, 1):
            values = means[i]
            if type(metric).result is not WeightedMean.result:
                values = np.array([_result(metric, *pair) for pair in zip(self.total[i], self.count[i], strict=True)])
            found[prefix + name] = values
        return found


def _result(metric: Any, total: Any, count: Any) -> float:
    metric.total, metric.count = float(total), float(count)
    return float(metric.result())


def _rows(a: Array) -> Array:
    """(k, B, ...) as (k B, ...)."""
    return a.reshape(-1, *a.shape[2:])
