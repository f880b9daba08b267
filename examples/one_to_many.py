"""One to many: a sound from two numbers, by a net that hears its own output.

    python examples/one_to_many.py

Two numbers, a pitch and how fast the tone dies, are shown to the net at the first step and never again. From then on
its only input is what it said the step before. It has to remember the two numbers, and to keep time.

Training feeds back the right values (teacher forcing) with a little noise, so that the net learns to go on from values
that are not quite right, as its own will be; without the noise it drifts away. Writing is a stream: each step's output
is the next step's input. The sounds, of pitches and decays that training never saw, are judged over all 60 steps of
free running. Expect an error of at most 1 % of the power of the sounds, and of more than 5 % after training without the
noise, although either net is right to 0.1 % as long as it is told the right value before each step.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import cellstep as keras
from cellstep import layers

STEPS, NOISE = 60, 0.1


def sounds(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Seeds (rows, 2) in -1 .. 1, and the sounds that they mean (rows, STEPS, 1)."""
    seeds = np.random.uniform(-1, 1, (rows, 2)).astype("float32")
    period, life = 12 + 4 * seeds[:, :1], 30 + 20 * seeds[:, 1:]  # steps
    t = np.arange(STEPS)
    return seeds, (np.sin(2 * np.pi * t / period + 0.5) * np.exp(-t / life)).astype("float32")[..., None]


def inputs(seeds: np.ndarray, fed: np.ndarray) -> np.ndarray:
    """(rows, STEPS, 3): the seed, at the first step alone, and the value of the step before."""
    x = np.zeros((len(seeds), STEPS, 3), "float32")
    x[:, 0, :2] = seeds
    x[:, 1:, 2:] = fed[:, :-1]
    return x


def train(seeds: np.ndarray, y: np.ndarray, noise: float, epochs: int) -> keras.Sequential:
    """A net that says the next value from the seed, the value before and its state."""
    model = keras.Sequential([keras.Input((None, 3)), layers.GRU(48, return_sequences=True), layers.Dense(1)])
    rate = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=epochs * -(-len(y) // 32))
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss="mse")
    for _ in range(epochs):
        fed = y + noise * np.random.standard_normal(y.shape)  # other noise each time
        model.fit(inputs(seeds, fed), y, batch_size=32, verbose=0)
    return model


def write(model: keras.Sequential, seeds: np.ndarray) -> np.ndarray:
    """Sounds (rows, STEPS, 1), each value made from the one before."""
    stream = model.stream(batch_size=len(seeds))
    x = np.concatenate([seeds, np.zeros_like(seeds[:, :1])], axis=1)
    values = []
    for _ in range(STEPS):
        values.append(stream.step(x).copy())
        x = np.concatenate([np.zeros_like(seeds), values[-1]], axis=1)
    return np.stack(values, axis=1)


def draw(y: np.ndarray, written: dict[str, np.ndarray], path: Path) -> None:
    """Two sounds: the right ones, and those written."""
    from cellstep.lab import style

    with style.context():
        figure, axes = style.figure(rows=2, height=3.8, sharex=True, sharey=True)
        for row, ax in enumerate(axes[:, 0]):
            ax.plot(y[row, :, 0], color=style.GREY, linewidth=4, alpha=0.35, label="right")
            for i, (name, values) in enumerate(written.items()):
                ax.plot(values[row, :, 0], label=name, **style.line(1 - i))
            ax.set_ylabel("value")
        axes[0, 0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
        axes[-1, 0].set_xlabel(style.label("time", "steps"))
    style.save(figure, path, dpi=100)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train twice and write; returns the error over all steps, as a share of the power of the sounds."""
    parser = argparse.ArgumentParser(description="One to many: write a sound from two numbers.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--picture", type=Path, help="write a picture there; needs matplotlib")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    keras.utils.set_random_seed(args.seed)
    (seeds, y), (seeds_test, y_test) = sounds(1000), sounds(200)
    errors, written = {}, {}
    for name, noise in (("noise in training", NOISE), ("no noise", 0.0)):
        model = train(seeds, y, noise, args.epochs)
        written[name] = write(model, seeds_test)
        errors[name] = float(np.mean((written[name] - y_test) ** 2) / np.mean(y_test**2))
        told = model.predict(inputs(seeds_test, y_test), verbose=0)
        forced = float(np.mean((told - y_test) ** 2) / np.mean(y_test**2))
        print(f"{name:18} error by itself {errors[name]:.4f}, told the right value each step {forced:.4f} of the power")
    if args.picture:
        draw(y_test, written, args.picture)
    noisy, plain = errors.values()
    print(f"Writing by itself errs by {noisy:.2%} of the power of the sounds; {plain:.0%} without noise in training.")
    return errors


if __name__ == "__main__":
    main()
