"""Why recurrent: a net with a fixed window and one with a state, on sequences of every length.

    python examples/why_recurrent.py

A switch with three positions is turned by notes on a tape: each step says "set it to 0, 1 or 2", "one further", "one
back" or, mostly, nothing at all. The question at the end is where the switch stands. What counts may stand anywhere on
the tape, and tapes are 1 to 20 steps long in training and up to 60 in the test.

The fixed net is dense: it takes the last 20 steps at once, with zeros in front of a shorter tape, and has a weight for
each place. The recurrent one, a GRU, reads step by step, the same weights at every place. Both have about as many
weights, the same tapes, and each the best of three learning rates and, for the dense net, of one or two hidden layers,
by the score on tapes held out for that. Expect the GRU to be wrong on at most 1 % of the tapes of every length, three
times the longest in training too, and the dense net on more than 30 % of those of 10 steps and more: what it learnt at
one place it does not know at the next. Ten times the tapes (`--tapes 40000`) still leave it some 30 % wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import cellstep as keras
from cellstep import layers

NOTES, POSITIONS, WINDOW = 6, 3, 20  # set to 0, 1, 2; one further; one back; nothing
CHANCES = [0.05, 0.05, 0.05, 0.15, 0.15, 0.55]
LENGTHS = (1, 2, 5, 10, 15, 20, 25, 30, 40, 60)
HELD = 500  # tapes that choose among nets
RATES = (0.003, 0.01, 0.03)
Tapes = list[np.ndarray]


def tape(length: int) -> tuple[np.ndarray, int]:
    """Notes as one-hot (length, NOTES), and where the switch stands behind them; it stands at 0 before."""
    notes, at = np.random.choice(NOTES, length, p=CHANCES), 0
    for note in notes:
        at = int(note) if note < 3 else (at + (0, 1, -1)[(note - 2) % 3]) % POSITIONS
    return np.eye(NOTES, dtype="float32")[notes], at


def tapes(lengths: Sequence[int]) -> tuple[Tapes, np.ndarray]:
    made = [tape(length) for length in lengths]
    return [notes for notes, _ in made], np.array([at for _, at in made])


def window(x: Tapes) -> np.ndarray:
    """(tapes, WINDOW * NOTES): the last WINDOW steps, zeros in front of a shorter tape."""
    out = np.zeros((len(x), WINDOW, NOTES), "float32")
    for row, notes in zip(out, x, strict=True):
        last = notes[-WINDOW:]
        row[WINDOW - len(last) :] = last
    return out.reshape(len(x), -1)


def dense(*units: int) -> keras.Sequential:
    """A net over the window."""
    hidden = [layers.Dense(n, activation="relu") for n in units]
    return keras.Sequential([keras.Input((WINDOW * NOTES,)), *hidden, layers.Dense(POSITIONS, activation="softmax")])


def recurrent() -> keras.Sequential:
    """A net that reads tapes of any length."""
    return keras.Sequential([keras.Input((None, NOTES)), layers.GRU(28), layers.Dense(POSITIONS, activation="softmax")])


def right(model: keras.Sequential, x: Tapes | np.ndarray, y: np.ndarray) -> float:
    return float((np.asarray(model.predict(x, batch_size=256, verbose=0)).argmax(axis=-1) == y).mean())


def best(
    makers: list[Callable[[], keras.Sequential]], x: Tapes | np.ndarray, y: np.ndarray, held: int, epochs: int
) -> tuple[keras.Sequential, float]:
    """Train a net of each maker with each rate; the best on the last `held` tapes, and its share of right answers."""
    found = []
    for make in makers:
        for first in RATES:
            model = make()
            rate = keras.optimizers.schedules.CosineDecay(first, decay_steps=epochs * -(-(len(y) - held) // 32))
            model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss="sparse_categorical_crossentropy")
            model.fit(x[:-held], y[:-held], batch_size=32, epochs=epochs, verbose=0)
            found.append((right(model, x[-held:], y[-held:]), len(found), model))
    share, _, model = max(found)
    return model, share


def draw(wrong: dict[str, list[float]], path: Path) -> None:
    """The error against the length of the tape."""
    from cellstep.lab import style

    with style.context():
        figure, axes = style.figure(height=4.0)
        ax = axes[0, 0]
        ax.axvspan(1, WINDOW, color="#EEEEEE", label="lengths in training")
        for i, (name, error) in enumerate(wrong.items()):
            ax.plot(LENGTHS, [100 * e for e in error], label=name, **style.line(i, points=len(LENGTHS)))
        ax.axhline(200 / 3, color=style.GREY, linestyle=":", label="guessing")
        ax.set_ylim(-2, 75)
        ax.set_xlabel(style.label("length of the tape", "steps"))
        ax.set_ylabel(style.label("wrong answers on unseen tapes", "%"))
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    style.save(figure, path, dpi=100)


def main(argv: Sequence[str] | None = None) -> dict[str, list[float]]:
    """Train and judge; returns the share of wrong answers by net, one for each of LENGTHS."""
    parser = argparse.ArgumentParser(description="A fixed window against a state, by the length of the sequence.")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--tapes", type=int, default=4000, help="to learn and to choose from")
    parser.add_argument("--picture", type=Path, help="write a picture there; needs matplotlib")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.tapes < 2 * HELD:
        parser.error(f"--tapes must be at least {2 * HELD}, got {args.tapes}")

    keras.utils.set_random_seed(args.seed)
    x, y = tapes(np.random.randint(1, WINDOW + 1, args.tapes))
    nets = {
        "dense, window of 20": (
            window,
            *best([lambda: dense(26), lambda: dense(22, 22)], window(x), y, HELD, args.epochs),
        ),
        "GRU": (lambda x: x, *best([recurrent], x, y, HELD, args.epochs)),
    }
    for name, (_, model, share) in nets.items():
        print(f"{name:20}{model.count_params()} weights, {share:.1%} right on the tapes that chose it")
    wrong: dict[str, list[float]] = {name: [] for name in nets}
    print(f"\n{'wrong, by length:':20}" + "".join(f"{n:>7}" for n in LENGTHS))
    for length in LENGTHS:
        x_test, y_test = tapes([length] * 500)
        for name, (view, model, _) in nets.items():
            wrong[name].append(1 - right(model, view(x_test), y_test))
    for name, errors in wrong.items():
        print(f"{name:20}" + "".join(f"{error:7.1%}" for error in errors))
    if args.picture:
        draw(wrong, args.picture)
    fixed, free = (errors[-1] for errors in wrong.values())
    print(
        f"\nOn tapes of {LENGTHS[-1]} steps, three times the longest in training, {free:.1%} wrong against {fixed:.0%}."
    )
    return wrong


if __name__ == "__main__":
    main()
