"""What a model runs on: for each layer which kernel, on which backend, and why."""

from __future__ import annotations

import importlib
from typing import Any

from .. import kernels
from ..layers import InputLayer, RecurrentCell


def explanation(model: Any) -> str:
    """A few lines about the backend, then one or more about each layer."""
    lines = [f"backend {kernels.active().name}: {kernels.active().why}", *_machine()]
    return "\n".join([*lines, *_layers(model, "")])


def _machine() -> list[str]:
    """The instruction set and the threads, as far as the active backend says."""
    if kernels.active().name != "cython":
        return ["one thread"]
    tiles = importlib.import_module(f"{kernels.__name__}.cython.tiles")
    n = tiles.get_num_threads()
    split = (
        "one thread" if n == 1 else f"up to {n} threads a call: each takes rows of a batch, or units where rows are few"
    )
    return [f"instruction set {tiles.isa()}: {tiles.isa_why()}", split]


def _layers(model: Any, indent: str) -> list[str]:
    lines = []
    for layer in model.operations:
        head = f"{indent}{layer.name} ({layer.keras_name})"
        if hasattr(layer, "layers"):
            lines += [f"{head}: a model", *_layers(layer, indent + "  ")]
            continue
        if isinstance(layer, InputLayer):
            continue
        cells = list(dict.fromkeys(_cells(layer)))
        if not cells:
            lines.append(f"{head}: NumPy, one call over the whole batch")
        lines += [f"{head}: {_kernel(layer, cell)}" for cell in cells]
    return lines


def _cells(part: Any) -> list[RecurrentCell]:
    """The cells in a layer, at any depth."""
    if isinstance(part, RecurrentCell):
        return [part]
    return [cell for inner in part.parts for cell in _cells(inner)]


def _kernel(layer: Any, cell: RecurrentCell) -> str:
    """Which kernel a cell's sequences run on."""
    backend, options = kernels.active(), cell.options
    names = {name: getattr(value, "name", value) for name, value in options.items()}
    chosen = ", ".join(f"{name}={value}" for name, value in names.items())
    if foreign := [f"{key}={names[key]}" for key, value in options.items() if names[key] is not value]:
        return (
            f"step by step in NumPy and slowly, as no kernel computes {' and '.join(foreign)}; {cell.dtype}, {chosen}"
        )
    full = backend[cell.contract.name].supports(cell.dtype, *options.values())
    pace = "at full speed" if full else "slowly: this backend has no fast kernel for these"
    size = ""
    if cell.built:
        kilobytes = sum(w.size * w.dtype.itemsize for w in cell.weights) / 1024
        size = f", {kilobytes:.1f} KB of weights"
    return f"{cell.contract.name}_forward and _backward of {backend.name}, {cell.dtype}, {chosen}, {pace}{size}"
