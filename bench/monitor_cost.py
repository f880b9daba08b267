"""What a GradientMonitor costs: training steps with it and without it, in turns, in one process.

    python bench/monitor_cost.py --steps 200
    CELLSTEP_NUM_THREADS=1 python bench/monitor_cost.py --cpu     # on a machine that others load

Prints for each model milliseconds a step and their ratio, every training step watched. Steps of both kinds take turns,
so that they see the same machine; what is printed is the first decile of each kind, which a busy neighbour moves least.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

import cellstep
from cellstep import lab, layers

Clock = Callable[[], float]

#: Rows, steps, inputs, units.
SHAPES = (("LSTM", 32, 100, 64, 64), ("GRU", 64, 50, 128, 128), ("SimpleRNN", 32, 100, 64, 64))


def times(kind: str, sizes: tuple[int, ...], steps: int, clock: Clock) -> tuple[list[float], list[float]]:
    """Seconds of each training step without and with a monitor."""
    B, T, inputs, H = sizes
    cellstep.set_random_seed(0)
    net = cellstep.Sequential([cellstep.Input((None, inputs)), getattr(layers, kind)(H), layers.Dense(1)])
    net.compile("adam", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((B, T, inputs)).astype("float32"), rng.standard_normal((B, 1)).astype("float32")
    monitor = lab.GradientMonitor(vanishing=0)
    monitor.set_model(net)
    monitor.on_train_begin()
    plain: list[float] = []
    watched: list[float] = []
    for step in range(-10, steps):
        begin = clock()
        net.train_on_batch(x, y)
        middle = clock()
        monitor.on_train_batch_begin(step)
        loss = net.train_on_batch(x, y)
        monitor.on_train_batch_end(step, {"loss": loss})
        end = clock()
        if step >= 0:
            plain.append(middle - begin)
            watched.append(end - middle)
    return plain, watched


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200, help="training steps of each kind")
    parser.add_argument("--cpu", action="store_true", help="processor time of this process, not time that passes")
    given = parser.parse_args()
    clock = time.process_time if given.cpu else time.perf_counter
    for kind, *sizes in SHAPES:
        found = times(kind, tuple(sizes), given.steps, clock)
        plain, watched = (1e3 * statistics.quantiles(part, n=10)[0] for part in found)
        shape = "x".join(map(str, sizes))
        print(f"{kind} {shape}: {plain:.2f} ms a step, watched {watched:.2f} ms: {watched / plain:.2f}x")


if __name__ == "__main__":
    main()
