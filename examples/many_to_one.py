"""Many to one: a team's games so far in, the chance to win the next one out.

    python examples/many_to_one.py
    python examples/many_to_one.py --data season.csv

A history is as long as the season is old, 0 to 30 past games and then the fixture with its result left blank. The net
takes the histories as they are, a list of arrays of different lengths: no padding and no mask. The league is generated;
a CSV file needs the columns team, date, opponent, goals_for, goals_against. It learns from the earlier 70 % of the
games and is judged on the later ones, each game counted once.

The same GRU is also shown nothing but the fixture, which tells both teams' win rates and margins so far but no game by
itself: what it loses by that is what the order of the games is worth. Both stand beside two simple rules, and each
difference beside its standard error, which is what luck alone does. Expect some 60 % of the games of the generated
league right: 8 to 14 points more than the commoner result, and 2 to 6 more than the rest, on most seeds more than luck.
A real season of one division has too few games to tell: there the GRU beats nothing beyond luck.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

import cellstep as keras
from cellstep import layers
from cellstep.cli.demo import split
from cellstep.cli.team_games import scores
from cellstep.cli.team_games.games import DataError, read_games
from cellstep.cli.team_games.histories import FEATURES, Samples, samples
from cellstep.cli.team_games.league import generate


def histories(given: Samples, most: int | None = None) -> list[np.ndarray]:
    """The last `most` steps of each sample, (steps, features), without the padding behind."""
    lengths = np.abs(given.x).any(axis=-1).sum(axis=-1)
    return [x[:n] if most is None else x[n - most : n] for x, n in zip(given.x, lengths, strict=True)]


def chances(train: Samples, held: Samples, most: int | None, epochs: int) -> np.ndarray:
    """Train on histories and give the chance of a win of each held-out game, (games,)."""
    model = keras.Sequential(
        [keras.Input((None, len(FEATURES))), layers.GRU(24), layers.Dense(1, activation="sigmoid")]
    )
    model.compile(keras.optimizers.Adam(3e-3, global_clipnorm=1.0), loss="binary_crossentropy")
    model.fit(histories(train, most), train.y[:, None], batch_size=32, epochs=epochs, verbose=0)
    return np.asarray(model.predict(histories(held, most), verbose=0))[:, 0]


def draw(right: dict[str, np.ndarray], said: np.ndarray, won: np.ndarray, path: Path) -> None:
    """Who is right how often, with two standard errors; and how often a team won of which the net said so."""
    from cellstep.lab import style

    with style.context():
        figure, axes = style.figure(rows=2, height=6.2, height_ratios=(2, 3))
        marks, curve = axes[:, 0]
        for i, r in enumerate(right.values()):
            share = scores.score(r)
            marks.errorbar(100 * share.accuracy, i, xerr=200 * share.error, fmt="o", color=style.PALETTE[1], capsize=4)
            marks.text(100 * share.accuracy, i - 0.17, f"{share.accuracy:.0%}", ha="center", va="bottom", fontsize=9)
        marks.set_yticks(range(len(right)), right)
        marks.set_ylim(len(right) - 0.6, -0.8)
        marks.set_xlabel(style.label("held-out games right", "%; bars: two standard errors"))
        marks.locator_params(axis="x", nbins=6)
        edges = np.quantile(said, np.linspace(0, 1, 6))
        groups = [(low <= said) & (said <= high) for low, high in pairwise(edges)]
        told, came = ([100 * values[g].mean() for g in groups] for values in (said, won))
        spread = [200 * scores.score(won[g] > 0).error for g in groups]
        curve.plot([0, 100], [0, 100], color=style.GREY, linestyle="--", label="as said")
        curve.errorbar(
            told, came, yerr=spread, fmt="o-", color=style.PALETTE[1], capsize=4, label="GRU, all games so far"
        )
        curve.set_xlabel(style.label("chance that the net gave, a fifth of the games each", "%"))
        curve.set_ylabel(style.label("games won", "%"))
        curve.legend()
    style.save(figure, path, dpi=100)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train and judge; returns the share of held-out games that each predictor has right."""
    parser = argparse.ArgumentParser(description="Predict a team's next game from its games so far.")
    parser.add_argument("--data", type=Path, help="a season as CSV; default: a generated league")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--picture", type=Path, help="write a picture there; needs matplotlib")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    try:
        games = generate(args.seed) if args.data is None else read_games(args.data)
        train, held = split(samples(games, args.seed), "the generated league" if args.data is None else str(args.data))
    except DataError as error:
        parser.error(str(error))
    held = held.where(held.once)
    keras.utils.set_random_seed(args.seed)
    all_games = chances(train, held, None, args.epochs)
    common = scores.frequent_class(train)
    guesses = {
        "GRU, all games so far": all_games > 0.5,
        "GRU, the fixture alone": chances(train, held, 1, args.epochs) > 0.5,
        "the better win rate": scores.by_win_rate(held, common) > 0,
        "the commoner result": np.full(len(held), common > 0),
    }
    right = {name: guess == (held.y > 0) for name, guess in guesses.items()}
    print(f"right on {len(held)} held-out games, +- one standard error; {len(train)} histories to learn from")
    for name, r in right.items():
        print(f"  {name:24}{scores.score(r)}")
    if args.picture:
        draw(right, all_games, held.y, args.picture)
    best, *others = right
    for name in others:
        print(scores.verdict(name, right[best], right[name]))
    return {name: scores.score(r).accuracy for name, r in right.items()}


if __name__ == "__main__":
    main()
