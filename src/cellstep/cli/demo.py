"""`python -m cellstep demo`: the main job, end to end.

A GRU reads a team's history game by game, then the coming fixture with its result left blank, and says how likely a
win is. Histories differ in length; padding is masked. It learns from the earlier games and is judged on the later
ones.
"""

from __future__ import annotations

import textwrap
import time

import numpy as np

from .. import config, kernels, layers, models, optimizers, seeds
from ..benchmarks.interleaved import Pace, compare
from .team_games import scores
from .team_games.games import DataError, read_games
from .team_games.histories import FEATURES, LAST, Samples, samples
from .team_games.league import generate

UNITS, BATCH, RATE = 24, 32, 3e-3
TRAIN_SHARE = 0.7
LEAST_TRAIN, LEAST_HELD = 60, 20
UPDATES = 800  # optimizer steps to aim at where --epochs is not given


def run_demo(data: str | None = None, seed: int = 0, epochs: int | None = None) -> None:
    """Print the whole demo.

    Args:
        data: a CSV file, or None for the generated league.
        seed: of the generated league, of the weights and of the shuffling.
        epochs: passes over the training samples; None chooses by their number.

    Raises:
        DataError: the file cannot be used.
    """
    began = time.perf_counter()
    games = generate(seed) if data is None else read_games(data)
    what = f"a generated league (seed {seed})" if data is None else data
    train, held = split(samples(games, seed), what)
    print(f"Games: {what}, {held.once.sum()} of them held out: the last ones, all after the training games.")
    print(f"Histories: 0 to {LAST} past games, then the fixture; {len(train)} to learn from.")
    seeds.set_random_seed(seed)
    model = models.Sequential(
        [
            layers.Input((LAST + 1, len(FEATURES))),
            layers.Masking(),
            layers.GRU(UNITS),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizers.Adam(RATE, global_clipnorm=1.0), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(train.x, train.y[:, None], batch_size=BATCH, epochs=epochs or _epochs(len(train)))
    report(model, train, held.where(held.once))
    print(f"\n{step_cost(model.layers[1])}")
    print(f"Whole demo: {time.perf_counter() - began:.1f} s.")


def _epochs(n: int) -> int:
    """More passes over little data, within reason."""
    return int(np.clip(round(UPDATES * BATCH / n), 4, 12))


def split(all_: Samples, what: str) -> tuple[Samples, Samples]:
    """The earlier samples to learn from, and the later ones; a day's games never stand on both sides.

    Raises:
        DataError: too few games on either side, or only one kind of result to learn from.
    """
    if len(all_):
        cut = all_.dates[min(int(TRAIN_SHARE * len(all_)), len(all_) - 1)]
        train, held = all_.where(all_.dates < cut), all_.where(all_.dates >= cut)
    else:
        train = held = all_
    if len(train) < LEAST_TRAIN or held.once.sum() < LEAST_HELD:
        raise DataError(
            f"{what}: expected enough games over time for {LEAST_TRAIN} histories to learn from and {LEAST_HELD} later "
            f"games to be judged on, got {len(train)} and {held.once.sum()}"
        )
    if len(np.unique(train.y)) < 2:
        raise DataError(f"{what}: expected both wins and other results among the earlier games, got one kind only")
    return train, held


def report(model: models.Sequential, train: Samples, held: Samples) -> None:
    """Accuracy of the model and of the baselines on the held-out games, then what it means."""
    common = scores.frequent_class(train)
    guesses = {
        "this GRU": (model.predict(held.x, verbose=0)[:, 0] > 0.5).astype(float),
        "always saying the commoner result": np.full(len(held), common),
        "the better past win rate": scores.by_win_rate(held, common),
    }
    right = {name: guess == held.y for name, guess in guesses.items()}
    print(f"\nRight on {len(held)} held-out games, each counted once (+- one standard error):")
    for name, r in right.items():
        print(f"  {name:34}{scores.score(r)}")
    print(
        "  Commoner among the training games. Win rate: a win if the team's, before the game, is above the opponent's,"
    )
    print("  or above one half where the opponent's is not known; between equals, the commoner result.")
    for name in list(right)[1:]:
        print(textwrap.fill(scores.verdict(name, right["this GRU"], right[name]), 110))


def step_cost(layer: layers.RNN) -> str:
    """A sentence on the cost of one batch-1 step of this layer: the kernel's, and its cell's as called."""
    cell, backend = layer.cell, kernels.active()
    weights = [None if weight is None else weight.value for weight in cell.row_weights]
    packed = backend.pack(cell.contract, weights, tuple(cell.options.values()), False)
    inputs = len(cell.kernel.value)
    x = np.random.default_rng(0).standard_normal((1, inputs)).astype(cell.dtype)
    own, states = cell.get_initial_state(1), cell.get_initial_state(1)
    times = compare(
        {"kernel": lambda: backend.step(packed, x, own), "cell": lambda: cell(x, states)}, Pace(0.0, 0.01, 0.02)
    )
    in_kernel, called = (1e6 * times[name].median for name in ("kernel", "cell"))
    return (
        f"One step of this {cell.contract.title}, batch 1, {inputs} inputs, H = {cell.units}, {x.dtype}: "
        f"{in_kernel:.2f} us in the kernel, {called:.2f} us as cell(x, states)\n"
        f"(medians; backend {backend.name}, {config.isa()})."
    )
