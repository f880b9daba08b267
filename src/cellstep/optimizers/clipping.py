"""Clipping of gradients in the flat buffers, in place: by value, by the norm of each variable's, by the norm of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .flat import Part

Array = NDArray[Any]


def clip(flats: Sequence[Part], clipnorm: float | None, global_clipnorm: float | None, clipvalue: float | None) -> None:
    """Clip in the one way that is not None."""
    if clipvalue is not None:
        for flat in flats:
            np.clip(flat.grad, -clipvalue, clipvalue, out=flat.grad)
    elif clipnorm is not None:
        for flat in flats:
            for at in flat.segments:
                norm = math.sqrt(_sum_of_squares(flat.grad[at], flat.scratch[at]))
                _scale(flat.grad[at], clipnorm, norm)
    elif global_clipnorm is not None:
        norm = math.sqrt(sum(_sum_of_squares(flat.grad, flat.scratch) for flat in flats))
        for flat in flats:
            _scale(flat.grad, global_clipnorm, norm)


def _sum_of_squares(g: Array, scratch: Array) -> float:
    """Summed by NumPy's pairwise sum: accurate, and the same for any number of BLAS threads."""
    with np.errstate(over="ignore"):
        total = float(np.multiply(g, g, out=scratch).sum())
    if math.isinf(total):
        # float32 squares overflow above 2e19, where the norm itself is still an ordinary number
        total = float(np.square(g, dtype=np.float64).sum())
    return total


def _scale(g: Array, bound: float, norm: float) -> None:
    """Scale `g` to the norm `bound` if `norm` is more. A norm that is not finite makes NaN, as in Keras."""
    if not norm <= bound:
        g *= bound / norm if math.isfinite(norm) else math.nan
