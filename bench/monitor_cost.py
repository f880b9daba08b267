"""What a GradientMonitor costs: training steps with it and without it, in turns, in one process.

    python bench/monitor_cost.py --steps 200

Prints for each model milliseconds a step and their ratio, every training step watched. Steps of both kinds take turns,
so that they see the same machine; what is printed is the first decile of each kind, which a busy neighbour moves least.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

import cellstep
from cellstep import lab, layers

#: Rows, steps, inputs, units.
SHAPES = (("LSTM", 32, 100, 64, 64), ("GRU", 64, 50, 128, 128), ("SimpleRNN", 32, 100, 64, 64))


def times(kind: str, B: int, T: int, I: int, H: int, steps: int, **options: Any) -> tuple[list[float], list[float]]:  # noqa: E741
    """Seconds of each training step without and with a monitor."""
    cellstep.set_random_seed(0)
    net = cellstep.Sequential([cellstep.Input((None, I)), getattr(layers, kind)(H), layers.Dense(1)])
    net.compile("adam", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((B, T, I)).astype("float32"), rng.standard_normal((B, 1)).astype("float32")
    monitor = lab.GradientMonitor(vanishing=0, **options)
    monitor.set_model(net)
    monitor.on_train_begin()
    plain: list[float] = []
    watched: list[float] = []
    for step in range(-10, steps):
        begin = time.perf_counter()
        net.train_on_batch(x, y)
        middle = time.perf_counter()
        monitor.on_train_batch_begin(step)
        loss = net.train_on_batch(x, y)
        monitor.on_train_batch_end(step, {"loss": loss})
        end = time.perf_counter()
        if step >= 0:
            plain.append(middle - begin)
            watched.append(end - middle)
    return plain, watched


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200, help="training steps of each kind")
    steps = parser.parse_args().steps
    for kind, B, T, I, H in SHAPES:  # noqa: E741
        plain, watched = (1e3 * statistics.quantiles(part, n=10)[0] for part in times(kind, B, T, I, H, steps))
        print(f"{kind} {B}x{T}x{I}x{H}: {plain:.2f} ms a step, watched {watched:.2f} ms: {watched / plain:.2f}x")


if __name__ == "__main__":
    main()
