"""What training and prediction cost beyond their kernels: `python bench/step_cost.py [--repeats N]`.

A small model, LSTM(16) and Dense(1) on 32 x 20 x 4, is trained by `fit`, and predicts one row; beside it the same calls
of the kernels run in a loop: packing, the passes of both layers, the gradients and the update. Each figure is the best
of many short runs, taken by turns, as the machine may be shared. The numbers of calls and of frames are held by
tests/models/test_step_cost.py.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cellstep import Input, Sequential, kernels
from cellstep.layers import LSTM, Dense

B, T, I, H = 32, 20, 4, 16  # noqa: E741 - the contract's letter
BATCHES = 5


def kernels_of_a_step() -> Callable[[], None]:
    """The kernels of one batch, on arrays that are there."""
    rng = np.random.default_rng(0)
    backend, lstm = kernels.active(), kernels.CELLS["lstm"]
    W, U = (rng.standard_normal((n, 4 * H)).astype("f4") for n in (I, H))
    b, K, k = np.zeros(4 * H, "f4"), rng.standard_normal((H, 1)).astype("f4"), np.zeros(1, "f4")
    weights = (W, U, b)
    options = tuple(lstm.defaults.values())
    x, dz = rng.standard_normal((B, T, I)).astype("f4"), rng.standard_normal((B, 1)).astype("f4")
    first, last = np.zeros((2, B, H), "f4"), np.zeros((2, B, H), "f4")
    y, dh, dfirst = np.empty((B, 1), "f4"), np.empty((B, H), "f4"), np.empty((2, B, H), "f4")
    sizes = [w.size for w in (*weights, K, k)]
    value, grad, m, v, scratch = np.zeros((5, sum(sizes)), "f4")
    parts = np.split(grad, np.cumsum(sizes)[:-1])
    dW, dU, db, dK, dk = (part.reshape(w.shape) for part, w in zip(parts, (*weights, K, k), strict=True))
    products, updates = backend.products, backend.updates

    def step() -> None:
        grad.fill(0)
        packed = backend.pack(lstm, weights, options, True)
        tape = backend.tape(packed, B, T, False)
        backend.forward(packed, x, tuple(first), None, None, None, None, None, tuple(last), tape)
        h = last[0]
        products.product(products.product_pack(K, k), h[None], "linear", y[None])
        products.product_gradients(h[None], dz[None], dK, dk)
        products.product(products.product_pack(K.T, None), dz[None], "linear", dh[None])
        backend.backward(packed, tape, None, (dh, None), None, (dW, dU, db), tuple(dfirst), (None, None))
        updates.adam(value, grad, m, v, None, scratch, 0.001, 0.9, 0.999, 1e-7, 1)

    return step


def kernels_of_a_row() -> Callable[[], None]:
    """The kernels of a prediction for one row, its arrays included."""
    rng = np.random.default_rng(0)
    backend, lstm = kernels.active(), kernels.CELLS["lstm"]
    W, U = (rng.standard_normal((n, 4 * H)).astype("f4") for n in (I, H))
    K, k = rng.standard_normal((H, 1)).astype("f4"), np.zeros(1, "f4")
    options = tuple(lstm.defaults.values())
    packed = backend.pack(lstm, (W, U, np.zeros(4 * H, "f4")), options, False)
    dense = backend.products.product_pack(K, k)
    x = rng.standard_normal((1, T, I)).astype("f4")
    product = backend.products.product

    def predict() -> None:
        first, last = np.zeros((2, 1, H), "f4"), np.empty((2, 1, H), "f4")
        backend.forward(packed, x, (first[0], first[1]), None, None, None, None, None, (last[0], last[1]), None)
        y = np.empty((1, 1), "f4")
        product(dense, last[:1], "linear", y[None])

    return predict


def best(calls: dict[str, tuple[Callable[[], Any], int]], repeats: int) -> dict[str, float]:
    """Microseconds of one of the n things that a call does, by name; the calls take turns, some times each."""
    shortest = dict.fromkeys(calls, np.inf)
    gc.disable()
    for _ in range(repeats):
        for name, (call, n) in calls.items():
            for _ in range(5):
                start = time.perf_counter()
                call()
                shortest[name] = min(shortest[name], (time.perf_counter() - start) / n * 1e6)
    gc.enable()
    return shortest


def loop(call: Callable[[], Any], n: int) -> tuple[Callable[[], None], int]:
    def run() -> None:
        for _ in range(n):
            call()

    return run, n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200, help="short runs of each")
    repeats = parser.parse_args().repeats
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2 * BATCHES * B, T, I)).astype("f4")
    y = rng.standard_normal((2 * BATCHES * B, 1)).astype("f4")
    model = Sequential([Input((T, I)), LSTM(H), Dense(1)])
    model.compile("adam", "mse")
    row = x[:1]
    times = best(
        {
            "fit": (lambda: model.fit(x, y, verbose=0), 1),
            "half of it": (lambda: model.fit(x[: BATCHES * B], y[: BATCHES * B], verbose=0), 1),
            "its kernels": loop(kernels_of_a_step(), BATCHES),
            "predict": loop(lambda: model.predict(row, verbose=0), BATCHES),
            "its kernels, one row": loop(kernels_of_a_row(), BATCHES),
        },
        repeats,
    )
    whole, half, step, predict, forward = times.values()
    fit = (whole - half) / BATCHES  # without what a call of fit costs once
    print(f"fit, a batch of {B}: {fit:.0f} us, of which kernels {step:.0f}; beyond them {fit - step:.0f} us")
    print(f"predict, one row: {predict:.1f} us, of which kernels {forward:.1f}; beyond them {predict - forward:.1f} us")


if __name__ == "__main__":
    main()
