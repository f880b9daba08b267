"""A league that never was: generated games in the columns of a real season, the demo's default data.

Each team has a hidden strength that drifts slowly, as players age and come and go, and now and then a streak: some
weeks in which it plays above or below itself. Goals are Poisson numbers whose means depend on the difference of the
two strengths. So there is something to learn that a win rate over the whole past misses, and, as in sport, most of a
result is luck.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

TEAMS = (
    *("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ivy", "Juniper", "Katsura", "Larch"),
    *("Maple", "Neem", "Oak", "Pine", "Quince", "Rowan", "Spruce", "Teak", "Ulmo", "Viburnum", "Willow", "Yew"),
)
DRIFT, PULL = 0.09, 0.02  # a strength's random step from round to round, and its pull back to zero
STREAK_STARTS, STREAK_ENDS, STREAK_SIZE = 0.03, 0.12, 0.45
MEAN_GOALS = 2.8


@dataclass(frozen=True)
class Game:
    """One game as one team saw it."""

    team: str
    date: date
    opponent: str
    goals_for: int
    goals_against: int

    @property
    def won(self) -> bool:
        return self.goals_for > self.goals_against

    def reverse(self) -> Game:
        """The same game as the opponent saw it."""
        return Game(self.opponent, self.date, self.team, self.goals_against, self.goals_for)


def generate(seed: int = 0, rounds: int = 300) -> list[Game]:
    """All games of a league, in order of date; each game twice, once as each of its two teams saw it.

    Args:
        seed: the same seed gives the same games.
        rounds: in each round every team plays once; rounds are one to four days apart.
    """
    rng = np.random.default_rng(seed)
    n = len(TEAMS)
    strength = rng.normal(0, DRIFT / np.sqrt(2 * PULL), n)
    streak = np.zeros(n)
    day = date(2001, 10, 1)
    games: list[Game] = []
    for _ in range(rounds):
        strength += -PULL * strength + rng.normal(0, DRIFT, n)
        streak[rng.random(n) < STREAK_ENDS] = 0
        starts = (streak == 0) & (rng.random(n) < STREAK_STARTS)
        streak[starts] = STREAK_SIZE * rng.choice([-1.0, 1.0], starts.sum())
        for a, b in rng.permutation(n).reshape(-1, 2):
            edge = (strength[a] + streak[a] - strength[b] - streak[b]) / 2
            for_a, for_b = int(rng.poisson(MEAN_GOALS * np.exp(edge))), int(rng.poisson(MEAN_GOALS * np.exp(-edge)))
            if for_a == for_b:
                # overtime: the next goal decides
                if rng.random() < 1 / (1 + np.exp(-2 * edge)):
                    for_a += 1
                else:
                    for_b += 1
            game = Game(TEAMS[a], day, TEAMS[b], for_a, for_b)
            games += [game, game.reverse()]
        day += timedelta(days=int(rng.integers(1, 5)))
    return games
