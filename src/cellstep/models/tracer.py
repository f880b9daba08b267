"""ModelTracer: the graphs of a subclass's `call`, and the inputs and outputs that a model has by the first of them."""

from __future__ import annotations

import inspect
from typing import Any, cast

from .. import core
from ..configured import ours_function
from ..layers import Input, InputLayer, SymbolicTensor, nested
from ..layers.graph import Graph
from ..layers.ragged import Ragged
from ..layers.tracer import Tracer, opened
from .data import several


class ModelTracer(Tracer):
    """The graphs of a model's `call`, by `training`, and where they depend on them by shapes."""

    def __init__(self) -> None:
        super().__init__()
        self._building = False

    @property
    def first(self) -> Graph | None:
        """The first of the graphs, if there is one."""
        return next((traced.graph for traced in self.graphs.values()), None)

    def graph(self, model: Any, x: Any, training: bool) -> Graph:
        """The graph for inputs such as these, with `training` or without."""

        def tensors_at(level: int) -> Any:
            return self._open_inputs(model, x) if level == 0 else _inputs_like(x, level)

        def key_at(level: int) -> Any:
            if level == 0:
                return training
            sizes = nested.change(x, _shape) if several(x) or isinstance(x, dict) else _shape(x)
            return (training, *(shape[2 - level :] for shape in nested.shapes(sizes)))

        return self._compose(model, training, tensors_at, key_at)

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
        self._compose(model, False, lambda level: inputs, lambda level: False)

    def _open_inputs(self, model: Any, x: Any) -> Any:
        """Tensors with open steps; those of the graph composed before, with the other `training`, if there is one."""
        signature = model._signature
        if signature.heads:
            return nested.pack(signature.inputs, [head.nodes[0].outputs[0] for head in signature.heads])
        return _inputs_like(x, 0)

    def _compose(self, model: Any, training: bool, tensors_at: Any, key_at: Any) -> Graph:
        """The graph for the key; run `call` on tensors where there is none."""
        first = not self.graphs
        used: list[Any] = []

        def call(inputs: Any) -> Any:
            if first and not self._building and not ours_function(type(model).build):
                self._building = True
                try:
                    model.build(nested.change(inputs, lambda tensor: tensor.open_shape))
                finally:
                    self._building = False
            takes = "training" in inspect.signature(model.call).parameters
            outputs = alone(model.call(inputs, **({"training": training} if takes else {})))
            used[:] = [inputs, outputs]
            return outputs

        traced = self.find(f"{type(model).__name__}.call", call, tensors_at, key_at, counting=True)
        if first and self.graphs:
            inputs, outputs = used
            heads = [cast(InputLayer, tensor.node.layer) for tensor in nested.flatten(inputs)]
            model._signature.connect(inputs, outputs, heads)
            for head in heads:
                head.any_size = self.level > 0
            model.built = True
            if not model.trainable:
                model.trainable = False
        return traced.graph


def _inputs_like(x: Any, level: int) -> Any:
    """Tensors for inputs such as x, with as many axes open as the level of a tracer says."""

    def tensor(a: Any) -> SymbolicTensor:
        sizes, dtype = _shape(a), getattr(a, "dtype", None) or core.plain("x", a).dtype
        integers = dtype.kind in "iu"
        return Input(batch_shape=opened(sizes, dtype, level), dtype=dtype if integers or dtype.kind == "b" else None)

    if isinstance(x, dict):
        return {key: tensor(value) for key, value in x.items()}
    return nested.change(x, tensor) if several(x) else tensor(x)


def _shape(x: Any) -> tuple[int, ...]:
    """The sizes of an array, padded where it is a list of sequences of different lengths."""
    return (len(x), x.steps, *x.shape[2:]) if isinstance(x, Ragged) else core.plain("x", x).shape


def alone(structure: Any) -> Any:
    """A tensor from a list of one, as in Keras."""
    return structure[0] if isinstance(structure, list | tuple) and len(structure) == 1 else structure
