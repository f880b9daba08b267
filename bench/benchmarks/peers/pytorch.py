"""PyTorch: LSTMCell and its like for a step, LSTM and its like for sequences, packed sequences for ragged batches."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ...kernels import Cell
from ..problem import Answer, Array, Problem, Runner, stepping

NEEDS = ("torch",)
WORK = ("step", "forward", "train", "ragged", "ragged_train")


def _torch() -> Any:
    return importlib.import_module("torch")


def has(cell: Cell) -> bool:
    """Whether PyTorch has a module for this cell."""
    return "torch" in cell.names


def version() -> str:
    """Name and version."""
    return f"PyTorch {_torch().__version__}"


def set_threads(n: int) -> None:
    """Threads of one operation."""
    _torch().set_num_threads(n)


def swap(cell: Cell, a: Array, back: bool = False) -> Array:
    """Keras's order of gates to PyTorch's, or back, on the last axis."""
    theirs, ours = cell.orders["torch"], cell.letters
    if back:
        theirs, ours = ours, theirs
    blocks = np.split(a, cell.G, axis=-1)
    return np.concatenate([blocks[ours.index(letter)] for letter in theirs], axis=-1)


def load_weights(p: Problem, module: Any, suffix: str) -> None:
    """Copy W, U and b into a module; `suffix` is "_l0" for a layer and "" for a cell."""
    torch = _torch()
    W, U, b = p.weights.values()
    # Keras's GRU has a bias for each side, as PyTorch has; the other cells have one, on the input's side
    sides = b if b.ndim == 2 else np.stack([b, np.zeros_like(b)])
    values = {"weight_ih": W, "weight_hh": U, "bias_ih": sides[0], "bias_hh": sides[1]}
    with torch.no_grad():
        for name, a in values.items():
            getattr(module, name + suffix).copy_(torch.tensor(np.ascontiguousarray(swap(p.row, a).T)))


def runner(p: Problem, threads: int) -> Runner:
    """The `Runner` of a problem."""
    torch = _torch()
    nn = torch.nn
    _, _, inputs, H = p.shape
    if p.work == "step":
        cell = getattr(nn, p.row.names["torch"] + "Cell")(inputs, H)
        load_weights(p, cell, "")
        return _step(p, cell.requires_grad_(False))
    module = getattr(nn, p.row.names["torch"])(inputs, H)
    load_weights(p, module, "_l0")
    # time-major is what its kernels work in
    x = torch.tensor(np.ascontiguousarray(p.x.transpose(1, 0, 2)))
    dy = torch.tensor(np.ascontiguousarray(p.dy.transpose(1, 0, 2)))
    lengths = None if p.lengths is None else torch.tensor(p.lengths.astype(np.int64))

    def forward() -> Any:
        if lengths is None:
            return module(x)[0]
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        return nn.utils.rnn.pad_packed_sequence(module(packed)[0], total_length=p.shape.T)[0]

    def batch_major(t: Any) -> Array:
        return np.array(t.detach().numpy().transpose(1, 0, 2))

    if not p.trains:
        module.requires_grad_(False)
        return Runner(forward, lambda: {"y": p.without_padding(batch_major(forward()))})
    x.requires_grad_(True)
    leaves = [x, *module.parameters()]

    def train() -> Any:
        for leaf in leaves:
            leaf.grad = None
        y = forward()
        y.backward(dy)
        return y

    def train_answer() -> Answer:
        y = train()
        grads = {k: getattr(module, f"{k}_l0").grad.numpy() for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        dW, dU, *sides = (swap(p.row, grad.T, back=True) for grad in grads.values())
        return {
            "y": p.without_padding(batch_major(y)),
            "dx": batch_major(x.grad),
            "dW": dW,
            "dU": dU,
            "db": np.stack(sides) if p.weights["b"].ndim == 2 else sides[0],
        }

    return Runner(train, train_answer)


def _step(p: Problem, cell: Any) -> Runner:
    torch = _torch()
    x0 = torch.tensor(p.x[:, 0])
    zero = torch.zeros(p.shape.B, p.shape.H)
    n = len(p.row.states)
    first: Any = (zero,) * n if n > 1 else zero
    state = first

    def run() -> None:
        nonlocal state
        state = cell(x0, state)

    def begin() -> None:
        nonlocal state
        state = first

    return stepping(run, begin, lambda: (state[0] if n > 1 else state).numpy())
