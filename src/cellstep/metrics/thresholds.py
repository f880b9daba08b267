"""Metrics of true and false positives and negatives at thresholds: Precision, Recall, the counts themselves, and the
best of one rate where another is high enough.

A prediction is positive where it is above a threshold. Counts are gathered in float64, one pass of sorting by
thresholds for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import check_count, check_natural, check_number
from ..losses.alignment import Array
from .base import EntryMetric

Thresholds = float | Sequence[float] | None

#: The counts of each rate: the first as a share of both.
RATES = {
    "precision": ("tp", "fp"),
    "recall": ("tp", "fn"),
    "sensitivity": ("tp", "fn"),
    "specificity": ("tn", "fp"),
    "fall-out": ("fp", "tn"),
}


def check_thresholds(thresholds: Thresholds, default: float) -> list[float]:
    """Numbers from 0 to 1, or the default."""
    asked = [default] if thresholds is None else thresholds if isinstance(thresholds, list | tuple) else [thresholds]
    return [t if t == default else check_number("thresholds", t, 0, 1) for t in asked]


def divide(a: Array, b: Array) -> Array:
    """a / b, 0 where b is."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=np.asarray(b) != 0)


class Confusion(EntryMetric):
    """Gathers tp, fp, tn, fn: each (thresholds,), or (thresholds, labels) where labels are kept apart.

    With `class_id` it looks at that entry of the last axis alone.
    """

    direction = "up"
    class_id: int | None = None
    tp: Array
    fp: Array
    tn: Array
    fn: Array

    def __init__(self, name: str | None, thresholds: Sequence[float], apart: bool = False, dtype: Any = None) -> None:
        n = len(thresholds)
        self._order = np.argsort(thresholds, kind="stable")
        self._sorted = np.asarray(thresholds, np.float64)[self._order]
        self._apart = apart
        self.accumulators = dict.fromkeys(("tp", "fp", "tn", "fn"), (n, 1) if apart else (n,))
        super().__init__(dtype, name)

    def rate(self, name: str) -> Array:
        """One of RATES at each threshold."""
        part, other = (getattr(self, count) for count in RATES[name])
        return divide(part, part + other)

    def add(self, t: Array, p: Array, w: Array) -> None:
        if self.class_id is not None:
            if not 0 <= self.class_id < p.shape[-1]:
                raise ValueError(f"class_id must be from 0 to {p.shape[-1] - 1} for these y_pred, got {self.class_id}")
            t, p, w = (a[:, self.class_id, None] for a in (t, p, w))
        columns = [self._count(*c) for c in zip(t.T, p.T, w.T, strict=True)] if self._apart else []
        counts = np.stack(columns, -1) if self._apart else self._count(t.ravel(), p.ravel(), w.ravel())
        for name, count in zip(self.accumulators, counts, strict=True):
            setattr(self, name, getattr(self, name) + count)

    def _count(self, t: Array, p: Array, w: Array) -> NDArray[Any]:
        """(4, thresholds) for flat arrays."""
        n = len(self._sorted)
        # how many thresholds a prediction is above; NaN is above none
        above = np.searchsorted(self._sorted, np.where(np.isnan(p), -np.inf, p), "left")
        positive = np.bincount(above, w * (t != 0), n + 1)
        negative = np.bincount(above, w * (t == 0), n + 1)
        tp, fp = (np.cumsum(c[::-1])[::-1][1:] for c in (positive, negative))
        counts = np.empty((4, n))
        counts[:, self._order] = tp, fp, negative.sum() - fp, positive.sum() - tp
        return counts


class _AtThresholds(Confusion):
    """A rate or a count, which a subclass names in `wanted`, at one or several thresholds."""

    wanted: str

    def __init__(self, thresholds: Thresholds, name: str | None, dtype: Any, default: float = 0.5) -> None:
        self.thresholds = thresholds
        super().__init__(name, check_thresholds(thresholds, default), dtype=dtype)

    def result(self) -> Any:
        """A number; an array, one entry a threshold, where several were given."""
        values = self.rate(self.wanted) if self.wanted in RATES else getattr(self, self.wanted)
        return float(values[0]) if len(values) == 1 else values


