"""Metrics of true and false positives and negatives at thresholds: Precision, Recall, AUC, the counts themselves.

A prediction is positive where it is above a threshold. Counts are gathered in float64, one pass of sorting by
thresholds for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels.reference.activations import sigmoid
from ..losses.base import Array
from ..ops import check_bool, check_count, check_natural, check_number
from .base import Metric, entries

Thresholds = float | Sequence[float] | None


def _at(thresholds: Thresholds, default: float) -> list[float]:
    given = [default] if thresholds is None else thresholds if isinstance(thresholds, list | tuple) else [thresholds]
    return [t if t == default else check_number("thresholds", t, 0, 1) for t in given]


def divide(a: Array, b: Array) -> Array:
    """a / b, 0 where b is."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=np.asarray(b) != 0)


class Confusion(Metric):
    """Gathers tp, fp, tn, fn: each (thresholds,), or (thresholds, labels) where labels are kept apart."""

    direction = "up"
    gathered = ("tp", "fp", "tn", "fn")
    by_step = True

    def __init__(self, name: str | None, thresholds: Sequence[float], apart: bool = False, dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self._order = np.argsort(thresholds, kind="stable")
        self._sorted = np.asarray(thresholds, np.float64)[self._order]
        self._apart = apart
        self.reset_state()

    def reset_state(self) -> None:
        n = len(self._sorted)
        self.tp = self.fp = self.tn = self.fn = np.zeros((n, 1) if self._apart else n)
        super().reset_state()

    def gather(self, t: Array, p: Array, w: Array) -> None:
        """Add labels, predictions and weights, all (N, n)."""
        columns = [self._count(*c) for c in zip(t.T, p.T, w.T, strict=True)] if self._apart else []
        counts = np.stack(columns, -1) if self._apart else self._count(t.ravel(), p.ravel(), w.ravel())
        self.tp, self.fp = self.tp + counts[0], self.fp + counts[1]
        self.tn, self.fn = self.tn + counts[2], self.fn + counts[3]

    def _count(self, t: Array, p: Array, w: Array) -> NDArray[Any]:
        """(4, thresholds) for flat arrays."""
        n = len(self._sorted)
        # how many thresholds a prediction is above; NaN is above none
        above = np.searchsorted(self._sorted, np.where(np.isnan(p), -np.inf, p), "left")
        positive = np.bincount(above, w * (t != 0), n + 1)
        negative = np.bincount(above, w * (t == 0), n + 1)
        tp, fp = (np.cumsum(c[::-1])[::-1][1:] for c in (positive, negative))
        found = np.empty((4, n))
        found[:, self._order] = tp, fp, negative.sum() - fp, positive.sum() - tp
        return found


class _AtThresholds(Confusion):
    """A ratio of counts, or a count, at one or several thresholds."""

    arguments: tuple[str, ...] = ("thresholds",)
    top_k: int | None = None
    class_id: int | None = None

    def __init__(self, thresholds: Thresholds, name: str | None, dtype: Any, default: float = 0.5) -> None:
        self.thresholds = thresholds
        super().__init__(name, _at(thresholds, default), dtype=dtype)

    def ratio(self) -> Array:
        raise NotImplementedError

    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        t, p, w = entries(y_true, y_pred, sample_weight, mask)
        if self.top_k is not None:
            # the k largest; of equals those that come first
            rank = np.argsort(np.argsort(-p, -1, kind="stable"), -1)
            p = np.where(rank < self.top_k, p, -np.inf)
        if self.class_id is not None:
            if not 0 <= self.class_id < p.shape[-1]:
                raise ValueError(f"class_id must be from 0 to {p.shape[-1] - 1} for these y_pred, got {self.class_id}")
            t, p, w = (a[:, self.class_id, None] for a in (t, p, w))
        self.gather(t, p, w)

    def result(self) -> Any:
        """A number; an array, one entry a threshold, where several were given."""
        found = self.ratio()
        return float(found[0]) if len(found) == 1 else found


class _OfClasses(_AtThresholds):
    arguments = ("thresholds", "top_k", "class_id")

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


class Precision(_OfClasses):
    """How many of the predicted positives are so.

    Args:
        thresholds: one or several, 0.5 by default. top_k: only the k largest predictions of a row can be positive; the
            threshold is then below all where none is given. class_id: look at this entry of the last axis alone.
    """

    default_name = "precision"

    def ratio(self) -> Array:
        return divide(self.tp, self.tp + self.fp)


class Recall(_OfClasses):
    """How many of the positives were predicted; arguments as of `Precision`."""

    default_name = "recall"

    def ratio(self) -> Array:
        return divide(self.tp, self.tp + self.fn)


class _Counts(_AtThresholds):
    count: str

    def __init__(self, thresholds: Thresholds = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(thresholds, name, dtype)

    def ratio(self) -> Array:
        return np.asarray(getattr(self, self.count))


class TruePositives(_Counts):
    """The weights of positives predicted as such."""

    default_name, count = "true_positives", "tp"


class FalsePositives(_Counts):
    """The weights of negatives predicted as positives."""

    default_name, count, direction = "false_positives", "fp", "down"


class TrueNegatives(_Counts):
    """The weights of negatives predicted as such."""

    default_name, count = "true_negatives", "tn"


class FalseNegatives(_Counts):
    """The weights of positives predicted as negatives."""

    default_name, count, direction = "false_negatives", "fn", "down"


class AUC(Confusion):
    """The area under a curve, as sums over thresholds.

    Args:
        num_thresholds: how many, evenly from 0 to 1, the ends included.
        curve: "ROC", recall over the rate of false positives, or "PR", precision over recall.
        summation_method: "interpolation" (trapezoids; for PR as Davis and Goadrich 2006), "minoring", "majoring".
        thresholds: these, in place of even ones; 0 and 1 are added.
        multi_label: an area for each entry of the last axis, averaged by label_weights; num_labels is then checked.
        label_weights: weights of those entries.
        from_logits: predictions are logits.
    """

    default_name = "auc"
    arguments = (
        *("num_thresholds", "curve", "summation_method", "thresholds", "multi_label", "num_labels"),
        *("label_weights", "from_logits"),
    )

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        if curve not in ("ROC", "PR"):
            raise ValueError(f"curve must be 'ROC' or 'PR', got {curve!r}")
        if summation_method not in ("interpolation", "minoring", "majoring"):
            raise ValueError(
                f"summation_method must be 'interpolation', 'minoring' or 'majoring', got {summation_method!r}"
            )
        if num_labels is not None and not multi_label:
            raise ValueError(f"num_labels needs multi_label=True, got num_labels={num_labels}")
        self.thresholds = None if thresholds is None else sorted(_at(list(thresholds), 0.5))
        n = check_count("num_thresholds", num_thresholds) if thresholds is None else len(thresholds) + 2
        if n < 2:
            raise ValueError(f"num_thresholds must be 2 or more, got {n}")
        inner = [(i + 1) / (n - 1) for i in range(n - 2)] if self.thresholds is None else self.thresholds
        self.num_thresholds, self.curve, self.summation_method = n, curve, summation_method
        self.multi_label = check_bool("multi_label", multi_label)
        self.num_labels = None if num_labels is None else check_count("num_labels", num_labels)
        self.label_weights = (
            None if label_weights is None else [check_number("label_weights", w) for w in label_weights]
        )
        self.from_logits = check_bool("from_logits", from_logits)
        # the ends a little beyond 0 and 1, so that every prediction is above the first and none above the last
        super().__init__(name, [-1e-7, *inner, 1 + 1e-7], self.multi_label, dtype)

    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        t, p, w = entries(y_true, y_pred, sample_weight, mask)
        if self.from_logits:
            p = sigmoid(p)
        if self.thresholds is None:
            p = np.clip(p, 0, 1)
        labels = p.shape[-1]
        if self.num_labels not in (None, labels):
            raise ValueError(f"y_pred must have num_labels={self.num_labels} entries in its last axis, got {labels}")
        if self.label_weights is not None:
            if len(self.label_weights) != labels:
                raise ValueError(f"label_weights must be {labels} numbers, one a label, got {self.label_weights}")
            w = w if self.multi_label else w * np.asarray(self.label_weights)
        self.gather(t, p, w)

    def result(self) -> float:
        areas = self._pr_areas() if (self.curve, self.summation_method) == ("PR", "interpolation") else self._areas()
        area = areas.sum(0)
        if not self.multi_label:
            return float(area)
        weights = np.ones(area.shape) if self.label_weights is None else np.asarray(self.label_weights)
        return float(divide((area * weights).sum(), weights.sum()))

    def _areas(self) -> Array:
        """The area between each two thresholds."""
        recall = divide(self.tp, self.tp + self.fn)
        x, y = recall, divide(self.tp, self.tp + self.fp)
        if self.curve == "ROC":
            x, y = divide(self.fp, self.fp + self.tn), recall
        heights = {"minoring": np.minimum, "majoring": np.maximum}.get(self.summation_method, lambda a, b: (a + b) / 2)
        return np.asarray((x[:-1] - x[1:]) * heights(y[:-1], y[1:]))

    def _pr_areas(self) -> Array:
        """The same, where true positives are linear in all positives between two thresholds."""
        p = self.tp + self.fp
        dtp = self.tp[:-1] - self.tp[1:]
        slope = divide(dtp, np.maximum(p[:-1] - p[1:], 0))
        intercept = self.tp[1:] - slope * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        ratio = np.divide(p[:-1], p[1:], out=np.ones(both.shape), where=both)
        return divide(slope * (dtp + intercept * np.log(ratio)), self.tp[1:] + self.fn[1:])
