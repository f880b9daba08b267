"""The best of one rate of hits where another is high enough: PrecisionAtRecall and its three like."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..losses.base import Array
from ..ops import check_count, check_natural, check_number
from .base import entries
from .confusion import Confusion, divide


class _Best(Confusion):
    """The largest of one rate over all thresholds at which another is `bound` or more; 0 where it never is.

    Args:
        num_thresholds: how many, evenly from 0 to 1, the ends included.
        class_id: look at this entry of the last axis alone.
    """

    #: The name of the bound, and of the rates: what is bounded, what is wanted.
    bounded: str
    wanted: str

    def __init__(self, bound: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any) -> None:
        setattr(self, self.bounded, check_number(self.bounded, bound, 0, 1))
        n = self.num_thresholds = check_count("num_thresholds", num_thresholds)
        self.class_id = None if class_id is None else check_natural("class_id", class_id)
        thresholds = [0.5] if n == 1 else [0.0, *((i + 1) / (n - 1) for i in range(n - 2)), 1.0]
        super().__init__(name, thresholds, dtype=dtype)

    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        t, p, w = entries(y_true, y_pred, sample_weight, mask)
        if self.class_id is not None:
            if not 0 <= self.class_id < p.shape[-1]:
                raise ValueError(f"class_id must be from 0 to {p.shape[-1] - 1} for these y_pred, got {self.class_id}")
            t, p, w = (a[:, self.class_id, None] for a in (t, p, w))
        self.gather(t, np.clip(p, 0, 1), w)

    def _rate(self, name: str) -> Array:
        hits, others = {
            "precision": (self.tp, self.fp),
            "recall": (self.tp, self.fn),
            "sensitivity": (self.tp, self.fn),
            "specificity": (self.tn, self.fp),
        }[name]
        return divide(hits, hits + others)

    def result(self) -> float:
        enough = self._rate(self.bounded) >= getattr(self, self.bounded)
        return float(np.where(enough, self._rate(self.wanted), 0).max(initial=0))


class PrecisionAtRecall(_Best):
    """The best precision where recall is high enough."""

    default_name, bounded, wanted = "precision_at_recall", "recall", "precision"
    arguments = ("recall", "num_thresholds", "class_id")

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)


class RecallAtPrecision(_Best):
    """The best recall where precision is high enough."""

    default_name, bounded, wanted = "recall_at_precision", "precision", "recall"
    arguments = ("precision", "num_thresholds", "class_id")

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)


class SensitivityAtSpecificity(_Best):
    """The best share of positives found where enough of the negatives are left alone."""

    default_name, bounded, wanted = "sensitivity_at_specificity", "specificity", "sensitivity"
    arguments = ("specificity", "num_thresholds", "class_id")

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


class SpecificityAtSensitivity(_Best):
    """The best share of negatives left alone where enough of the positives are found."""

    default_name, bounded, wanted = "specificity_at_sensitivity", "sensitivity", "specificity"
    arguments = ("sensitivity", "num_thresholds", "class_id")

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)
