"""Softmax: exp(x) over its sum along one axis or several, with a mask."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from .. import core
from ..kernels.stages import Activate, Stage
from .base import Array, LayerOptions
from .over_axes import OverAxes
from .transform import Back, Transform

#: What a masked number is taken for. Keras has this one; the mask is applied to the outputs again.
ABSENT = -1e9


class Softmax(OverAxes, Transform):
    """exp(x) over its sum.

    Args:
        axis: along which the outputs sum to 1; or a list of axes.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    A mask, of a shape that broadcasts to x's, is True, or above 0.5, where a number counts; the outputs are 0
    elsewhere. It is passed on.

    Example:
        >>> y = Softmax()([[1.0, 2.0, 3.0]], mask=np.array([[True, True, False]]))
    """

    def __init__(self, axis: Any = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.axis = core.check_axes("axis", axis)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        axes = core.places("axis", self.axis, x.shape)
        if 0 in (x.shape[axis] for axis in axes):
            raise ValueError(f"expected x with one entry or more along axis {self.axis}, got shape {x.shape}")
        there = None if mask is None else _broadcast(mask, x.shape)
        zero = x.dtype.type(0)
        logits = x if there is None else np.where(there, x, x.dtype.type(ABSENT))
        e = np.exp(logits - logits.max(axis=axes, keepdims=True))
        shares = e / e.sum(axis=axes, keepdims=True)

        def back(dy: Array) -> Array:
            weighted = (dy if there is None else np.where(there, dy, zero)) * shares
            dx = weighted - shares * weighted.sum(axis=axes, keepdims=True)
            return np.asarray(dx if there is None else np.where(there, dx, zero))

        return (shares if there is None else np.where(there, shares, zero)), back

    def stages(self) -> list[Stage]:
        if self.axis not in (-1, [-1]):
            raise NotImplementedError(f"axis of {self.name} must be -1 in a stream, got {self.axis}")
        return [Activate("softmax")]


def _broadcast(mask: Any, shape: tuple[int, ...]) -> Array:
    """The mask as booleans, of a shape that broadcasts to this one."""
    a = core.plain("mask", mask)
    if a.dtype.kind not in "fiub":
        raise TypeError(f"expected mask to hold booleans, got dtype {a.dtype}")
    fits = a.ndim <= len(shape) and all(m in (1, s) for m, s in zip(a.shape[::-1], shape[::-1], strict=False))
    if not fits:
        raise ValueError(f"expected mask of a shape that broadcasts to that of x, {shape}, got {a.shape}")
    return a if a.dtype.kind == "b" else a > 0.5
