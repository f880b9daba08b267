"""JAX: the equations in `jax.jit`, the sequence as `lax.scan` over h with the input product hoisted out of it."""

from __future__ import annotations

import importlib
import os
import sys
from functools import partial
from typing import Any

import numpy as np

from ...kernels import Cell
from ..problem import Answer, Problem, Runner, stepping

NEEDS = ("jax",)
WORK = ("step", "forward", "train", "ragged", "ragged_train")

_threads: int | None = None


def _jax() -> Any:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    return importlib.import_module("jax")


def has(cell: Cell) -> bool:
    """Whether its equations stand below."""
    return cell.name in CELLS


def version() -> str:
    """Name and version."""
    return f"JAX {_jax().__version__}"


def set_threads(n: int) -> None:
    """Start XLA's client anew with n threads: it reads their number once. Arrays from before are lost."""
    global _threads
    if n == _threads:
        return
    _jax()
    os.environ["NPROC"] = os.environ["PJRT_NPROC"] = str(n)
    importlib.import_module("jax.extend.backend").clear_backends()
    if "keras" in sys.modules:
        # it holds arrays of the old client
        sys.modules["keras"].utils.clear_session(free_memory=True)
    _threads = n


# `(jax, xw, states, U, b) -> states`, where xw is x W with the bias of the input's side


def rnn(jax: Any, xw: Any, states: Any, U: Any, b: Any) -> Any:
    return (jax.numpy.tanh(xw + states[0] @ U),)


def lstm(jax: Any, xw: Any, states: Any, U: Any, b: Any) -> Any:
    tanh, sigmoid = jax.numpy.tanh, jax.nn.sigmoid
    h, c = states
    i, f, g, o = jax.numpy.split(xw + h @ U, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def gru(jax: Any, xw: Any, states: Any, U: Any, b: Any) -> Any:
    (h,) = states
    xz, xr, xh = jax.numpy.split(xw, 3, axis=-1)
    hz, hr, hh = jax.numpy.split(h @ U + b[1], 3, axis=-1)
    z = jax.nn.sigmoid(xz + hz)
    new = jax.numpy.tanh(xh + jax.nn.sigmoid(xr + hr) * hh)
    return (z * h + (1 - z) * new,)


#: The equations of a step, by the cell's name.
CELLS = {equations.__name__: equations for equations in (rnn, lstm, gru)}


def runner(p: Problem, threads: int) -> Runner:
    """The `Runner` of a problem; a ragged batch carries the states of rows that have ended."""
    jax = _jax()
    jnp = jax.numpy
    cell = partial(CELLS[p.cell], jax)
    T, B, _, H = p.shape
    W, U, b = (jnp.asarray(a) for a in p.weights.values())
    zero = tuple(jnp.zeros((B, H)) for _ in p.row.states)

    def project(x: Any, W: Any, b: Any) -> Any:
        return x @ W + (b[0] if b.ndim == 2 else b)

    if p.work == "step":
        step = jax.jit(lambda x, states, W, U, b: cell(project(x, W, b), states, U, b))
        return _step(p, step, zero, (W, U, b))

    x, dy = (jnp.asarray(np.ascontiguousarray(a.transpose(1, 0, 2))) for a in (p.x, p.dy))
    runs = None if p.lengths is None else jnp.asarray((np.arange(T)[:, None] < p.lengths)[:, :, None])

    def sequence(x: Any, W: Any, U: Any, b: Any) -> Any:
        def one(states: Any, at: Any) -> Any:
            xw, on = at
            new = cell(xw, states, U, b)
            if on is not None:
                new = tuple(jnp.where(on, a, old) for a, old in zip(new, states, strict=True))
            return new, new[0]

        return jax.lax.scan(one, zero, (project(x, W, b), runs))[1]

    if not p.trains:
        forward = jax.jit(sequence)

        def run() -> Any:
            return forward(x, W, U, b).block_until_ready()

        return Runner(run, lambda: {"y": p.without_padding(np.asarray(run()).transpose(1, 0, 2))})

    def both(x: Any, W: Any, U: Any, b: Any, dy: Any) -> Any:
        y, pullback = jax.vjp(sequence, x, W, U, b)
        return y, pullback(dy)

    compiled = jax.jit(both)

    def train() -> Any:
        return jax.block_until_ready(compiled(x, W, U, b, dy))

    def answer() -> Answer:
        y, grads = train()
        dx, dW, dU, db = (np.asarray(g) for g in grads)
        y = p.without_padding(np.asarray(y).transpose(1, 0, 2))
        return {"y": y, "dx": dx.transpose(1, 0, 2), "dW": dW, "dU": dU, "db": db}

    return Runner(train, answer)


def _step(p: Problem, step: Any, zero: Any, weights: Any) -> Runner:
    jax = _jax()
    x0, states = jax.numpy.asarray(p.x[:, 0]), zero

    def run() -> None:
        nonlocal states
        states = step(x0, states, *weights)
        states[0].block_until_ready()

    def begin() -> None:
        nonlocal states
        states = zero

    return stepping(run, begin, lambda: np.asarray(states[0]))
