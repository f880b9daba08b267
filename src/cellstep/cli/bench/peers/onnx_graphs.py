"""ONNX graphs of one cell, built in memory, for the peers that run ONNX. Time-major: they refuse the other layout."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ..problem import Array, Problem

#: For each block of ONNX's order of gates, the block of Keras's: LSTM i f c o is i o f c there; GRU z r h is the same.
ORDER = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (0, 1, 2)}
OPERATOR = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


def _reorder(p: Problem, a: Array) -> Array:
    blocks = a.reshape(*a.shape[:-1], -1, p.shape.H)
    return blocks[..., list(ORDER[p.cell]), :].reshape(a.shape)


def graph(p: Problem) -> bytes:
    """A model of this problem.

    Inputs: x (T, B, I); h0, and c0 for an LSTM, (1, B, H); lengths (B,) int32 if the problem is ragged.
    Outputs: for a step h, and c for an LSTM, (1, B, H); else y (T, 1, B, H).
    """
    onnx: Any = importlib.import_module("onnx")
    helper, from_array = onnx.helper, importlib.import_module("onnx.numpy_helper").from_array
    T, B, inputs, H = p.shape
    states = ["h", "c"] if p.cell == "lstm" else ["h"]
    # one bias for each side; where Keras has one it goes on the input's side
    sides = p.b if p.b.ndim == 2 else np.stack([p.b, np.zeros_like(p.b)])
    values = {
        "W": _reorder(p, p.W).T[None],
        "R": _reorder(p, p.U).T[None],
        "B": _reorder(p, sides).reshape(1, -1),
    }
    outputs = ["", *states] if p.work == "step" else ["y"]
    extra = {"linear_before_reset": 1} if p.cell == "gru" else {}
    names = ["x", *values, "lengths" if p.ragged else "", *(f"{s}0" for s in states)]
    node = helper.make_node(OPERATOR[p.cell], names, outputs, hidden_size=H, **extra)
    single, whole = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32

    def info(name: str, shape: tuple[int, ...], kind: int = single) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    given = [info("x", (T, B, inputs)), *(info(f"{s}0", (1, B, H)) for s in states)]
    if p.ragged:
        given.append(info("lengths", (B,), whole))
    shapes = {"y": (T, 1, B, H), "h": (1, B, H), "c": (1, B, H)}
    found = [info(name, shapes[name]) for name in outputs if name]
    constants = [from_array(np.ascontiguousarray(a), name) for name, a in values.items()]
    model = helper.make_model(
        helper.make_graph([node], p.cell, given, found, constants),
        opset_imports=[helper.make_opsetid("", 14)],
        # the newest that runtimes of some years back read
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def feeds(p: Problem) -> dict[str, Array]:
    """The inputs of `graph`, with zero states."""
    _, B, _, H = p.shape
    found: dict[str, Array] = {"x": np.ascontiguousarray(p.x.transpose(1, 0, 2))}
    for s in ("h0", "c0") if p.cell == "lstm" else ("h0",):
        found[s] = np.zeros((1, B, H), np.float32)
    return found | ({} if p.lengths is None else {"lengths": p.lengths})