class _Counts(_AtThresholds):
    def __init__(self, thresholds: Thresholds = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(thresholds, name, dtype)


class TruePositives(_Counts):
    """The weights of positives predicted as such."""

    default_name, wanted = "true_positives", "tp"


class FalsePositives(_Counts):
    """The weights of negatives predicted as positives."""

    default_name, wanted, direction = "false_positives", "fp", "down"


class TrueNegatives(_Counts):
    """The weights of negatives predicted as such."""

    default_name, wanted = "true_negatives", "tn"


class FalseNegatives(_Counts):
    """The weights of positives predicted as negatives."""

    default_name, wanted, direction = "false_negatives", "fn", "down"


class Precision(_AtThresholds):
    """How many of the predicted positives are so.

    Args:
        thresholds: one or several, 0.5 by default. top_k: only the k largest predictions of a row can be positive; the
            threshold is then below all where none is given. class_id: look at this entry of the last axis alone.
    """

    default_name, wanted = "precision", "precision"

    def __init__(
        self,
        thresholds: Thresholds = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.top_k = None if top_k is None else check_count("top_k", top_k)
        self.class_id = None if class_id is None else check_natural("class_id", class_id)
        super().__init__(thresholds, name, dtype, 0.5 if top_k is None else -1e10)

    def add(self, t: Array, p: Array, w: Array) -> None:
        if self.top_k is not None:
            # the k largest; of equals those that come first
            rank = np.argsort(np.argsort(-p, -1, kind="stable"), -1)
            p = np.where(rank < self.top_k, p, -np.inf)
        super().add(t, p, w)


class Recall(Precision):
    """How many of the positives were predicted; arguments as of `Precision`."""

    default_name, wanted = "recall", "recall"


class BestRate(Confusion):
    """The largest of one rate over all thresholds at which another is `bound` or more; 0 where it never is.

    Args:
        num_thresholds: how many, evenly from 0 to 1, the ends included.
        class_id: look at this entry of the last axis alone.
    """

    #: The rates: what is bounded, which is the name of the bound too, and what is wanted.
    bounded: str
    wanted: str

    def __init__(self, bound: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any) -> None:
        setattr(self, self.bounded, check_number(self.bounded, bound, 0, 1))
        n = self.num_thresholds = check_count("num_thresholds", num_thresholds)
        self.class_id = None if class_id is None else check_natural("class_id", class_id)
        thresholds = [0.5] if n == 1 else [0.0, *((i + 1) / (n - 1) for i in range(n - 2)), 1.0]
        super().__init__(name, thresholds, dtype=dtype)

    def add(self, t: Array, p: Array, w: Array) -> None:
        super().add(t, np.clip(p, 0, 1), w)

    def result(self) -> float:
        enough = self.rate(self.bounded) >= getattr(self, self.bounded)
        return float(np.where(enough, self.rate(self.wanted), 0).max(initial=0))


class PrecisionAtRecall(BestRate):
    """The best precision where recall is high enough."""

    default_name, bounded, wanted = "precision_at_recall", "recall", "precision"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)


class RecallAtPrecision(BestRate):
    """The best recall where precision is high enough."""

    default_name, bounded, wanted = "recall_at_precision", "precision", "recall"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)


class SensitivityAtSpecificity(BestRate):
    """The best share of positives found where enough of the negatives are left alone."""

    default_name, bounded, wanted = "sensitivity_at_specificity", "specificity", "sensitivity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


class SpecificityAtSensitivity(BestRate):
    """The best share of negatives left alone where enough of the positives are found."""

    default_name, bounded, wanted = "specificity_at_sensitivity", "sensitivity", "specificity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)
