"""Class weights: what `class_weight` says of classes as weights of the rows, or of the steps, of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core
from ..layers import nested
from ..layers.ragged import Ragged
from ..losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from .data import Batch, ClassWeight
from .stored import read

Array = NDArray[Any]


def weigher(class_weight: ClassWeight, loss: Any) -> Callable[[Batch], Batch]:
    """A function that gives a batch the weights of its classes, which the loss tells from its targets."""

    def weigh(batch: Batch) -> Batch:
        if batch.sample_weight is not None:
            raise ValueError("class_weight and sample_weight cannot both be given")
        if batch.y is None:
            return batch
        targets = [read(target) for target in nested.flatten(batch.y)]
        if len(targets) != 1 or isinstance(targets[0], Ragged):
            what = "sequences of different lengths" if len(targets) == 1 else f"{len(targets)} outputs"
            raise ValueError(f"class_weight needs a model with one output and even targets, got {what}")
        kinds = [k for k in nested.flatten(loss) if k is not None] or [None]
        one_hot = isinstance(kinds[0], CategoricalCrossentropy)
        sparse = isinstance(kinds[0], SparseCategoricalCrossentropy)
        return batch._replace(sample_weight=class_weights(class_weight, targets[0], one_hot, sparse))

    return weigh


def class_weights(class_weight: ClassWeight, y: Array, one_hot: bool, sparse: bool) -> Array:
    """A weight for each row, or each row and step, from the class that its target says; 1 for classes not named.

    Args:
        class_weight: class to weight.
        y: targets.
        one_hot: their class is the largest entry of the last axis, also where a row does not add up to 1; else that is
            so of rows that do, and the class is the target itself, rounded, where there is one a row.
        sparse: targets may be (B, T) labels.

    Raises:
        TypeError: class_weight is no dictionary. ValueError: targets do not say one class each.
    """
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight must be a dictionary of class to weight, got {core.brief(class_weight)}")
    if not (one_hot or sparse) and y.ndim > 1 and y.shape[-1] != 1:
        one_hot = bool((y >= 0).all() and (np.abs(y.sum(-1) - 1) < 1e-3).all())
        if not one_hot:
            raise ValueError(
                f"class_weight needs one class a row, got y of shape {y.shape}, whose rows are not one-hot"
            )
    labels = y.argmax(-1) if one_hot else np.round(y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 else y)
    weights = np.ones(labels.shape)
    for label, weight in class_weight.items():
        if isinstance(label, str):
            raise TypeError(f"class_weight must have classes, which are integers, for keys, got {label!r}")
        weights[labels == label] = core.check_number(f"class_weight[{label}]", weight)
    return weights
