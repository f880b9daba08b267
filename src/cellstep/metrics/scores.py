"""F scores of classes, and the coefficient of determination of regressions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import check_number
from ..losses.alignment import EPSILON, Array
from .base import EntryMetric


class FBetaScore(EntryMetric):
    """(1 + beta^2) precision recall / (beta^2 precision + recall), for predictions (..., classes), targets one-hot.

    Args:
        average: None gives one score a class; "micro" counts all classes together; "macro" is the mean over classes;
            "weighted" the mean weighted by how often a class is so.
        beta: how many times more recall counts.
        threshold: what is above it is predicted; None predicts the largest of a row.
    """

    default_name = "fbeta_score"
    direction = "up"
    accumulators = {"_tp": (1,), "_fp": (1,), "_fn": (1,)}
    _tp: Array
    _fp: Array
    _fn: Array

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(f"average must be None, 'micro', 'macro' or 'weighted', got {average!r}")
        self.average, self.beta = average, check_number("beta", beta, 0, 1e100)
        if self.beta <= 0:
            raise ValueError(f"beta must be positive, got {beta!r}")
        self.threshold = None if threshold is None else check_number("threshold", threshold, 0, 1)

    def add(self, t: Array, p: Array, w: Array) -> None:
        if self.threshold is None:
            # a row of zeros predicts nothing
            hits = (p >= p.max(-1, keepdims=True)) & (np.abs(p) > 1e-9)
        else:
            hits = p > self.threshold
        self._tp = self._tp + (hits * t * w).sum(0)
        self._fp = self._fp + (hits * (1 - t) * w).sum(0)
        self._fn = self._fn + (~hits * t * w).sum(0)

    def result(self) -> Any:
        """A number, or (classes,) where not averaged."""
        tp, fp, fn = self._tp, self._fp, self._fn
        if self.average == "micro":
            tp, fp, fn = tp.sum(), fp.sum(), fn.sum()
        precision, recall = tp / (tp + fp + EPSILON), tp / (tp + fn + EPSILON)
        squared = self.beta**2
        score = (1 + squared) * precision * recall / (squared * precision + recall + EPSILON)
        if self.average == "weighted":
            share = (self._tp + self._fn) / ((self._tp + self._fn).sum() + EPSILON)
            return float((score * share).sum())
        return score if self.average is None else float(np.mean(score))


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall; arguments as of `FBetaScore`."""

    default_name = "f1_score"

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)


class R2Score(EntryMetric):
    """1 - sum((y - p)^2) / sum((y - mean y)^2), for each entry of the last axis.

    Args:
        class_aggregation: "uniform_average", "variance_weighted_average", or None, one score an entry.
        num_regressors: other than 0, the adjusted score for so many independent predictors.
    """

    default_name = "r2_score"
    direction = "up"
    accumulators = {"_sum": (1,), "_squares": (1,), "_residual": (1,), "_count": (1,), "_samples": ()}
    _sum: Array
    _squares: Array
    _residual: Array
    _count: Array
    _samples: float

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            known = "None, 'uniform_average' or 'variance_weighted_average'"
            raise ValueError(f"class_aggregation must be {known}, got {class_aggregation!r}")
        if not isinstance(num_regressors, int) or num_regressors < 0:
            raise ValueError(f"num_regressors must be 0 or more, got {num_regressors!r}")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors

    def add(self, t: Array, p: Array, w: Array) -> None:
        self._sum = self._sum + (w * t).sum(0)
        self._squares = self._squares + (w * t * t).sum(0)
        self._residual = self._residual + (w * (t - p) ** 2).sum(0)
        self._count = self._count + w.sum(0)
        self._samples += t.size

    def result(self) -> Any:
        """A number; an array where scores are not put together; NaN for targets without variance, as in Keras."""
        if not self._count.all():
            return 0.0
        total = self._squares - self._sum**2 / self._count
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = 1 - self._residual / total
        scores = np.where(np.isinf(scores), 0, scores)
        score: Any = scores
        if self.class_aggregation == "uniform_average":
            score = float(scores.mean())
        elif self.class_aggregation is not None:
            score = float((total * scores).sum() / total.sum())
        n, k = self._samples, self.num_regressors
        return score if not k or k >= n - 1 else 1 - (1 - score) * (n - 1) / (n - k - 1)
