"""NumPy as somebody good at it writes it; it chooses its own layout: x and dy are handed over time-major."""

from __future__ import annotations

import importlib.util

import numpy as np

from ..problem import Answer, Problem, Runner, stepping
from . import numpy_by_hand

NEEDS: tuple[str, ...] = ()
WORK = ("step", "forward", "train")
#: How far outputs and gradients may be off.
LIMITS = (5e-6, 2e-5)


has = numpy_by_hand.has


def version() -> str:
    """Name and version."""
    return f"NumPy {np.__version__} by hand"


def set_threads(n: int) -> None:
    """Limit the threads of NumPy's BLAS, for which threadpoolctl is needed; without it they stay as they are."""
    if importlib.util.find_spec("threadpoolctl") is not None:
        importlib.import_module("threadpoolctl").threadpool_limits(n, user_api="blas")


def runner(p: Problem, threads: int) -> Runner:
    """The `Runner` of a problem."""
    T, B = p.shape.T, p.shape.B
    W, U, b = p.weights.values()
    m = numpy_by_hand.load(p.row)(W, U, b, T, B)
    x, dy = (np.ascontiguousarray(a.transpose(1, 0, 2)) for a in (p.x, p.dy))
    x0 = x[0]

    def train() -> None:
        m.pack(W, U, b)
        m.forward(x)
        m.backward(x, dy)

    def gradients() -> Answer:
        train()
        grads = {"dW": m.to_keras(m.dW), "dU": m.to_keras(m.dU), "db": m.to_keras(m.db)}
        return {"y": m.h[1:].transpose(1, 0, 2).copy(), "dx": m.dx.transpose(1, 0, 2).copy(), **grads}

    if p.work == "step":
        return stepping(lambda: m.step(x0), m.reset, lambda: m.h_now, *LIMITS)
    if p.trains:
        return Runner(train, gradients, *LIMITS)
    return Runner(lambda: m.forward(x), lambda: {"y": m.forward(x).transpose(1, 0, 2).copy()}, *LIMITS)
