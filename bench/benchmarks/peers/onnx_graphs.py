"""ONNX graphs of one cell, built in memory, for the peers that run ONNX. Time-major: they refuse the other layout."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ...kernels import Cell
from ..problem import Array, Problem


def has(cell: Cell) -> bool:
    """Whether ONNX has an operator for this cell."""
    return "onnx" in cell.names


def _reorder(p: Problem, a: Array) -> Array:
    """Keras's order of gates to ONNX's."""
    blocks = a.reshape(*a.shape[:-1], -1, p.shape.H)
    return blocks[..., [p.row.letters.index(letter) for letter in p.row.orders["onnx"]], :].reshape(a.shape)


def constants(p: Problem) -> dict[str, Array]:
    """W, R and B as the operators take them, of one direction."""
    W, U, b = p.weights.values()
    # one bias for each side; where Keras has one it is on the input's side
    sides = b if b.ndim == 2 else np.stack([b, np.zeros_like(b)])
    return {"W": _reorder(p, W).T[None], "R": _reorder(p, U).T[None], "B": _reorder(p, sides).reshape(1, -1)}


def graph(p: Problem) -> bytes:
    """A model of this problem.

    Inputs: x (T, B, I); the states, h0 and so on, (1, B, H); lengths (B,) int32 if the problem is ragged.
    Outputs: for a step the states, h and so on, (1, B, H); else y (T, 1, B, H).
    """
    onnx: Any = importlib.import_module("onnx")
    helper, from_array = onnx.helper, importlib.import_module("onnx.numpy_helper").from_array
    T, B, inputs, H = p.shape
    states = p.row.state_names
    values = constants(p)
    outputs = ["", *states] if p.work == "step" else ["y"]
    extra = {option.names["onnx"]: int(option.default) for option in p.row.options if "onnx" in option.names}
    names = ["x", *values, "lengths" if p.ragged else "", *(f"{s}0" for s in states)]
    node = helper.make_node(p.row.names["onnx"], names, outputs, hidden_size=H, **extra)
    single, whole = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32

    def info(name: str, shape: tuple[int, ...], kind: int = single) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    feeds = [info("x", (T, B, inputs)), *(info(f"{s}0", (1, B, H)) for s in states)]
    if p.ragged:
        feeds.append(info("lengths", (B,), whole))
    results = [info(name, (T, 1, B, H) if name == "y" else (1, B, H)) for name in outputs if name]
    arrays = [from_array(np.ascontiguousarray(a), name) for name, a in values.items()]
    model = helper.make_model(
        helper.make_graph([node], p.cell, feeds, results, arrays),
        opset_imports=[helper.make_opsetid("", 14)],
        # the newest that runtimes of some years back read
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def feeds(p: Problem) -> dict[str, Array]:
    """The inputs of `graph`, with zero states."""
    _, B, _, H = p.shape
    arrays: dict[str, Array] = {"x": np.ascontiguousarray(p.x.transpose(1, 0, 2))}
    arrays |= {f"{name}0": np.zeros((1, B, H), np.float32) for name in p.row.state_names}
    return arrays | ({} if p.lengths is None else {"lengths": p.lengths})
