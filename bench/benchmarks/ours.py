"""Our own contenders: a backend's kernels by themselves, a stream, and what a user of the layers writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..layers.cell_layer import layer_of
from .problem import Answer, Array, Problem, Runner, stepping

OUTPUTS, GRADIENTS = 5e-6, 2e-5


def _runner(run: Callable[[], Any], answer: Callable[[], Answer]) -> Runner:
    return Runner(run, answer, OUTPUTS, GRADIENTS)


def kernel_level(p: Problem, backend: kernels.Backend | None = None) -> Runner:
    """The kernels of a backend (default: the active one) without the floors above them."""
    K, weights, options = backend or kernels.active(), list(p.weights.values()), tuple(p.row.defaults.values())
    T, B, _, H = p.shape
    n = len(p.row.states)
    packed = K.pack(p.row, weights, options, p.trains)
    zero = [np.zeros((B, H), p.x.dtype) for _ in range(n)]
    last = [np.empty_like(z) for z in zero]
    if p.work == "step":
        return _kernel_step(p, K, packed, zero)
    y = np.empty((B, T, H), p.x.dtype)
    if not p.trains:

        def forward() -> None:
            K.forward(packed, p.x, zero, None, p.lengths, None, None, y, last, None)

        def forward_answer() -> Answer:
            forward()
            return {"y": p.without_padding(y)}

        return _runner(forward, forward_answer)

    tape = K.tape(packed, B, T, False)
    dx, d0, none = np.empty_like(p.x), [np.empty_like(z) for z in zero], [None] * n
    dweights = [np.empty_like(w) for w in weights]

    def train() -> None:
        fresh = K.pack(p.row, weights, options, True)
        K.forward(fresh, p.x, zero, None, p.lengths, None, None, y, last, tape)
        # the contract adds to the weights' gradients
        for d in dweights:
            d.fill(0)
        K.backward(fresh, tape, p.dy, none, dx, dweights, d0, none)

    def train_answer() -> Answer:
        train()
        gradients = {f"d{name}": d.copy() for name, d in zip(p.weights, dweights, strict=True)}
        return {"y": p.without_padding(y), "dx": dx.copy(), **gradients}

    return _runner(train, train_answer)


def _kernel_step(p: Problem, K: kernels.Backend, packed: Any, now: list[Array]) -> Runner:
    x0, step = np.ascontiguousarray(p.x[:, 0]), K.step

    def run() -> None:
        step(packed, x0, now)

    def begin() -> None:
        for a in now:
            a[...] = 0

    return stepping(run, begin, lambda: now[0], OUTPUTS)


def layer_level(p: Problem) -> Runner:
    """What a user of the layers writes: `cell(x, states)`, `layer(x)`, `layer.forward(x)` and its pullback."""
    layer = _layer(p)
    if p.work == "step":
        return _cell_step(p, layer.cell)
    if not p.trains:
        if p.lengths is None:
            return _runner(lambda: layer(p.x), lambda: {"y": layer(p.x)})
        return _runner(
            lambda: layer(p.x, lengths=p.lengths), lambda: {"y": p.without_padding(layer(p.x, lengths=p.lengths))}
        )

    def train() -> tuple[Array, Array]:
        for w in layer.weights:
            # as after an update by an optimizer: the weights are packed again, the gradients start from zero
            w.touch()
            w.zero_grad()
        y, pullback = layer.forward(p.x, training=True, lengths=p.lengths)
        return y, pullback(p.dy)

    def train_answer() -> Answer:
        y, dx = train()
        grads = {f"d{name}": w.grad.copy() for name, w in zip(p.weights, layer.weights, strict=True)}
        return {"y": p.without_padding(y), "dx": dx, **grads}

    return _runner(train, train_answer)


def _layer(p: Problem) -> Any:
    T, B, inputs, H = p.shape
    layer = layer_of(p.cell)(H, return_sequences=True, dtype=str(p.x.dtype))
    layer.build((B, T, inputs))
    layer.set_weights(list(p.weights.values()))
    return layer


def _cell_step(p: Problem, cell: Any) -> Runner:
    x0, zero = np.ascontiguousarray(p.x[:, 0]), cell.get_initial_state(p.shape.B)
    states = zero

    def run() -> None:
        nonlocal states
        _, states = cell(x0, states)

    def begin() -> None:
        nonlocal states
        states = zero

    return stepping(run, begin, lambda: states[0], OUTPUTS)


def stream_level(p: Problem) -> Runner:
    """`stream.step(x, out=y)` of a layer: how a user feeds values as they come."""
    stream = _layer(p).stream(p.shape.B)
    x0, y, step = np.ascontiguousarray(p.x[:, 0]), np.empty((p.shape.B, p.shape.H), p.x.dtype), stream.step
    return stepping(lambda: step(x0, out=y), stream.reset, lambda: y, OUTPUTS)


def padded(p: Problem) -> Runner:
    """A ragged batch as if every row had its full length: what skipping the padding is compared with.

    Real steps come before the padding, and nothing is asked of what follows it, so the answers are the same.
    """
    work = "train" if p.trains else "forward"
    full = Problem(p.cell, work, p.shape, str(p.x.dtype))
    full.dy = p.dy
    for name, a in p.weights.items():
        assert np.array_equal(full.weights[name], a)
    assert np.array_equal(full.x, p.x)
    runner = layer_level(full)
    return _runner(runner.run, lambda: {k: p.without_padding(a) if k == "y" else a for k, a in runner.answer().items()})
