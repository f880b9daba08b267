"""Cells without products of h beside our GRU and PyTorch: `python bench/parallel_cells.py [--threads N]`.

One sequence of 1000 steps and 256 units, of 64 and of 256 inputs: a forward call, and one with a tape and the gradients
of x and of all weights, in alternating blocks of one run. Asked: each cell at least 4 times as fast as our GRU forward
and 3 times in training, and MinGRU at least 5 times as fast as PyTorch's code for it, the parallel scan in the space of
logarithms, as its paper gives it. Exits with 1 where one is missed, and where MinGRU's outputs or gradients are not
those of PyTorch's code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from written_cells import Calls

from cellstep import cells, core, kernels, layers, set_num_threads
from cellstep.benchmarks.interleaved import Pace, compare

B, T, H = 1, 1000, 256
INPUTS = (64, 256)
CELLS = ("MinGRU", "MinLSTM", "SRU", "QRNN", "IndRNN", "LRU")
ASKED = {"forward": 4.0, "train": 3.0}
OF_TORCH = 5.0


class Positive(Calls):
    """MinGRU with the positive candidate of the scan in the space of logarithms."""

    def __init__(self, inputs: int) -> None:
        super().__init__(cells.MinGRU, (B, T, inputs, H), "float32", kernels.active())
        cell = cells.MinGRU(H, positive=True)
        cell.build((B, inputs))
        self.weights = self.packed.weights.plain()
        self.packed = core.pack(cell.contract, *self.weights, backward=True, **cell.options)


class Scan:
    """The same in PyTorch: h_t is the sum over s <= t of exp(A_t - A_s) b_s, where A sums up log(1 - z)."""

    def __init__(self, torch: Any, like: Positive) -> None:
        self.torch = torch
        self.x = torch.from_numpy(like.x).requires_grad_()
        self.dy = torch.from_numpy(like.dy)
        self.W, self.b = (torch.from_numpy(np.array(w)).requires_grad_() for w in like.weights)

    def y(self) -> Any:
        F = self.torch.nn.functional
        k, v = (self.x @ self.W + self.b).chunk(2, -1)
        decay = (-F.softplus(k)).cumsum(1)
        candidate = self.torch.where(v >= 0, self.torch.log(F.relu(v) + 0.5), -F.softplus(-v))
        return (decay + self.torch.logcumsumexp(candidate - F.softplus(-k) - decay, 1)).exp()

    def forward(self) -> Any:
        with self.torch.no_grad():
            return self.y()

    def train(self) -> Any:
        y = self.y()
        return [y, *self.torch.autograd.grad(y, [self.x, self.W, self.b], self.dy)]


def differs(ours: Positive, theirs: Scan) -> float:
    """The most by which outputs and gradients differ, of the largest of their array."""
    for d in ours.dweights:
        d[...] = 0
    pairs = zip(ours.train(), theirs.train(), strict=True)
    return max(float(np.abs(a - b.detach().numpy()).max() / np.abs(a).max()) for a, b in pairs)


def torch_gru(torch: Any, inputs: int, gru: Calls) -> dict[str, Callable[[], Any]]:
    """PyTorch's own GRU."""
    module = torch.nn.GRU(inputs, H, batch_first=True)
    x, dy = torch.from_numpy(gru.x).requires_grad_(), torch.from_numpy(gru.dy)

    def forward() -> Any:
        with torch.no_grad():
            return module(x)

    return {"forward": forward, "train": lambda: torch.autograd.grad(module(x)[0], [x, *module.parameters()], dy)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--inputs", type=int, nargs="*", default=INPUTS)
    chosen = parser.parse_args()
    set_num_threads(chosen.threads)
    try:
        import torch
    except ImportError:
        torch = None  # type: ignore[assignment, unused-ignore]
    else:
        torch.set_num_threads(chosen.threads)
    print(f"backend {kernels.active().name}, {chosen.threads} threads; B {B}, T {T}, H {H}; times in us, and how many")
    print("times as fast as our GRU")
    print("| I | call | GRU | " + " | ".join(CELLS) + " | PyTorch's GRU | its MinGRU | MinGRU over that |")
    print("|" + "---|" * (6 + len(CELLS)))
    missed = False
    for inputs in chosen.inputs:
        calls = {"GRU": Calls(layers.GRUCell, (B, T, inputs, H), "float32", kernels.active())}
        for name in CELLS:
            kind = partial(getattr(cells, name), use_bias=True)
            calls[name] = Calls(kind, (B, T, inputs, H), "float32", kernels.active())
        for call, asked in ASKED.items():
            runs: dict[str, Callable[[], Any]] = {name: getattr(c, call) for name, c in calls.items()}
            if torch is not None:
                positive = Positive(inputs)
                scan = Scan(torch, positive)
                missed = missed or differs(positive, scan) > 1e-4
                runs |= {"positive": getattr(positive, call), "scan": getattr(scan, call)}
                runs["torch"] = torch_gru(torch, inputs, calls["GRU"])[call]
            found = compare(runs, Pace(rounds=chosen.rounds))
            line = [f"{found['GRU'].median * 1e6:.0f}"]
            for name in CELLS:
                ratio = found[name].times_faster(found["GRU"])
                missed = missed or ratio < asked
                line.append(f"{found[name].median * 1e6:.0f} ({ratio:.1f})")
            if torch is not None:
                ratio = found["positive"].times_faster(found["scan"])
                missed = missed or ratio < OF_TORCH
                line += [f"{found[name].median * 1e6:.0f}" for name in ("torch", "scan")] + [f"{ratio:.1f}"]
            else:
                line += ["", "", ""]
            print(f"| {inputs} | {call} | " + " | ".join(line) + " |", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
