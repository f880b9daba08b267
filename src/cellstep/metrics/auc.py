"""AUC: the area under a curve of rates over thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import check_bool, check_count, check_number
from ..kernels.reference.activations import sigmoid
from ..losses.alignment import Array
from .thresholds import Confusion, check_thresholds, divide


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
        self.thresholds = None if thresholds is None else sorted(check_thresholds(list(thresholds), 0.5))
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

    def add(self, t: Array, p: Array, w: Array) -> None:
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
        super().add(t, p, w)

    def result(self) -> float:
        areas = self._pr_areas() if (self.curve, self.summation_method) == ("PR", "interpolation") else self._areas()
        area = areas.sum(0)
        if not self.multi_label:
            return float(area)
        weights = np.ones(area.shape) if self.label_weights is None else np.asarray(self.label_weights)
        return float(divide((area * weights).sum(), weights.sum()))

    def _areas(self) -> Array:
        """The area between each two thresholds."""
        axes = ("fall-out", "recall") if self.curve == "ROC" else ("recall", "precision")
        x, y = (self.rate(name) for name in axes)
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
