"""Confidence intervals of means over few seeds, by Student's t, and what they allow to be said."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def interval(values: Array, level: float = 0.95) -> tuple[Array, Array, Array]:
    """Mean, lower end and upper end of its t-interval over the last axis; the ends are NaN for a single value.

    Raises:
        ImportError: SciPy is missing.
    """
    try:
        from scipy.special import stdtrit
    except ModuleNotFoundError as error:
        raise ImportError("the lab's confidence intervals need SciPy: pip install 'cellstep[lab]'") from error
    n = values.shape[-1]
    mean = values.mean(-1)
    if n < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = stdtrit(n - 1, 0.5 + level / 2) * values.std(-1, ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half


def differs(a: Array, b: Array, pairs: int = 1, level: float = 0.95) -> int:
    """Whether two scores over the same seeds differ: -1 where a is shown to be lower, 1 higher, 0 neither.

    By the t-interval of the mean of a - b, seed by seed; its level is raised for as many pairs as are compared
    (Bonferroni), so that all claims together hold with `level`.
    """
    if len(a) < 2:
        return 0
    _, low, high = interval(a - b, 1 - (1 - level) / pairs)
    return 1 if low > 0 else -1 if high < 0 else 0
