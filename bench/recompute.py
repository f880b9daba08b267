"""Training that runs steps again in backward: `python bench/recompute.py [--threads N] [--rounds N] [--cells ...]`.

Calls of a layer forward and backward with `recompute=True`, and with a number of steps, against those without: the
memory that a call holds in between, in a process of its own, in which as many calls are open as take 100 MB, and its
time, in alternating blocks of one run. Asked of an LSTM with `recompute=True`: at most 0.45 of the memory at most 1.3
times the time; the gradients are compared to the bit. Exits with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cellstep import layers, set_num_threads
from cellstep.benchmarks.interleaved import Pace, compare

#: B, T, I, H.
SHAPES = ((64, 50, 64, 128), (32, 100, 128, 128), (1, 1000, 64, 256), (32, 1000, 64, 256))
LEAST, MOST = 0.45, 1.3
#: What is measured of `recompute`.
CHOICES = {"all": False, "again": True, "64": 64}
#: Bytes that open calls hold, so that what a process had before does not hide them.
LARGE = 1e8


def layer_of(kind: str, shape: tuple[int, ...], recompute: Any) -> tuple[Any, Any, Any]:
    """A layer, its input, and the gradient of its output."""
    B, T, I, H = shape  # noqa: E741 - the letters of the kernel contract
    rng = np.random.default_rng(0)
    layer = getattr(layers, kind)(H, return_sequences=True, recompute=recompute)
    x, dy = (rng.standard_normal((B, T, n)).astype("float32") for n in (I, H))
    layer.build(x.shape)
    layer.set_weights([(rng.standard_normal(w.shape) / np.sqrt(w.shape[0])).astype("float32") for w in layer.weights])
    return layer, x, dy


def step_of(kind: str, shape: tuple[int, ...], recompute: Any) -> Any:
    """Forward and backward; gives dx and the gradients."""
    layer, x, dy = layer_of(kind, shape, recompute)

    def step() -> Any:
        for w in layer.weights:
            w.grad[...] = 0
        _, pullback = layer.forward(x)
        return [pullback(dy), *(w.grad for w in layer.weights)]

    return step


def memory(what: str) -> int:
    """Bytes of this process: those it has, VmRSS, or the most that it had, VmHWM."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[what].split()[0]) * 1024


def held(kind: str, shape: tuple[int, ...], recompute: Any) -> float:
    """Bytes of a call forward and backward: how much the process grows at most, without what calls return."""
    layer, x, dy = layer_of(kind, shape, recompute)
    layer.forward(x[:, :1])[1](dy[:, :1])
    n = int(1 + LARGE / (6 * dy.nbytes))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    calls = [layer.forward(x) for _ in range(n)]
    dx = [pullback(dy) for _, pullback in calls]
    returned = sum(a.nbytes for a in [*dx, *(y for y, _ in calls)])
    return (memory("VmHWM") - before - returned) / n


def held_apart(kind: str, index: int, choice: str) -> float:
    command = [sys.executable, __file__, "--held", kind, str(index), choice]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cells", nargs="*", default=["LSTM", "GRU"])
    parser.add_argument("--held", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    set_num_threads(args.threads)
    if args.held:
        print(held(args.held[0], SHAPES[int(args.held[1])], CHOICES[args.held[2]]))
        return 0
    missed = 0
    print(f"| cell | BxTxIxH, {args.threads} threads | MB | ms | recompute=True: MB | ms | recompute=64: MB | ms |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in args.cells:
        for index, shape in enumerate(SHAPES):
            steps = {name: step_of(kind, shape, recompute) for name, recompute in CHOICES.items()}
            wanted = steps["all"]()
            for name in list(steps)[1:]:
                for ours, theirs in zip(steps[name](), wanted, strict=True):
                    np.testing.assert_array_equal(ours, theirs)
            found = compare(steps, Pace(rounds=args.rounds))
            sizes = {name: held_apart(kind, index, name) for name in steps}
            line = [kind, "x".join(map(str, shape)), f"{sizes['all'] / 1e6:.1f}", f"{found['all'].median * 1e3:.2f}"]
            for name in list(steps)[1:]:
                least, most = sizes[name] / sizes["all"], 1 / found[name].times_faster(found["all"])
                missed += kind == "LSTM" and name == "again" and (most > MOST or least > LEAST)
                line += [f"{sizes[name] / 1e6:.1f} ({least:.2f})", f"{found[name].median * 1e3:.2f} ({most:.2f})"]
            print("| " + " | ".join(line) + " |", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
