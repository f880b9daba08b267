"""What a model runs on: for each layer which kernel, on which backend, between how many threads, and why."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from .. import core, kernels
from ..layers import InputLayer, LayerNormalization, RecurrentCell, TimeDistributed, nested
from ..layers.cell_noise import rates_of
from ..layers.matmul_layer import MatmulLayer

#: Rows of a call where neither the caller nor the Input says how many, as `predict` takes them.
ROWS = 32


def explanation(model: Any, batch_size: int | None = None, steps: int | None = None) -> str:
    """A few lines about the backend, then one or more about each layer.

    Args:
        model: built, or only its kernels are told.
        batch_size: rows of a call; the Input's, or 32, where None.
        steps: of a sequence, where the Input leaves them open; then without them nothing is said about threads.
    """
    rows = None if batch_size is None else core.check_count("batch_size", batch_size)
    steps = None if steps is None else core.check_count("steps", steps)
    lines = [f"backend {kernels.active().name}: {kernels.active().why}", *_machine()]
    shapes = None
    if model.built and model.input_shapes is not None:
        shapes = [_sized(shape, rows, steps) for shape in model.input_shapes]
    return "\n".join([*lines, *_layers(model, shapes, "")])


def _sized(shape: Any, rows: int | None, steps: int | None) -> tuple[int | None, ...]:
    """A shape with the batch size, and the steps where they are open."""
    batch, *sizes = shape
    if sizes and sizes[0] is None:
        sizes[0] = steps
    return (rows or batch or ROWS, *sizes)


def _machine() -> list[str]:
    """The instruction set and the threads, as far as the active backend says."""
    if kernels.active().name == "cython":
        compiled = importlib.import_module(f"{kernels.__name__}.cython.compiled")
        return [f"instruction set {compiled.isa()}: {compiled.isa_why()}", _threads(compiled.get_num_threads())]
    if kernels.active().name == "numba":
        return [_threads(importlib.import_module(f"{kernels.__name__}.numba.thread_pool").get_num_threads())]
    return ["one thread, but for what NumPy does by itself"]


def _threads(n: int) -> str:
    return "one thread" if n == 1 else f"up to {n} threads a call"


def _layers(model: Any, shapes: list[Any] | None, indent: str) -> list[str]:
    inputs = {} if shapes is None else _inputs(model, shapes)
    lines = []
    for layer in model.operations:
        head = f"{indent}{layer.name} ({layer.keras_name})"
        shape = inputs.get(id(layer))
        if isinstance(layer, InputLayer):
            continue
        if hasattr(layer, "layers"):
            inner = None if shape is None else nested.shapes(shape)
            lines += [f"{head}: a model", *_layers(layer, inner, indent + "  ")]
            continue
        cells = list({id(cell): (cell, own) for cell, own in _cells(layer, shape)}.values())
        if not cells:
            lines.append(f"{head}: {_other(layer)}")
        for cell, own in cells:
            lines.append(f"{head}: {_kernel(cell)}")
            lines += [f"{indent}  {line}" for line in _split(cell, own)]
    return lines


def _inputs(model: Any, shapes: list[Any]) -> dict[int, Any]:
    """The shape, or shapes, that each layer is called on first."""
    graph = model.known_graph()
    if graph is None:
        return {}
    places = graph.shapes(shapes)
    return {id(step.layer): nested.change(step.x, places.__getitem__) for step in reversed(graph.steps)}


def _cells(part: Any, shape: Any) -> Iterator[tuple[RecurrentCell, Any]]:
    """The cells in a layer, at any depth, each with the shape of the sequences that it runs over, or None."""
    if isinstance(part, RecurrentCell):
        yield part, shape
        return
    if isinstance(part, TimeDistributed) and shape is not None and None not in shape[:2]:
        rows = shape[0] * shape[1] if part.layer.independent_rows(False) else shape[0]
        shape = (rows, *shape[2:])
    for inner in part.parts:
        yield from _cells(inner, shape)


def _kernel(cell: RecurrentCell) -> str:
    """Which kernel a cell's sequences run on."""
    backend, options = kernels.active(), cell.options
    chosen = ", ".join(f"{name}={getattr(value, 'name', value)}" for name, value in options.items())
    if foreign := _foreign(cell):
        return (
            f"step by step in NumPy and slowly, as no kernel computes {' and '.join(foreign)}; {cell.dtype}, {chosen}"
        )
    name, pace = cell.contract.name, "at full speed"
    if name not in backend.cells:
        pace, backend = f"slowly: backend {backend.name} does not have this cell", kernels.load("numpy")
    elif not backend.supports(cell.contract, cell.dtype, tuple(options.values())):
        pace = "slowly: this backend has no fast kernel for these"
    if rates_of(cell):
        pace = "step by step from Python, as zoneout keeps a part of states"
    size = ""
    if cell.built:
        kilobytes = sum(w.size * w.dtype.itemsize for w in cell.weights) / 1024
        size = f", {kilobytes:.1f} KB of weights"
    chosen = f", {chosen}" if chosen else ""
    return f"{name}_forward and _backward of {backend.name}, {cell.dtype}{chosen}, {pace}{size}"


def _foreign(cell: RecurrentCell) -> list[str]:
    """The options that are functions of the user's, which no kernel computes."""
    return [f"{key}={value.name}" for key, value in cell.options.items() if hasattr(value, "name")]


def _split(cell: RecurrentCell, shape: Any) -> list[str]:
    """How calls of this shape are shared, forward and backward; nothing where a size is open."""
    if not cell.built or shape is None or len(shape) != 3 or None in shape[:2] or _foreign(cell):
        return []
    size = (shape[0], shape[1], cell.kernel.shape[0])
    lines = []
    for way, backward in (("forward", False), ("backward", True)):
        packed = cell.packed(backward=backward)
        threads, what, shares, why = packed.backend.split_of(packed.weights, size, backward)
        each = "-".join(str(n) for n in sorted({min(shares), max(shares)}))
        parts = f"{len(shares)} parts of {each} {what}" if len(shares) > 1 else f"all {each} {what} in one part"
        lines.append(
            f"{way} of {size[0]} x {size[1]} steps: {threads} thread{'s' if threads > 1 else ''}, {parts}: {why}"
        )
    return lines


def _other(layer: Any) -> str:
    """What a layer without cells runs on."""
    backend = kernels.active()
    if isinstance(layer, MatmulLayer) or any(isinstance(part, MatmulLayer) for part in layer.parts):
        return "products of cython, rows shared where that pays" if backend.name == "cython" else "products of NumPy"
    if isinstance(layer, LayerNormalization) and backend.name == "cython":
        return "norms of cython"
    return "NumPy, one call over the whole batch"
