"""Training that makes gates again in backward: `python bench/recompute.py [--threads N] [--rounds N]`.

A call of a layer forward and backward with `recompute=True` against one without: the memory that it holds in between,
each in a process of its own, and its time, in alternating blocks of one run. Asked of an LSTM: at most 0.45 of the
memory at most 1.3 times the time; the gradients are compared to the bit. Exits with 1 where one is missed.
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
SHAPES = ((32, 100, 128, 128), (1, 1000, 64, 256), (32, 1000, 64, 256))
LEAST, MOST = 0.45, 1.3


def layer_of(kind: str, shape: tuple[int, ...], recompute: bool) -> tuple[Any, Any, Any]:
    """A layer, its input, and the gradient of its output."""
    B, T, I, H = shape  # noqa: E741 - the letters of the kernel contract
    rng = np.random.default_rng(0)
    layer = getattr(layers, kind)(H, return_sequences=True, recompute=recompute)
    x, dy = (rng.standard_normal((B, T, n)).astype("float32") for n in (I, H))
    layer.build(x.shape)
    layer.set_weights([(rng.standard_normal(w.shape) / np.sqrt(w.shape[0])).astype("float32") for w in layer.weights])
    return layer, x, dy


def step_of(kind: str, shape: tuple[int, ...], recompute: bool) -> Any:
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


def held(kind: str, shape: tuple[int, ...], recompute: bool) -> int:
    """Bytes of a call forward and backward: how much the process grows at most, without what it returns."""
    layer, x, dy = layer_of(kind, shape, recompute)
    layer.forward(x[:, :1])[1](dy[:, :1])
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    y, pullback = layer.forward(x)
    dx = pullback(dy)
    return memory("VmHWM") - before - y.nbytes - dx.nbytes


def held_apart(kind: str, index: int, recompute: bool) -> int:
    command = [sys.executable, __file__, "--held", kind, str(index), str(int(recompute))]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--held", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    set_num_threads(args.threads)
    if args.held:
        print(held(args.held[0], SHAPES[int(args.held[1])], args.held[2] == "1"))
        return 0
    missed = 0
    print(f"| cell | BxTxIxH, {args.threads} threads | MB | with recompute | ratio | ms | with recompute | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in ("LSTM", "GRU"):
        for index, shape in enumerate(SHAPES):
            steps = {name: step_of(kind, shape, name == "again") for name in ("all", "again")}
            for ours, wanted in zip(steps["again"](), steps["all"](), strict=True):
                np.testing.assert_array_equal(ours, wanted)
            found = compare(steps, Pace(rounds=args.rounds))
            times = [found[name].median for name in steps]
            sizes = [held_apart(kind, index, recompute) for recompute in (False, True)]
            memory, time = sizes[1] / sizes[0], 1 / found["again"].times_faster(found["all"])
            missed += kind == "LSTM" and (time > MOST or memory > LEAST)
            sized = f"{sizes[0] / 1e6:.1f} | {sizes[1] / 1e6:.1f} | {memory:.2f}"
            timed = f"{times[0] * 1e3:.2f} | {times[1] * 1e3:.2f} | {time:.2f}"
            print(f"| {kind} | {'x'.join(map(str, shape))} | {sized} | {timed} |", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
