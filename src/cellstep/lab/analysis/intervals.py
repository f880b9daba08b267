"""Confidence intervals of scores over few seeds, by Student's t on a scale without ends, and what they show.

An interval mean +- t s / sqrt(n) of accuracies may pass 1, and one of errors 0. So means and intervals are taken of
log-odds and of logarithms, which know no ends, and brought back: then they lie where scores do, and a difference is a
ratio, of odds or of errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Scale:
    """A scale without ends for scores: what they become on it, and back. ratio: what a difference on it is, brought
    back by `np.exp`."""

    of: Callable[[Array], Array]
    back: Callable[[Array], Array]
    ratio: str


def log_odds(n: int) -> Scale:
    """For accuracies over n samples: log((k + 1/2) / (n - k + 1/2)) of k right ones, so that all right is finite
    (Haldane 1956)."""

    def back(values: Array) -> Array:
        return np.asarray(np.clip(((n + 1) / (1 + np.exp(-values)) - 0.5) / n, 0, 1))

    return Scale(lambda p: np.log((p * n + 0.5) / ((1 - p) * n + 0.5)), back, "ratio of odds")


#: For errors, which are positive; one below 1e-30 counts as that.
LOGARITHM = Scale(lambda values: np.log(np.maximum(values, 1e-30)), np.exp, "ratio of errors")


def sign_of(low: float, high: float, middle: float = 0.0) -> int:
    """-1 where an interval lies below `middle`, 1 above, 0 where it holds it or has no ends."""
    return 1 if low > middle else -1 if high < middle else 0
