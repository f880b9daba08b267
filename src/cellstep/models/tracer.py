"""Tracer: calls a subclass's `call` with symbolic tensors, and keeps the graphs that it composes of them."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any, cast

from .. import core
from ..configured import ours_function
from ..layers import Input, InputLayer, Layer, SymbolicTensor, nested
from ..layers.graph import Graph
from ..layers.ragged import Ragged
from .data import several

#: For how many shapes the graph of a `call` is kept, where it depends on them.
KEPT = 64


class Tracer:
    """The graphs of a model's `call`.

    A graph is composed of tensors whose rows and steps are open; where that cannot be, as a layer has to know how many
    steps there are, or `call` asks, another one for each shape.

    Attributes:
        graphs: by `training`; and by `training` and shapes where they depend on these.
        by_shape: whether they do.
    """

    def __init__(self) -> None:
        self.graphs: dict[Any, Graph] = {}
        self.by_shape = False
        self._building = False

    @property
    def first(self) -> Graph | None:
        """The first of the graphs, if there is one."""
        return next(iter(self.graphs.values()), None)

    def graph(self, model: Any, x: Any, training: bool) -> Graph:
        """The graph for inputs such as these, with `training` or without."""
        if not self.by_shape:
            if training in self.graphs:
                return self.graphs[training]
            with contextlib.suppress(ValueError, TypeError):
                return self._compose(model, self._open_inputs(model, x), training, training)
        sizes = nested.change(x, _shape) if several(x) or isinstance(x, dict) else _shape(x)
        key = (training, *(shape[1:] for shape in nested.shapes(sizes)))
        if key not in self.graphs:
            self._compose(model, _inputs_like(x, False), training, key)
            self.by_shape = True
            if len(self.graphs) > KEPT:
                del self.graphs[list(self.graphs)[1]]
        return self.graphs[key]

    def build(self, model: Any, input_shape: Any) -> None:
        """Compose the graph for inputs of a shape, or structure of shapes, which makes all weights."""

        def tensor(shape: Any, name: str | None = None) -> SymbolicTensor:
            return Input(batch_shape=(None, *tuple(shape)[1:]), name=name)

        if nested.is_shape(input_shape):
            inputs: Any = tensor(input_shape)
        elif isinstance(input_shape, dict):
            inputs = {key: tensor(shape, key) for key, shape in input_shape.items()}
        else:
            inputs = [tensor(shape) for shape in nested.shapes(input_shape)]
        self._compose(model, inputs, False, False)

    def _open_inputs(self, model: Any, x: Any) -> Any:
        """Tensors with open steps; those of the graph composed before, with the other `training`, if there is one."""
        signature = model._signature
        if signature.heads:
            return nested.pack(signature.inputs, [head.nodes[0].outputs[0] for head in signature.heads])
        return _inputs_like(x, True)

    def _compose(self, model: Any, inputs: Any, training: bool, key: Any) -> Graph:
        """Run `call` on tensors, and keep what it composes under a key."""
        if not self.graphs and not self._building and not ours_function(type(model).build):
            self._building = True
            try:
                model.build(nested.change(inputs, lambda tensor: tensor.shape))
            finally:
                self._building = False
        options: dict[str, Any] = {}
        if "training" in inspect.signature(type(model).call).parameters:
            options["training"] = training
        outputs = alone(model.call(inputs, **options))
        ins, outs = tensors("inputs of call", inputs), tensors("outputs of call", outputs)
        graph = self.graphs[key] = Graph.of(ins, outs)
        if len(self.graphs) == 1:
            heads = [cast(InputLayer, tensor.node.layer) for tensor in ins]
            model._signature.connect(inputs, outputs, heads)
            for head in heads:
                head.any_size = key is not training
        model.built = True
        if not model.trainable:
            model.trainable = False
        return graph


def _inputs_like(x: Any, steps_open: bool) -> Any:
    """Tensors for inputs such as x. Rows differ from call to call, steps too where they are open, features not."""

    def tensor(a: Any) -> SymbolicTensor:
        sizes, dtype = _shape(a), getattr(a, "dtype", None) or core.plain("x", a).dtype
        integers = dtype.kind in "iu"
        free = 2 if steps_open and (len(sizes) > 2 or integers) else 1
        shape = (*(None,) * min(free, len(sizes)), *sizes[free:])
        return Input(batch_shape=shape, dtype=dtype if integers or dtype.kind == "b" else None)

    if isinstance(x, dict):
        return {key: tensor(value) for key, value in x.items()}
    return nested.change(x, tensor) if several(x) else tensor(x)


def _shape(x: Any) -> tuple[int, ...]:
    """The sizes of an array, padded where it is a list of sequences of different lengths."""
    return (len(x), x.steps, *x.shape[2:]) if isinstance(x, Ragged) else core.plain("x", x).shape


def tensors(name: str, structure: Any) -> list[SymbolicTensor]:
    """The tensors in a structure, flat.

    Raises:
        TypeError: something else is in it. ValueError: nothing is.
    """
    leaves = nested.flatten(structure)
    for leaf in leaves:
        if not isinstance(leaf, SymbolicTensor):
            what = leaf.name if isinstance(leaf, Layer) else type(leaf).__name__
            raise TypeError(
                f"{name} must be symbolic tensors, such as Input(...) or what layers give for it, got {what}"
            )
    if not leaves:
        raise ValueError(f"{name} must hold a tensor at least, got none")
    return leaves


def alone(structure: Any) -> Any:
    """A tensor from a list of one, as in Keras."""
    return structure[0] if isinstance(structure, list | tuple) and len(structure) == 1 else structure
