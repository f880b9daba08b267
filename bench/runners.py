"""The same pass, ready to be timed, by each contender: same weights, same inputs, a callable and its answer.

A pass is `step` (one time step in place), `forward` (a sequence, every output kept) or `train` (weights freshly
packed, forward with what backward needs, backward with all gradients). Buffers that a caller would reuse are made
beforehand on every side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from numpy_by_hand import BY_HAND
from shapes import Shape

from cellstep import kernels

Array = NDArray[Any]
Answer = dict[str, Array]

CELLS = tuple(kernels.CELLS)
OPTIONS: dict[str, tuple[Any, ...]] = {"rnn": ("tanh",), "lstm": ("tanh", "sigmoid"), "gru": ("tanh", "sigmoid", True)}


@dataclass
class Runner:
    """One contender on one problem: `run()` is what is timed; `answer()` gives its results, batch-major."""

    run: Callable[[], Any]
    answer: Callable[[], Answer]


class Problem:
    """Weights and inputs for one cell, pass and shape, in any dtype, from a fixed seed."""

    def __init__(self, cell: str, what: str, shape: Shape, dtype: str = "float32") -> None:
        self.cell, self.what, self.shape = cell, what, shape
        T, B, inputs, H = shape
        rng = np.random.default_rng(7)

        def normal(*size: int, scale: float = 1.0) -> Array:
            # one path through float32, so that a float64 problem has the very same numbers
            return (scale * rng.standard_normal(size)).astype(np.float32).astype(dtype)

        G = kernels.CELLS[cell].G
        self.W, self.U = normal(inputs, G * H, scale=inputs**-0.5), normal(H, G * H, scale=H**-0.5)
        self.b = normal(*kernels.CELLS[cell].bias_shape(H, cell == "gru"), scale=0.1)
        self.x, self.dy = normal(B, T, inputs), normal(B, T, H)

    def __str__(self) -> str:
        return f"{self.cell} {self.what} {self.shape}"


def by_hand(p: Problem) -> Runner:
    """NumPy by hand, which chooses its own layout: x and dy are handed over time-major."""
    T, B = p.shape.T, p.shape.B
    m = BY_HAND[p.cell](p.W, p.U, p.b, T, B)
    x, dy = (np.ascontiguousarray(a.transpose(1, 0, 2)) for a in (p.x, p.dy))
    x0 = x[0]

    def train() -> None:
        m.pack(p.W, p.U, p.b)
        m.forward(x)
        m.backward(x, dy)

    def step_answer() -> Answer:
        m.h_now[...] = 0
        if hasattr(m, "c_now"):
            m.c_now[...] = 0
        return {"h": m.step(x0).copy()}

    def gradients() -> Answer:
        train()
        grads = {"dW": m.to_keras(m.dW), "dU": m.to_keras(m.dU), "db": m.to_keras(m.db)}
        return {"y": m.h[1:].transpose(1, 0, 2).copy(), "dx": m.dx.transpose(1, 0, 2).copy(), **grads}

    return {
        "step": Runner(lambda: m.step(x0), step_answer),
        "forward": Runner(lambda: m.forward(x), lambda: {"y": m.forward(x).transpose(1, 0, 2).copy()}),
        "train": Runner(train, gradients),
    }[p.what]


def kernel_level(p: Problem, backend: kernels.Backend | None = None) -> Runner:
    """The kernels of a backend (default: the active one) without the floors above them."""
    K, options = (backend or kernels.active())[p.cell], OPTIONS[p.cell]
    T, B, _, H = p.shape
    n = len(kernels.CELLS[p.cell].states)
    packed = K.pack(p.W, p.U, p.b, *options, p.what == "train")
    zero = [np.zeros((B, H), p.x.dtype) for _ in range(n)]
    last = [np.empty_like(z) for z in zero]
    y = np.empty((B, T, H), p.x.dtype)

    if p.what == "step":
        x0, now = np.ascontiguousarray(p.x[:, 0]), [z.copy() for z in zero]

        def step_answer() -> Answer:
            for a in now:
                a[...] = 0
            K.step(packed, x0, *now)
            return {"h": now[0].copy()}

        # spelt out: a starred call would cost a tenth of the shortest step
        if n == 2:
            h, c = now
            return Runner(lambda: K.step(packed, x0, h, c), step_answer)
        (h,) = now
        return Runner(lambda: K.step(packed, x0, h), step_answer)

    if p.what == "forward":

        def forward() -> None:
            K.forward(packed, p.x, *zero, None, None, y, *last, None)

        def forward_answer() -> Answer:
            forward()
            return {"y": y.copy()}

        return Runner(forward, forward_answer)

    tape = K.tape(packed, B, T)
    dx, d0 = np.empty_like(p.x), [np.empty_like(z) for z in zero]
    dW, dU, db = np.empty_like(p.W), np.empty_like(p.U), np.empty_like(p.b)

    def train() -> None:
        fresh = K.pack(p.W, p.U, p.b, *options, True)
        K.forward(fresh, p.x, *zero, None, None, y, *last, tape)
        # the contract adds to dW, dU and db
        dW.fill(0)
        dU.fill(0)
        db.fill(0)
        K.backward(fresh, tape, p.dy, *([None] * n), dx, dW, dU, db, *d0)

    def train_answer() -> Answer:
        train()
        return {"y": y.copy(), "dx": dx.copy(), "dW": dW.copy(), "dU": dU.copy(), "db": db.copy()}

    return Runner(train, train_answer)


def layer_level(p: Problem) -> Runner:
    """What a user of the layers writes: `cell(x, states)`, `layer(x)`, `layer.forward(x)` and its pullback."""
    # not at the top: the kernels are timed where there are no layers yet
    from cellstep import layers

    Cell, Layer = {
        "rnn": (layers.SimpleRNNCell, layers.SimpleRNN),
        "lstm": (layers.LSTMCell, layers.LSTM),
        "gru": (layers.GRUCell, layers.GRU),
    }[p.cell]
    T, B, inputs, H = p.shape
    layer = Cell(H, dtype=str(p.x.dtype)) if p.what == "step" else Layer(H, return_sequences=True, dtype=str(p.x.dtype))
    layer.build((B, inputs) if p.what == "step" else (B, T, inputs))
    layer.set_weights([p.W, p.U, p.b])

    if p.what == "step":
        x0, zero = np.ascontiguousarray(p.x[:, 0]), layer.get_initial_state(B)
        return Runner(lambda: layer(x0, zero), lambda: {"h": layer(x0, zero)[0]})
    if p.what == "forward":
        return Runner(lambda: layer(p.x), lambda: {"y": layer(p.x)})

    def train() -> tuple[Array, Array]:
        for w in layer.weights:
            # as after an update by an optimizer: the weights are packed again, the gradients start from zero
            w.touch()
            w.zero_grad()
        y, pullback = layer.forward(p.x, training=True)
        return y, pullback(p.dy)

    def train_answer() -> Answer:
        y, dx = train()
        return {"y": y, "dx": dx, **{f"d{k}": w.grad.copy() for k, w in zip("WUb", layer.weights, strict=True)}}

    return Runner(train, train_answer)


def check(p: Problem, *runners: Runner, forward: float = 5e-6, gradient: float = 2e-5) -> None:
    """Hold each runner's answer against the same pass by hand in float64.

    Outputs to `forward` absolutely; gradients to `gradient` of the largest entry of that gradient.

    Raises:
        AssertionError: an answer is wrong; the message names the pass and the array.
    """
    exact = by_hand(Problem(p.cell, p.what, p.shape, "float64")).answer()
    for runner in runners:
        for name, got in runner.answer().items():
            want = exact[name]
            limit = gradient * np.abs(want).max() if name.startswith("d") else forward
            error = np.abs(got - want).max() if want.size else 0.0
            # not `error > limit`: a NaN must fail too
            if not error <= limit:
                raise AssertionError(f"{p}: {name} is off by {error:.2e}, more than {limit:.2e}")


LEVELS: dict[str, Callable[[Problem], Runner]] = {"kernels": kernel_level, "layers": layer_level}
