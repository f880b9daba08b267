"""Confidence intervals of means over few seeds, by Student's t, and what they allow to be said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def t_cdf(t: float, df: int) -> float:
    """P(T <= t) of Student's t with df degrees of freedom; Abramowitz and Stegun 1964, 26.7.3 and 26.7.4."""
    theta = math.atan(abs(t) / math.sqrt(df))
    sine, cosine = math.sin(theta), math.cos(theta)
    # the terms up to cos^(df - 2): odd powers beginning with cos, or even ones with 1
    term, total = (cosine, 0.0) if df % 2 else (1.0, 0.0)
    for k in range(1 if df % 2 else 0, df - 1, 2):
        total += term
        term *= cosine * cosine * (k + 1) / (k + 2)
    inside = 2 / math.pi * (theta + sine * total) if df % 2 else sine * total
    return 0.5 + math.copysign(0.5 * inside, t)


def t_quantile(p: float, df: int) -> float:
    """The t below which Student's t lies with probability p > 0.5, by bisection."""
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, df) < p else (low, middle)
    return (low + high) / 2


def interval(values: Array, level: float = 0.95) -> tuple[Array, Array, Array]:
    """Mean, lower end and upper end of its t-interval over the last axis; the ends are NaN for a single value."""
    n = values.shape[-1]
    mean = values.mean(-1)
    if n < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = t_quantile(0.5 + level / 2, n - 1) * values.std(-1, ddof=1) / math.sqrt(n)
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
