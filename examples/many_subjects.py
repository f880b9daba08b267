"""One small net for each subject of a study: which lever will it choose next?

    python examples/many_subjects.py

Each subject chooses between two levers, which pay with chances that change now and then, and learns by reinforcement,
at a rate, with a temper and with a liking for what it did last that are its own. Subjects are generated. A GRU of four
units for each is fitted to its choices, all of them in one call of `ManyModels.fit`, each with its own early stopping
on blocks that were kept aside. It is asked about other blocks: how probable was what the subject did, a trial? Expect
far more than from the rule "stay where it paid, else go", fitted to each subject, and within 0.02 of what the subject's
own equations give, which nothing can beat. 100 subjects in a few seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import cellstep
from cellstep import layers
from cellstep.callbacks import EarlyStopping

Array = NDArray[Any]
TRIALS, KINDS = 40, {"fit": 24, "stop": 8, "test": 12}  # trials of a block, and blocks of each kind


class Blocks(NamedTuple):
    """(subjects, blocks, TRIALS): choices, 0 or 1; whether they paid; and how probable the subject found them."""

    choice: Array
    paid: Array
    probability: Array


def behave(rng: np.random.Generator, subjects: int, blocks: int) -> Blocks:
    """What subjects do: Q-learning with a liking for what was done last."""
    rate, temper, liking = (rng.uniform(*range_, (subjects, 1)) for range_ in ((0.2, 0.8), (2.0, 6.0), (-0.5, 1.5)))
    value, before = np.zeros((2, subjects, blocks)), np.zeros((subjects, blocks))
    chance = rng.choice([0.2, 0.8], (subjects, blocks))
    found = []
    for _ in range(TRIALS):
        chance = np.where(rng.random(chance.shape) < 0.05, 1 - chance, chance)  # that lever 1 pays; the other, the rest
        p = 1 / (1 + np.exp(-(temper * (value[1] - value[0]) + liking * before)))
        choice = (rng.random(p.shape) < p).astype(int)
        paid = rng.random(p.shape) < np.where(choice == 1, chance, 1 - chance)
        for lever in (0, 1):
            value[lever] += np.where(choice == lever, rate * (paid - value[lever]), 0)
        before = 2.0 * choice - 1
        found.append((choice, paid, np.where(choice == 1, p, 1 - p)))
    return Blocks(*(np.stack(part, axis=-1) for part in zip(*found, strict=True)))


def seen(blocks: Blocks) -> Array:
    """What a net sees at a trial, (..., TRIALS, 4): what was chosen in the one before, and whether it paid."""
    kind = 2 * blocks.choice + blocks.paid
    x = np.zeros((*kind.shape, 4), "float32")
    x[..., 1:, :] = np.eye(4, dtype="float32")[kind[..., :-1]]
    return x


def rule(fit: Blocks, test: Blocks) -> Array:
    """(subjects,) How probable choices are by the rule "stay where it paid, else go", kept as often as in `fit`."""

    def kept(blocks: Blocks) -> Array:
        stays = blocks.choice[..., 1:] == blocks.choice[..., :-1]
        return np.asarray(stays == blocks.paid[..., :-1])

    often = kept(fit).mean(axis=(1, 2))[:, None, None]
    return np.asarray(np.exp(np.log(np.where(kept(test), often, 1 - often)).mean(axis=(1, 2))))


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Fit and judge; returns the means over subjects of the probability of a choice."""
    parser = argparse.ArgumentParser(description="Fit a small GRU to the choices of each subject, all at once.")
    parser.add_argument("--subjects", type=int, default=100)
    parser.add_argument("--units", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=150, help="at most")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    cellstep.set_random_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    whole, at, parts = behave(rng, args.subjects, sum(KINDS.values())), 0, {}
    for kind, n in KINDS.items():
        parts[kind], at = Blocks(*(a[:, at : at + n] for a in whole)), at + n
    fit, stop, test = parts["fit"], parts["stop"], parts["test"]

    model = cellstep.Sequential(
        [
            cellstep.Input((TRIALS, 4)),
            layers.GRU(args.units, return_sequences=True),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(cellstep.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    many = cellstep.ManyModels(model, args.subjects)
    histories = many.fit(
        seen(fit),
        fit.choice,
        batch_size=8,
        epochs=args.epochs,
        callbacks=EarlyStopping(patience=10, restore_best_weights=True),
        validation_data=(seen(stop), stop.choice),
    )
    loss = many.evaluate(seen(test), test.choice)["loss"]
    results = {
        "rule": float(rule(fit, test).mean()),
        "net": float(np.exp(-loss).mean()),
        "subject": float(np.exp(np.log(test.probability).mean(axis=(1, 2))).mean()),
    }
    lengths = sorted(len(history.epoch) for history in histories)
    print(f"{args.subjects} subjects, trained for {lengths[0]} to {lengths[-1]} epochs")
    print("probability of a choice: " + ", ".join(f"{name} {p:.3f}" for name, p in results.items()))
    return results


if __name__ == "__main__":
    main()
