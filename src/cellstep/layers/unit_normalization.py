"""UnitNormalization: each row, or each step of it, gets length 1."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from .. import core
from .base import Array, LayerOptions
from .over_axes import OverAxes
from .transform import Back, Transform


class UnitNormalization(OverAxes, Transform):
    """x / |x|, with the Euclidean length |x| over `axis`; lengths under 1e-12 count as that.

    Args:
        axis: what to take the length over; or a list of axes.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    A mask is passed on.

    Example:
        >>> y = UnitNormalization()(np.arange(6.0).reshape(2, 3))
    """

    def __init__(self, axis: Any = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.axis = core.check_axes("axis", axis)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        return unit(x, core.places("axis", self.axis, x.shape), 1e12)


def unit(x: Array, axes: tuple[int, ...], most: float) -> tuple[Array, Back]:
    """x / |x| over some axes, at most `most` times x; and the pullback."""
    with np.errstate(divide="ignore"):
        inverse = np.minimum(1 / np.sqrt(np.square(x).sum(axes, keepdims=True)), x.dtype.type(most))
    y = x * inverse
    free = inverse < most

    def back(dy: Array) -> Array:
        along = np.where(free, (dy * y).sum(axes, keepdims=True), x.dtype.type(0))
        return np.asarray((dy - y * along) * inverse)

    return y, back
