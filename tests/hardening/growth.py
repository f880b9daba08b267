"""Memory: what calls leave behind, and the most that a pass of training takes.

    growth.py SHARE

SHARE of a million steps of a stream, of ten thousand predictions and passes, and of a thousand fits: 1, or 0.01.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import cellstep
from cellstep import Input, Sequential, functional, layers

PAGE = os.sysconf("SC_PAGE_SIZE")
RNG = np.random.default_rng(0)


def resident() -> int:
    """Bytes of this process that are in memory, once the C library has given back what it holds and nobody uses."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def net() -> Any:
    model = Sequential([Input((6, 3)), layers.LSTM(16, dropout=0.1), layers.Dense(2)])
    model.compile("adam", "mse")
    return model


def calls() -> dict[str, tuple[int, Callable[[int], Any]]]:
    """How often each is made, and the call of that number."""
    x, y = RNG.standard_normal((20, 6, 3), dtype=np.float32), RNG.standard_normal((20, 2), dtype=np.float32)
    model, lstm = net(), layers.LSTM(16)
    lstm(x)
    stream, packed = lstm.stream(1), functional.pack("lstm", *lstm.get_weights())

    def passes(i: int) -> None:
        shorter = x[:, : 1 + i % 6]
        functional.backward(functional.forward(packed, shorter, tape=True).tape, dstates=(None, None))

    return {
        "steps of a stream": (1_000_000, lambda i: stream.step(x[:1, i % 6])),
        "predictions": (10_000, lambda i: model.predict(x[: 1 + i % 20], verbose=0)),
        "passes": (10_000, passes),
        "fits": (1_000, lambda i: model.fit(x, y, batch_size=8, verbose=0)),
        "fits of new models": (5_000, lambda i: net().fit(x, y, batch_size=8, verbose=0)),
    }


def growth(share: float) -> dict[str, tuple[int, int, int]]:
    """For each kind how many calls were made, and what came after the first fifth of them: bytes to memory, and objects
    that Python's collector knows."""
    found = {}
    for name, (count, call) in calls().items():
        count = max(100, int(count * share))
        for i in range(count // 5):
            call(i)
        before, objects = resident(), len(gc.get_objects())
        for i in range(count // 5, count):
            call(i)
        found[name] = count, resident() - before, len(gc.get_objects()) - objects
    return found


#: Rows, steps, inputs and units of the pass whose peak is measured.
B, T, I, H = 64, 400, 64, 128  # noqa: E741 - the contract's letters


def formula(row: Any) -> int:
    """Bytes that forward and backward take at most beside their arguments: of each step and row the sums of the gates,
    and of products apart from these; the states; y and dx; and buffers for 256 rows of gates."""
    products = row.products_for({})
    apart = len({product.own for product in products if product.own})
    width, states = (row.G + apart) * H, len(row.states) * H
    return 4 * (B * T * (width + states + H + I) + (256 + 2 * (I + H)) * width)


def _peak(name: str) -> int:
    layer = getattr(layers, name)(H, return_sequences=True)
    x, dy = np.ones((B, T, I), np.float32), np.ones((B, T, H), np.float32)
    for part in (x[:1, :2], x[:, :2]):
        y, back = layer.forward(part)
        back(np.ones_like(y))
    del y, back
    Path("/proc/self/clear_refs").write_text("5")
    before = resident()
    _, back = layer.forward(x)
    back(dy)
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 - before


def peaks() -> dict[str, tuple[int, int]]:
    """Of each cell the most that was taken, each in a new process, and the formula."""
    found = {}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for row in cellstep.kernels.CELLS.values():
            if row.equations is None:
                found[row.title] = pool.apply(_peak, (row.title,)), formula(row)
    return found


if __name__ == "__main__":
    worst = 0
    for name, (count, grown, objects) in growth(float(sys.argv[1])).items():
        print(f"{count:9,} {name:20} {grown / 1024:8,.0f} KiB and {objects:3} objects more", flush=True)
        worst = max(worst, grown)
    for name, (measured, said) in peaks().items():
        print(f"a pass of {name:10} {measured / 2**20:7.1f} MiB at most, by the formula {said / 2**20:7.1f}")
    sys.exit(worst > 2**20)
