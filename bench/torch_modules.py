"""cellstep.torch beside torch.nn in one process: `python bench/torch_modules.py [--threads N] [--all]`.

For each line the time of a training pass (forward and backward by autograd, with the gradients of x and of all weights,
after a weight has changed) of torch.nn's module over ours, and the cost of a call at batch 1 beside our own layer's.
Each line says what was asked for. --all adds shapes and inference.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

import cellstep
from cellstep import layers
from cellstep import torch as ours
from cellstep.benchmarks.interleaved import Pace, compare

#: kind, steps, rows, units, ragged, and what was asked for.
TRAINING = (
    ("GRU", 100, 32, 64, False, 4.0),
    ("GRU", 100, 64, 256, False, 2.0),
    ("LSTM", 100, 32, 64, False, 1.4),
    ("LSTM", 100, 64, 256, False, 1.2),
    ("LSTM", 200, 64, 128, True, 5.0),
)
MORE = (
    ("RNN", 100, 32, 64, False, None),
    ("GRU", 100, 1, 64, False, None),
    ("LSTM", 100, 1, 64, False, None),
    ("GRU", 200, 64, 128, True, None),
)
#: Microseconds that a call may take beyond our layer's.
OVERHEAD = 25.0


def pair(kind: str, units: int, **options: Any) -> dict[str, torch.nn.Module]:
    """The two modules, with the same weights."""
    torch.manual_seed(0)
    made = {"torch": getattr(torch.nn, kind)(units, units, **options)}
    made["ours"] = getattr(ours, kind)(units, units, **options)
    made["ours"].load_state_dict(made["torch"].state_dict())
    return made


def sequences(T: int, B: int, units: int, ragged: bool) -> tuple[torch.Tensor, Any]:
    """The tensor that has a gradient, and what modules are given: it, or the packed sequence of it."""
    x = torch.randn(T, B, units, requires_grad=True)
    if not ragged:
        return x, x
    lengths = np.random.default_rng(0).integers(1, T + 1, B)
    lengths[0] = T
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    data = packed.data.detach().requires_grad_()
    return data, packed._replace(data=data)


def train(module: torch.nn.Module, x: torch.Tensor, given: Any, dy: torch.Tensor, turn: list[float]) -> None:
    """One pass, after one weight has changed."""
    with torch.no_grad():
        module.weight_hh_l0[0, 0] = turn[0] = -turn[0]  # type: ignore[index]
    y, _ = module(given)
    (y if torch.is_tensor(y) else y.data).backward(dy)
    x.grad = None
    module.zero_grad()


def infer(module: torch.nn.Module, given: Any) -> Any:
    with torch.no_grad():
        return module(given)


def training_lines(rows: Any, pace: Pace) -> Iterator[str]:
    for kind, T, B, units, ragged, asked in rows:
        x, given = sequences(T, B, units, ragged)
        dy = torch.randn(*(given.data.shape if ragged else x.shape))
        modules = pair(kind, units)
        times = compare({n: partial(train, m, x, given, dy, [0.1]) for n, m in modules.items()}, pace)
        what = f"{kind} {'packed ' if ragged else ''}{T}x{B}x{units} training"
        yield line(what, asked, times["ours"].times_faster(times["torch"]), 1e3 * times["ours"].median, "ms")
        if asked is None:
            data = given._replace(data=x.detach()) if ragged else x.detach()
            times = compare({n: partial(infer, m, data) for n, m in modules.items()}, pace)
            what = what.replace("training", "inference")
            yield line(what, None, times["ours"].times_faster(times["torch"]), 1e3 * times["ours"].median, "ms")


def overhead_lines(pace: Pace) -> Iterator[str]:
    """A call at batch 1 beside the same call of our layer; and a pass forward and backward beside PyTorch's."""
    for kind in ("LSTM", "GRU", "RNN"):
        for T in (1, 20):
            modules, x, dy = pair(kind, 64, batch_first=True), torch.randn(1, T, 64), torch.randn(1, T, 64)
            layer = getattr(layers, {"RNN": "SimpleRNN"}.get(kind, kind))(64, return_sequences=True, return_state=True)
            a = x.numpy()
            layer(a)
            with torch.no_grad():
                times = compare({"ours": partial(modules["ours"], x), "layer": partial(layer, a)}, pace)
            us = 1e6 * (times["ours"].median - times["layer"].median)
            yield line(f"{kind} 1x{T}x64: us beyond our layer's", OVERHEAD, us, 1e6 * times["ours"].median, "us", True)
            times = compare({n: partial(there_and_back, m, x, dy) for n, m in modules.items()}, pace)
            ratio = times["ours"].times_faster(times["torch"])
            yield line(f"{kind} 1x{T}x64 training, same weights", None, ratio, 1e6 * times["ours"].median, "us")


def there_and_back(module: torch.nn.Module, x: torch.Tensor, dy: torch.Tensor) -> None:
    module(x)[0].backward(dy)


def line(what: str, asked: float | None, measured: float, time: float, unit: str, most: bool = False) -> str:
    met = "" if asked is None else "yes" if (measured <= asked if most else measured >= asked) else "NO"
    wanted = "" if asked is None else f"{'<=' if most else '>='} {asked:g}"
    return f"{what:48}{wanted:>8}{measured:9.2f}{met:>5}{time:12.3f} {unit}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--short", action="store_true", help="a few rounds of short blocks")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pace = Pace(0.02, 0.02, 0.05, 5) if options.short else Pace()
    print(f"torch {torch.__version__}, {cellstep.get_num_threads()} threads, {torch.get_num_threads()} of PyTorch")
    print(f"{'what':48}{'asked':>8}{'measured':>9}{'met':>5}{'ours':>12}")
    rows = (*TRAINING, *(MORE if options.all else ()))
    for found in (training_lines(rows, pace), overhead_lines(pace)):
        for text in found:
            print(text, flush=True)


if __name__ == "__main__":
    main()
