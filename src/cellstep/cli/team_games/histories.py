"""From games to samples: a team's past games and the fixture that comes next, and whether the team won it.

Nothing of a game's own day, or of any later day, goes into its sample: all samples of a day are made before any result
of that day is entered. Both teams' views of one game carry the same date, so a split by date never has one on each
side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .league import Game

#: What the network sees of each step. `kind` is 1 for a game that was played and -1 for the fixture to be predicted,
#: whose result columns are zero; so a real step is never all zeros, which is what padding is.
FEATURES = (
    *("kind", "goals_for", "goals_against", "won"),
    *("own_rate", "own_margin", "opponent_rate", "opponent_margin", "rest", "opponent_rest"),
)
LAST = 30  # past games in a history, at most


@dataclass
class Record:
    """What is known of a team so far."""

    games: int = 0
    wins: int = 0
    margin: int = 0
    last: date | None = None
    steps: list[list[float]] = field(default_factory=list)

    @property
    def rate(self) -> float | None:
        """Share of past games won, or None before the first."""
        return self.wins / self.games if self.games else None

    def features(self, today: date) -> tuple[float, float, float]:
        """Win rate and goal margin a game, both pulled towards zero while games are few, and days of rest."""
        rest = 7 if self.last is None else min((today - self.last).days, 7)
        return 2 * (self.wins + 2) / (self.games + 4) - 1, self.margin / (self.games + 4), rest / 7

    def enter(self, game: Game) -> None:
        """Add a result of this team."""
        self.games += 1
        self.wins += game.won
        self.margin += game.goals_for - game.goals_against
        self.last = game.date


@dataclass
class Samples:
    """N samples in order of date.

    x (N, LAST + 1, features) float32, padded on the right with zeros; y (N,) 1 where the team won, else 0;
    dates (N,) of the games; rate and opponent_rate: the two teams' past win rates, NaN where there is none;
    once: (N,) True for one of the samples of each game, so that no game counts twice.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    dates: NDArray[Any]
    rate: NDArray[Any]
    opponent_rate: NDArray[Any]
    once: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.y)

    def where(self, rows: NDArray[np.bool_]) -> Samples:
        """The samples at which `rows` (N,) is True."""
        return Samples(*(getattr(self, name)[rows] for name in Samples.__dataclass_fields__))


def samples(games: Sequence[Game], seed: int = 0) -> Samples:
    """One sample for each game of each team, from the games before it.

    Args:
        games: in order of date.
        seed: of the coin that decides which team's view stands for a game in `once`.
    """
    coin = np.random.default_rng(seed)
    listed = {game.team for game in games}
    records: dict[str, Record] = {}
    sequences: list[list[list[float]]] = []
    y, dates, rates, opponent_rates = [], [], [], []
    once: list[bool] = []
    for day, group in groupby(games, key=lambda g: g.date):
        today = list(group)
        fixtures = []
        seen: dict[tuple[str, str], int] = {}
        for game in today:
            own, other = (records.setdefault(name, Record()) for name in (game.team, game.opponent))
            own_rate, own_margin, rest = own.features(day)
            other_rate, other_margin, other_rest = other.features(day)
            context = [own_rate, own_margin, other_rate, other_margin, rest, other_rest]
            fixtures.append((own, game, context))
            sequences.append([*own.steps[-LAST:], [-1.0, 0.0, 0.0, 0.0, *context]])
            y.append(float(game.won))
            dates.append(day.toordinal())
            rates.append(np.nan if own.rate is None else own.rate)
            # of a team without rows of its own only some games are known: its rate would mean something else
            known = game.opponent in listed and other.rate is not None
            opponent_rates.append(other.rate if known else np.nan)
            _count_once(game, once, seen, bool(coin.random() < 0.5))
        for own, game, context in fixtures:
            goals = game.goals_for / 3 - 1, game.goals_against / 3 - 1
            own.steps.append([1.0, *goals, 1.0 if game.won else -1.0, *context])
            own.enter(game)
            if (game.opponent, game.team) not in seen:
                records[game.opponent].enter(game.reverse())
    x = np.zeros((len(sequences), LAST + 1, len(FEATURES)), np.float32)
    for row, steps in zip(x, sequences, strict=True):
        row[: len(steps)] = steps
    return Samples(
        x,
        np.array(y, np.float32),
        np.array(dates, np.int64),
        np.array(rates, np.float64),
        np.array(opponent_rates, np.float64),
        np.array(once, np.bool_),
    )


def _count_once(game: Game, once: list[bool], seen: dict[tuple[str, str], int], heads: bool) -> None:
    """Append whether this view stands for its game; where the other team's came first, the coin decides."""
    first = seen.get((game.opponent, game.team))
    seen[game.team, game.opponent] = len(once)
    if first is not None:
        once[first] = not heads
    once.append(heads if first is not None else True)
