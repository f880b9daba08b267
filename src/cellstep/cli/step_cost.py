"""What one step costs, measured here and now."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import config, kernels, layers

CHUNKS, CHUNK_SECONDS = 201, 1e-3


def microseconds(run: Callable[[], Any]) -> float:
    """The median over many short chunks, so that a moment's disturbance does not count."""

    def chunk(n: int) -> float:
        start = time.perf_counter()
        for _ in range(n):
            run()
        return (time.perf_counter() - start) / n

    n = max(1, int(CHUNK_SECONDS / max(chunk(10), 1e-7)))
    return 1e6 * statistics.median(chunk(n) for _ in range(CHUNKS))


def step_cost(layer: layers.GRU) -> str:
    """A sentence on the cost of one batch-1 step with this layer's weights: the kernel's, and a cell's as called."""
    W, U, b = layer.get_weights()
    inputs, H = W.shape[0], U.shape[0]
    x = np.random.default_rng(0).standard_normal((1, inputs)).astype(W.dtype)
    h = np.zeros((1, H), W.dtype)

    backend, cell = kernels.active(), kernels.CELLS["gru"]
    packed = backend.pack(cell, (W, U, b), tuple(cell.defaults.values()), False)
    in_kernel = microseconds(lambda: backend.step(packed, x, (h,)))

    layer_cell = layers.GRUCell(H)
    layer_cell.build((None, inputs))
    layer_cell.set_weights([W, U, b])
    states = [np.zeros((1, H), W.dtype)]
    called = microseconds(lambda: layer_cell(x, states))
    return (
        f"One step of this GRU, batch 1, {inputs} inputs, H = {H}, {W.dtype}: {in_kernel:.2f} us in the kernel, "
        f"{called:.2f} us as cell(x, states)\n(medians; backend {kernels.active().name}, {config.isa()})."
    )
