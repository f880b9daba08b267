"""Accuracy on held-out games, the baselines, and whether a difference between two of them means anything."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .histories import Samples

Right = NDArray[np.bool_]


class Score(NamedTuple):
    """Share of right answers, its standard error, and on how many games."""

    accuracy: float
    error: float
    n: int

    def __str__(self) -> str:
        return f"{100 * self.accuracy:5.1f} % +- {100 * self.error:.1f}"


def score(right: Right) -> Score:
    """Accuracy with its standard error from (N,) booleans, N > 0."""
    p, n = float(right.mean()), len(right)
    return Score(p, math.sqrt(p * (1 - p) / n), n)


def frequent_class(train: Samples) -> float:
    """The result that most training games had: 1 for a win, else 0."""
    return float(train.y.mean() > 0.5)


def by_win_rate(held: Samples, otherwise: float) -> NDArray[Any]:
    """(N,) predictions of somebody who only looks at the table.

    A win where the team's past win rate is above the opponent's, or above one half where the opponent's is not known;
    no win where it is below; `otherwise` where the two are equal or the team has not played yet.
    """
    bar = np.where(np.isnan(held.opponent_rate), 0.5, held.opponent_rate)
    # a comparison with NaN is False both times, so a team's first game falls to `otherwise`
    return np.where(held.rate > bar, 1.0, np.where(held.rate < bar, 0.0, otherwise))


def verdict(name: str, ours: Right, other: Right) -> str:
    """One sentence on whether `ours` beats the baseline `name`, both (N,) booleans on the same games.

    The difference is judged game by game: what both got right, or both wrong, says nothing about which is better.
    """
    d = ours.astype(float) - other.astype(float)
    points, error = 100 * float(d.mean()), 100 * float(d.std()) / math.sqrt(len(d))
    figures = f"{abs(points):.1f} points on {len(d)} games, standard error of the difference {error:.1f}"
    if points == 0:
        return f"It does exactly as well as {name} ({figures})."
    if abs(points) > 2 * error:
        return f"It {'beats' if points > 0 else 'does worse than'} {name} by {figures}."
    side = "ahead of" if points > 0 else "behind"
    return f"It is {side} {name} by {figures}: that is within luck, so it does not beat it."
