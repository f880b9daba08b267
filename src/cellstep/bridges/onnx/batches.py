"""Which axis of each input and output is the batch, as recurrent layers tell; and models where it is not the first.

Layers here have the batch first. PyTorch's recurrent modules have the time first by default, and in ONNX initial states
have the directions first. A graph of such values is run as it is; what cuts an array into batches cannot do that.
"""

from __future__ import annotations

from math import prod
from typing import Any, NoReturn

from ...layers import SymbolicTensor
from ...layers.deserialization import offer
from ...layers.operations import Operation, arithmetic
from ...models import Model


def batch_axes(inputs: list[SymbolicTensor], outputs: list[SymbolicTensor]) -> tuple[list[int], list[int]]:
    """The axis of the batch of each input and output; 0 where nothing tells."""
    known: dict[int, int] = {}
    nodes = _nodes(outputs)
    for node in nodes:
        if hasattr(node.layer, "runner") or hasattr(node.layer, "forward_layer"):
            known |= {id(t): 0 for t in [*node.inputs, *node.outputs]}
    before = -1
    while before != len(known):
        before = len(known)
        for node in nodes:
            for x in node.inputs:
                for y in node.outputs:
                    for axis in range(x.ndim):
                        if (image := _image(node.layer, x, y, axis)) is None:
                            continue
                        if known.get(id(x)) == axis:
                            known.setdefault(id(y), image)
                        elif known.get(id(y)) == image:
                            known.setdefault(id(x), axis)
    return [known.get(id(t), 0) for t in inputs], [known.get(id(t), 0) for t in outputs]


def _nodes(outputs: list[SymbolicTensor]) -> list[Any]:
    found: dict[int, Any] = {}
    stack = [tensor.node for tensor in outputs]
    while stack:
        node = stack.pop()
        if id(node) not in found:
            found[id(node)] = node
            stack += [tensor.node for tensor in node.inputs]
    return list(found.values())


def _image(layer: Any, x: Any, y: Any, axis: int) -> Any:
    """The axis of an output that an axis of an input becomes; None where it does not, or nobody knows."""
    if not isinstance(layer, Operation):
        kept = type(layer).__name__ in (
            "Dense",
            "Activation",
            "Embedding",
            "LeakyReLU",
            "LayerNormalization",
            "Identity",
        )
        kept = kept or type(layer).__name__ == "BatchNormalization"
        last = axis == x.ndim - 1 and type(layer).__name__ not in ("Embedding", "Identity")
        return axis if (kept and not last) or axis == 0 else None
    kind, options = layer.operation, {**layer.kind.options, **layer.options}
    if kind == "Transpose":
        return [a % x.ndim for a in options["axes"]].index(axis)
    if kind in ("Squeeze", "Sum", "Mean", "Max", "Min", "Prod", "Argmax"):
        gone = options["axis"] if isinstance(options["axis"], list | tuple) else [options["axis"]]
        if None in gone or axis in [a % x.ndim for a in gone]:
            return None
        return axis if options.get("keepdims") else axis - sum(a % x.ndim < axis for a in gone)
    if kind == "ExpandDims":
        new = options["axis"] if isinstance(options["axis"], list | tuple) else [options["axis"]]
        return [i for i in range(y.ndim) if i not in [a % y.ndim for a in new]][axis]
    if kind == "GetItem":
        key = list(layer.arguments[1])
        if not all(isinstance(part, int | slice) for part in key):
            return None
        key += [slice(None)] * (x.ndim - len(key))
        whole = isinstance(key[axis], slice) and key[axis] == slice(None)
        return axis - sum(isinstance(part, int) for part in key[:axis]) if whole else None
    if kind == "Reshape":
        return _kept(x.open_shape, y.open_shape, axis)
    if kind in ("Concatenate", "Flip", "Softmax", "LogSoftmax", "Cumsum", "Split"):
        return axis if options["axis"] is None or options["axis"] % x.ndim != axis else None
    if kind == "Stack":
        return axis + (axis >= options["axis"] % y.ndim)
    if layer.kind.rule.__module__ == arithmetic.__name__ and layer.kind.arguments:
        return axis - x.ndim + y.ndim if x.open_shape[axis] != 1 or y.open_shape[axis - x.ndim] == 1 else None
    return None


def _kept(before: Any, after: Any, axis: int) -> int | None:
    """The axis that one becomes where sizes change: of its size, with as many numbers before it, or behind it."""

    def around(shape: Any, i: int) -> Any:
        return [None if None in part else prod(part) for part in (shape[:i], shape[i + 1 :])]

    known = around(before, axis)
    for i, size in enumerate(after):
        if size == before[axis] and any(n == m is not None for n, m in zip(known, around(after, i), strict=True)):
            return i
    return None


class GraphModel(Model):
    """A model of arrays whose first axis is not the batch in all of them. It can be called, and its gradients taken;
    `predict` runs all of x at once. What cuts arrays into batches needs one with `batch_first=True` of `from_onnx`."""

    def predict(self, x: Any, *args: Any, **options: Any) -> Any:
        """The outputs for all of x, at once."""
        return self(x)

    predict_on_batch = predict

    def _refuse(self, *args: Any, **options: Any) -> NoReturn:
        raise ValueError(
            f"{self.name} has arrays whose first axis is not the batch, so that they cannot be cut into batches: "
            "from_onnx(source, batch_first=True) gives a model that puts it first"
        )

    fit = evaluate = train_on_batch = test_on_batch = stream = _refuse


offer(GraphModel)
