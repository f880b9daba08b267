"""Models of ONNX files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ... import core
from ...core import brief
from ...layers import Identity, Input, SymbolicTensor
from ...layers.reading import Reading, reading
from ...models import Model
from ...untrusted import FileError, blamed
from . import operators
from .batches import GraphModel, batch_axes
from .importer import Again, Importer, first
from .reading import GraphFile, placed, read
from .sizes import Dim
from .views import View

__all__ = ["from_onnx", "operators"]


def from_onnx(
    source: Any, *, batch_first: bool = False, name: str | None = None, max_bytes: int | None = None
) -> Model:
    """A model that computes what the graph of an ONNX file does.

    Args:
        source: a path, bytes, or an `onnx.ModelProto`.
        batch_first: put the batch first in inputs and outputs that have it elsewhere, such as those of PyTorch's
            recurrent modules, and states, which have the directions first. A model without can be called, and
            `predict` runs all of x at once, but `fit`, `evaluate` and `stream` need it.
        name: of the model; automatic where None.
        max_bytes: how much memory reading may take; about eight times the file's size where None.

    Returns:
        A model whose inputs and outputs have the names, the order and the axes of the graph's ("/" in a name, which
        names here cannot hold, is "."). RNN, LSTM and GRU operators become recurrent layers, products with constant
        weights Dense, lookups Embedding, and so on; it can be evaluated, trained, streamed and saved as any other.

    Raises:
        FileError: the file is damaged, or holds an operator or an option that is not built; it names the node, its
            operator and the opset. FileNotFoundError: no such file. TypeError: source is none of these.
        ModuleNotFoundError: the onnx package is not installed.

    Example:
        >>> data = cellstep.bridges.to_onnx(model)
        >>> from_onnx(data).predict(x, verbose=0).shape
        (8, 1)
    """
    return model_of(read(source, max_bytes), batch_first, name)


def model_of(graph: GraphFile, batch_first: bool = False, name: str | None = None, weighted: bool = True) -> Model:
    """The model of a graph; see `from_onnx`.

    Args:
        weighted: whether its layers get their weights; else nothing is written to these, and so no memory taken.
    """
    ins, tensors = tensors_of(graph, {}, weighted)
    kind = Model
    with blamed(graph.file, "", (Exception,)):
        axes = batch_axes(ins, [y for y in tensors if isinstance(y, SymbolicTensor)])
    if any(axes[0]) or any(axes[1]):
        if core.check_bool("batch_first", batch_first):
            moves = dict(zip([*graph.inputs, *graph.outputs], [*axes[0], *axes[1]], strict=False))
            ins, tensors = tensors_of(graph, moves, weighted)
        else:
            kind = GraphModel
    outputs = [_named(graph, key, y, ins) for key, y in zip(graph.outputs, tensors, strict=True)]
    with blamed(graph.file, "", (Exception,)):
        _separate_names(outputs)
        return kind(ins[0] if len(ins) == 1 else ins, outputs[0] if len(outputs) == 1 else outputs, name=name)


def tensors_of(graph: GraphFile, moves: Mapping[str, int], weighted: bool) -> tuple[list[SymbolicTensor], list[Any]]:
    """The inputs and outputs of a graph as tensors; of those in `moves` an axis is put first."""
    full: set[str] = set()
    while True:
        try:
            with reading(Reading()):
                ins, values = inputs_of(graph, moves)
                return ins, Importer(graph, values, full, moves, weighted).run()
        except Again as more:
            full.add(str(more))


def inputs_of(graph: GraphFile, moves: Mapping[str, int]) -> tuple[list[SymbolicTensor], dict[str, Any]]:
    """A tensor for each input of a graph, and the same as values by name."""
    tensors, values = [], {}
    for key, (dtype, sizes) in graph.inputs.items():
        with placed(graph.file, f"input {brief(key)}"):
            if not sizes:
                raise ValueError("expected an input with the batch as its first axis, got a single number")
            order = first(len(sizes), moves.get(key, 0))
            sizes = [sizes[i] for i in order]
            shape = [None if isinstance(n, str) else n for n in sizes]
            tensor = Input(batch_shape=shape, dtype=dtype, name=_name(graph, key))
        tensors.append(tensor)
        dims = [_dim(tensor, key, i, n) if isinstance(n, str) else n for i, n in enumerate(sizes)]
        view = View.of(tensor, dims)
        values[key] = view.seen([view.groups[order.index(i)] for i in range(len(order))])
    if not tensors:
        raise FileError(graph.file, "", "expected a graph with inputs, got none")
    return tensors, values


def _dim(tensor: SymbolicTensor, key: str, axis: int, name: str) -> Dim:
    from ... import ops

    return Dim.atom(name or f"{key}.{axis}", lambda: ops.shape(tensor)[axis])


def _name(graph: GraphFile, key: str) -> str:
    """What an input or output is called here: as in the graph, without the characters that names here cannot hold."""
    names: dict[str, str] = {}
    for other in [*graph.inputs, *graph.outputs]:
        name = other.replace("/", ".").replace("\0", ".")
        while names.get(name, other) != other:
            name += "_"
        names[name] = other
    return next(name for name, other in names.items() if other == key)


def _named(graph: GraphFile, key: str, y: Any, ins: list[SymbolicTensor]) -> SymbolicTensor:
    """An output under its name, by a layer that is called so."""
    if not isinstance(y, SymbolicTensor):
        raise FileError(graph.file, f"output {brief(key)}", "expected what depends on an input, got a constant")
    layer, name = y.node.layer, _name(graph, key)
    if layer.name == name:
        return y
    if len(y.node.outputs) == 1 and y.node.x is not None and not getattr(layer, "_cached_named", False):
        rename(layer, name)
        layer._cached_named = True
        return y
    named: SymbolicTensor = Identity(name=name, dtype=str(y.dtype) if y.dtype.kind == "f" else None)(y)
    named.node.layer._cached_named = True
    return named


def rename(layer: Any, name: str) -> None:
    """Give a layer another name, in the paths of its weights too."""
    before = layer.path
    layer.name = layer.path = name
    for weight in layer.weights:
        if weight.path.startswith(f"{before}/"):
            weight.path = name + weight.path[len(before) :]
    for part in layer.walk()[1:]:
        if part.path.startswith(f"{before}/"):
            part.path = name + part.path[len(before) :]


def _separate_names(outputs: list[SymbolicTensor]) -> None:
    """Give other names to layers that are called as an input or an output is."""
    seen: list[Any] = []
    stack = [tensor.node for tensor in outputs]
    done: set[int] = set()
    while stack:
        node = stack.pop()
        if id(node) not in done:
            done.add(id(node))
            seen.append(node.layer)
            stack += [tensor.node for tensor in node.inputs]
    layers = list({id(layer): layer for layer in seen}.values())
    fixed = [layer for layer in layers if getattr(layer, "_cached_named", False) or not hasattr(layer, "apply")]
    heads = [layer for layer in layers if type(layer).__name__ == "InputLayer"]
    taken = Counter(layer.name for layer in [*fixed, *heads])
    for layer in layers:
        if not any(layer is other for other in [*fixed, *heads]):
            name, i = layer.name, 0
            while taken[name]:
                i += 1
                name = f"{layer.name}_{i}"
            taken[name] += 1
            if name != layer.name:
                rename(layer, name)
