"""Cells written as their equations against the hand-tuned: `python bench/written_cells.py [--threads N] [--numpy]`.

The LSTM and the GRU as a user writes them, in the place of ours: a call of the kernels forward, and forward and
backward with a tape, in alternating blocks of one run; asked at most 1.25 times the hand-tuned time. Before that their
float64 gradients are compared: they may differ by 1e-12. Exits with 1 where either is missed. `--numpy` times the same
cells without what compiles them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from cellstep import Cell, core, kernels, layers, set_num_threads
from cellstep.activations import sigmoid
from cellstep.benchmarks.interleaved import Pace, compare

#: B, T, I, H.
SHAPES = ((32, 100, 128, 128), (1, 100, 64, 64))
MOST, SAME = 1.25, 1e-12


class WrittenLSTM(Cell):
    gates = "i f c o"
    states = "h c"

    def step(self, z: Any, h: Any, c: Any) -> Any:
        c = sigmoid(z.f) * c + sigmoid(z.i) * np.tanh(z.c)
        return sigmoid(z.o) * np.tanh(c), c


class WrittenGRU(Cell):
    gates = "z r n"

    def step(self, z: Any, h: Any) -> Any:
        u, r = sigmoid(z.z), sigmoid(z.r)
        return u * h + (1 - u) * np.tanh(z.x.n + r * z.h.n)


CELLS = {"LSTM": (layers.LSTMCell, WrittenLSTM), "GRU": (layers.GRUCell, WrittenGRU)}


class Calls:
    """A cell with weights and arrays; the same numbers for all cells of a shape."""

    def __init__(self, kind: Any, shape: tuple[int, ...], dtype: str, backend: kernels.Backend) -> None:
        B, T, I, H = shape  # noqa: E741 - the letters of the kernel contract
        rng = np.random.default_rng(0)
        cell = kind(H, dtype=dtype)
        cell.build((B, I))
        weights = [(rng.standard_normal(w.shape) / np.sqrt(w.shape[0])).astype(dtype) for w in cell.weights]
        self.packed = core.pack(cell.contract, *weights, backward=True, backend=backend, **cell.options)
        self.x, self.dy = (rng.standard_normal((B, T, n)).astype(dtype) for n in (I, H))
        self.none = [None] * len(cell.contract.states)
        self.dweights = [np.zeros_like(w) for w in weights]

    def forward(self) -> Any:
        return core.forward(self.packed, self.x)

    def train(self) -> list[Any]:
        y, _, back = core.forward(self.packed, self.x, tape=True)
        assert back is not None
        return [y, back(self.dy, self.none, self.dweights)[0], *self.dweights]


def difference(name: str, shape: tuple[int, ...]) -> float:
    """The most by which float64 outputs and gradients of both differ, of the largest of their array."""
    hand, written = (Calls(kind, shape, "float64", kernels.active()).train() for kind in CELLS[name])
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(hand, written, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--numpy", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    set_num_threads(chosen.threads)
    backend = kernels.load("numpy") if chosen.numpy else kernels.active()
    print(f"backend {backend.name}, {chosen.threads} threads; times in us, hand-tuned and written")
    print("| cell | B x T x I x H | call | hand-tuned | written | ratio | float64 differs by |")
    print("|---|---|---|---|---|---|---|")
    missed = False
    for name, kinds in CELLS.items():
        for shape in SHAPES:
            off = difference(name, shape)
            backends = (kernels.active(), backend)
            both = [Calls(kind, shape, "float32", b) for kind, b in zip(kinds, backends, strict=True)]
            for call in ("forward", "train"):
                runs: dict[str, Callable[[], Any]] = {
                    who: getattr(calls, call) for who, calls in zip(("hand", "written"), both, strict=True)
                }
                found = compare(runs, Pace(rounds=chosen.rounds))
                hand, written = found["hand"], found["written"]
                ratio = written.times_faster(hand) ** -1
                missed = missed or off > SAME or (ratio > MOST and not chosen.numpy)
                sizes = " x ".join(map(str, shape))
                times = " | ".join(f"{t.median * 1e6:.0f}" for t in (hand, written))
                print(f"| {name} | {sizes} | {call} | {times} | {ratio:.2f} | {off:.1e} |", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
