"""Watch a sensor sample by sample: a model that is called once for each value, as it arrives.

    python examples/stream_sensor.py

A GRU learns to foretell the next value of a machine's vibration from the ones before. Then it runs as a stream, which
keeps its state from call to call, as in a control loop: each new value costs one step, whatever came before. A value
that the model did not expect raises an alarm.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cellstep
from cellstep import layers

UNITS, WINDOW = 16, 50


def vibration(steps: int, rng: np.random.Generator) -> NDArray[Any]:
    """Two hums and some noise, (steps,)."""
    t = np.arange(steps)
    return np.sin(0.31 * t) + 0.5 * np.sin(0.73 * t + 1) + 0.05 * rng.standard_normal(steps)


def train(signal: NDArray[Any], epochs: int) -> cellstep.Sequential:
    """A model of the next value, from windows of a healthy signal."""
    pieces = np.lib.stride_tricks.sliding_window_view(signal, WINDOW + 1)[::5]
    x, y = pieces[:, :-1, None], pieces[:, 1:, None]
    model = cellstep.Sequential([cellstep.Input((None, 1)), layers.GRU(UNITS, return_sequences=True), layers.Dense(1)])
    model.compile(cellstep.optimizers.Adam(0.01), loss="mse")
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    return model


class Watcher:
    """Foretells the next value after each one that arrives."""

    def __init__(self, model: cellstep.Sequential) -> None:
        self.stream = model.stream()
        self.value = np.empty((1, 1), np.float32)
        self.expected = np.zeros((1, 1), np.float32)

    def __call__(self, value: float) -> float:
        """How far the value lies from what was expected; then one step on."""
        surprise = abs(value - float(self.expected[0, 0]))
        self.value[0, 0] = value
        self.stream.step(self.value, out=self.expected)
        return surprise


def main(argv: Sequence[str] | None = None) -> list[int]:
    """Train on a healthy signal, then watch one that goes wrong; returns the steps at which it raised an alarm."""
    parser = argparse.ArgumentParser(description="Raise an alarm at sensor values that a GRU did not expect.")
    parser.add_argument("--steps", type=int, default=1000, help="values to watch")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.steps < 2 * WINDOW:
        parser.error(f"--steps must be at least {2 * WINDOW}, got {args.steps}")

    cellstep.set_random_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    model = train(vibration(2000, rng), args.epochs)

    # what surprises a healthy signal brings decides what is worth an alarm; the first values only set the state
    watcher = Watcher(model)
    healthy = [watcher(v) for v in vibration(1000, rng)][WINDOW:]
    limit = 1.5 * max(healthy)

    signal = vibration(args.steps, rng)
    fault = args.steps * 3 // 4
    signal[fault] += 1.5
    watcher, alarms, seconds = Watcher(model), [], []
    for step, value in enumerate(signal):
        start = time.perf_counter()
        surprise = watcher(float(value))
        seconds.append(time.perf_counter() - start)
        if step >= WINDOW and surprise > limit:
            alarms.append(step)
    print(f"usual surprise {np.median(healthy):.3f}, alarm above {limit:.3f}")
    print(f"fault put in at step {fault}; alarms at {alarms}")
    print(f"{1e6 * np.median(seconds):.1f} us a value (median), alarm check and all")
    return alarms


if __name__ == "__main__":
    main()
