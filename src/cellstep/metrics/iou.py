"""Intersection over union of predicted and true classes: IoU, MeanIoU, BinaryIoU, OneHotIoU, OneHotMeanIoU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..losses.base import EPSILON, align, as_weights
from ..ops import check_bool, check_count, check_integer, check_number, plain
from .base import Metric


class IoU(Metric):
    """true positives / (true positives + false positives + false negatives), the mean over some classes.

    Args:
        num_classes: how many classes there are.
        target_class_ids: of which the mean is; one that occurs nowhere is left out.
        ignore_class: targets of this class are left out.
        sparse_y_true, sparse_y_pred: labels (B, ...); False for scores (B, ..., n), the largest of which counts.
        axis: of the scores; -1, nothing else.
        dtype: as of every metric; Keras's int, "int32" and "int64" stand for the default.

    Labels out of range count nowhere, as in Keras. Weights and masks have the shape of the labels, or begin as it does.
    """

    direction = "up"
    by_step = True
    default_name = "io_u"
    gathered = ("counts",)
    arguments: tuple[str, ...] = (
        *("num_classes", "target_class_ids", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis"),
    )

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(None if dtype in ("int", "int32", "int64") else dtype, name)
        if axis != -1:
            raise NotImplementedError(f"axis other than -1 is not built, got {axis!r}")
        self.num_classes = check_count("num_classes", num_classes)
        self.target_class_ids = [check_integer("target_class_ids", i) for i in target_class_ids]
        if not all(0 <= i < num_classes for i in self.target_class_ids) or not self.target_class_ids:
            raise ValueError(f"target_class_ids must be from 0 to {num_classes - 1}, got {list(target_class_ids)}")
        self.ignore_class = None if ignore_class is None else check_integer("ignore_class", ignore_class)
        self.axis = axis
        self.sparse_y_true = check_bool("sparse_y_true", sparse_y_true)
        self.sparse_y_pred = check_bool("sparse_y_pred", sparse_y_pred)
        self.reset_state()

    def reset_state(self) -> None:
        self.counts = np.zeros((self.num_classes, self.num_classes))
        super().reset_state()

    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        true, pred = plain("y_true", y_true), plain("y_pred", y_pred)
        true = true if self.sparse_y_true else true.argmax(-1)
        pred = pred if self.sparse_y_pred else pred.argmax(-1)
        if true.shape != pred.shape and true.size == pred.size:
            true = true.reshape(pred.shape)  # an axis of length 1 more, or less
        if true.shape != pred.shape:
            raise ValueError(f"y_true must have the labels of y_pred, of shape {pred.shape}, got shape {true.shape}")
        weights = np.ones(pred.shape)
        if sample_weight is not None:
            weights = weights * align("sample_weight", as_weights(sample_weight), pred.shape)
        if mask is not None:
            weights = weights * align("mask", plain("mask", mask).astype(bool, copy=False), pred.shape)
        n = self.num_classes
        inside = (true >= 0) & (true < n) & (pred >= 0) & (pred < n)
        if self.ignore_class is not None:
            inside &= true != self.ignore_class
        rows, columns = true[inside].astype(int), pred[inside].astype(int)
        self.counts = self.counts + np.bincount(rows * n + columns, weights[inside], n * n).reshape(n, n)

    def result(self) -> float:
        hits = self.counts.diagonal()
        union = (self.counts.sum(0) + self.counts.sum(1) - hits)[self.target_class_ids]
        there = union > 1e-9
        found = np.where(there, hits[self.target_class_ids] / (union + EPSILON), 0)
        return float(found.sum() / (there.sum() + EPSILON))


class BinaryIoU(IoU):
    """Of two classes, 1 where a prediction is `threshold` or more."""

    default_name = "binary_io_u"
    arguments = ("target_class_ids", "threshold")

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = check_number("threshold", threshold)

    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        super().update_state(y_true, (plain("y_pred", y_pred) >= self.threshold).astype(int), sample_weight, mask)


class MeanIoU(IoU):
    """Of all classes."""

    default_name = "mean_io_u"
    arguments: tuple[str, ...] = ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        ids = range(check_count("num_classes", num_classes))
        super().__init__(num_classes, ids, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class OneHotIoU(IoU):
    """With targets one-hot (B, ..., n)."""

    default_name = "one_hot_io_u"
    arguments = ("num_classes", "target_class_ids", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


class OneHotMeanIoU(MeanIoU):
    """Of all classes, with targets one-hot (B, ..., n)."""

    default_name = "one_hot_mean_io_u"
    arguments = ("num_classes", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
