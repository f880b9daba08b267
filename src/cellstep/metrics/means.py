"""Weighted means and sums: of values, of a function of targets and predictions, of a loss's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from .. import registry
from ..configured import ours_function
from ..core import plain
from ..losses.alignment import Array, align, as_mask, as_weights
from ..losses.base import Loss
from .base import Metric
from .functions import FUNCTIONS


class WeightedMean(Metric):
    """A weighted mean, gathered in float64."""

    accumulators: Mapping[str, tuple[int, ...]] = {"total": (), "count": ()}
    total: float
    count: float

    def add(self, values: Array, sample_weight: ArrayLike | None, mask: ArrayLike | None) -> None:
        """Add values (B, ...), with weights and a mask that broadcast to them from the left.

        Trailing axes that weights and mask lack are averaged, as are a row's steps.
        """
        total, count, each = weighted_sums(values, sample_weight, mask)
        self.total += total / each
        self.count += count / each

    def result(self) -> float:
        """The mean; 0 where nothing was added, as in Keras."""
        return self.total / self.count if self.count else 0.0


def weighted_sums(values: Array, sample_weight: ArrayLike | None, mask: ArrayLike | None) -> tuple[float, float, float]:
    """The sum of values (B, ...) times weights, the sum of weights, and how many values a row has."""
    v = np.asarray(values, np.float64)
    if v.ndim == 0:  # one value of the whole batch, which has seen to masks itself: as if it stood beside each weight
        shape: Any = () if sample_weight is None else np.shape(sample_weight)
        v, mask = np.full(shape or (1,), v), None
    weights: Array | None = None
    if sample_weight is not None:
        weights = align("sample_weight", as_weights(sample_weight), v.shape).astype(np.float64)
    if mask is not None:
        keep = as_mask(mask, v.shape)
        v = np.where(keep, v, 0)
        weights = keep.astype(np.float64) if weights is None else weights * keep
    if v.size == 0:
        return 0.0, 0.0, 1.0
    if weights is None:
        return float(v.sum()), float(v.size), v.size / len(v)
    return float((v * weights).sum()), float(np.broadcast_to(weights, v.shape).sum()), v.size / len(v)


class Mean(WeightedMean):
    """The weighted mean of the values that it is given.

    m = Mean(); m.update_state([1, 3], sample_weight=[3, 1]); m.result() gives 1.5.
    """

    default_name = "mean"

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(dtype, name)

    def update_state(
        self, values: ArrayLike, sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None
    ) -> None:
        """Add `values`, a scalar or (B, ...)."""
        self.add(plain("values", values), sample_weight, mask)


class Sum(Metric):
    """The weighted sum of the values that it is given."""

    default_name = "sum"
    accumulators: Mapping[str, tuple[int, ...]] = {"total": ()}
    total: float

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(dtype, name)

    def update_state(
        self, values: ArrayLike, sample_weight: ArrayLike | None = None, mask: ArrayLike | None = None
    ) -> None:
        """Add `values`, a scalar or (B, ...)."""
        self.total += weighted_sums(plain("values", values), sample_weight, mask)[0]

    def result(self) -> float:
        return self.total


class MeanOfValues(WeightedMean):
    """The weighted mean of values of targets and predictions, which a subclass computes in `values`."""

    def values(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any, mask: Any) -> Array:
        """What is averaged, one value for each row, or for each row and step; the rest says of what shape."""
        raise NotImplementedError(f"{type(self).__name__} must implement values")

    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        self.add(self.values(y_true, y_pred, sample_weight, mask), sample_weight, mask)


class MeanMetricWrapper(MeanOfValues):
    """The mean of `fn(y_true, y_pred, **options)`, which gives one value for each row, or for each row and step."""

    arguments: ClassVar[tuple[str, ...]] = ()

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **options: Any) -> None:
        super().__init__(dtype, name or self.default_name or str(getattr(fn, "__name__", type(fn).__name__)))
        self.fn = fn
        self.options = options
        for key in self.arguments:
            setattr(self, key, options[key])

    @property
    def by_step(self) -> bool:  # type: ignore[override]
        """Whether the function is one of this package."""
        return str(getattr(self.fn, "__module__", "")).startswith(__package__)

    def get_config(self) -> dict[str, Any]:
        """The function by its name."""
        if type(self) is not MeanMetricWrapper:  # a class with a function of its own
            return super().get_config()
        fn = self.fn
        named = ours_function(fn)
        written = fn.__name__ if named else registry.written_function("fn of a metric", fn, anonymous=True)
        return {**super().get_config(), "fn": written, **self.options}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        if isinstance(config.get("fn"), str):
            config = {**config, "fn": FUNCTIONS.get(config["fn"], config["fn"])}
        elif "fn" in config:
            config = {**config, "fn": registry.read_function("fn of a metric", config["fn"])}
        return super().from_config(config)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any, mask: Any) -> Array:
        values = np.asarray(self.fn(plain("y_true", y_true), plain("y_pred", y_pred), **self.options))
        return _row_rank(values, mask, sample_weight)


def _row_rank(values: Array, *others: ArrayLike | None) -> Array:
    """Drop a last axis of length 1 that a mask or weights lack: (B, T, 1) with a mask (B, T) is (B, T)."""
    ranks = [np.ndim(o) for o in others if o is not None]
    return values[..., 0] if ranks and values.ndim == max(ranks) + 1 and values.shape[-1] == 1 else values


class LossMetric(MeanOfValues):
    """The unweighted values of a loss, averaged as a metric; `arguments` of a subclass are attributes of its loss."""

    direction = "down"
    arguments: ClassVar[tuple[str, ...]] = ()

    def __init__(self, loss: Loss, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(dtype, name or self.default_name or loss.name)
        self.loss = loss
        for key in self.arguments:
            setattr(self, key, getattr(loss, key))

    @property
    def by_step(self) -> bool:  # type: ignore[override]
        """As its loss."""
        return self.loss.by_step

    def values(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: Any, mask: Any) -> Array:
        shape = np.shape(y_pred)[:-1] if np.ndim(y_pred) > 1 else np.shape(y_pred)
        live = None if mask is None else np.broadcast_to(as_mask(mask, shape), shape)
        return self.loss.values(y_true, y_pred, live)
