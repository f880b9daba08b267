"""The four ways in which inputs and outputs go together, each on a small task of its own.

python examples/four_patterns.py

one to one     a number in, a number out: no time, so no recurrence
one to many    one number in, a sequence out: the state has to remember the number
many to one    a sequence in, one answer at its end
many to many   an answer at every step

Each has a program of its own that goes further: one_to_one.py, one_to_many.py, many_to_one.py, tagging.py for answers
at every step, and attention.py for outputs of another length than the inputs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cellstep
from cellstep import layers

T = 12
Data = tuple[NDArray[Any], NDArray[Any]]


def fit(stack: list[Any], data: Data, epochs: int) -> tuple[float, float]:
    """Train on three quarters of the data; mean squared error on the rest, and that of always saying the mean."""
    x, y = data
    cut = len(x) * 3 // 4
    model = cellstep.Sequential([cellstep.Input(x.shape[1:]), *stack])
    model.compile(cellstep.optimizers.Adam(0.02), loss="mse")
    model.fit(x[:cut], y[:cut], batch_size=32, epochs=epochs, verbose=0)
    error = float(np.mean((model.predict(x[cut:], verbose=0) - y[cut:]) ** 2))
    return error, float(np.mean((y[:cut].mean(0) - y[cut:]) ** 2))


def one_to_one(rng: np.random.Generator, epochs: int) -> tuple[float, float]:
    """x -> x^2."""
    x = rng.uniform(-1, 1, (1024, 1))
    return fit([layers.Dense(16, activation="tanh"), layers.Dense(1)], (x, x**2), epochs)


def one_to_many(rng: np.random.Generator, epochs: int) -> tuple[float, float]:
    """x, then silence -> x fading away, step by step."""
    first = rng.uniform(-1, 1, (1024, 1, 1))
    x = np.concatenate([first, np.zeros((1024, T - 1, 1))], axis=1)
    y = first * 0.8 ** np.arange(T)[:, None]
    return fit([layers.GRU(16, return_sequences=True), layers.Dense(1)], (x, y), epochs)


def many_to_one(rng: np.random.Generator, epochs: int) -> tuple[float, float]:
    """A sequence -> the largest value in it."""
    x = rng.uniform(-1, 1, (1024, T, 1))
    return fit([layers.LSTM(16), layers.Dense(1)], (x, x.max(axis=1)), epochs)


def many_to_many(rng: np.random.Generator, epochs: int) -> tuple[float, float]:
    """A sequence -> its running mean."""
    x = rng.uniform(-1, 1, (1024, T, 1))
    y = np.cumsum(x, axis=1) / np.arange(1, T + 1)[:, None]
    return fit([layers.SimpleRNN(16, return_sequences=True), layers.Dense(1)], (x, y), epochs)


def main(argv: Sequence[str] | None = None) -> dict[str, tuple[float, float]]:
    """Run all four; returns for each the error of the model and of always saying the mean."""
    parser = argparse.ArgumentParser(description="One to one, one to many, many to one, many to many.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    results = {}
    print(f"{'squared error on unseen data:':30}{'model':>10}{'the mean':>12}")
    for pattern in (one_to_one, one_to_many, many_to_one, many_to_many):
        cellstep.set_random_seed(args.seed)
        results[pattern.__name__] = error, plain = pattern(np.random.default_rng(args.seed), args.epochs)
        print(f"{pattern.__name__.replace('_', ' '):30}{error:10.5f}{plain:12.5f}")
    return results


if __name__ == "__main__":
    main()
