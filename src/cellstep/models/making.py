"""Making: how the graph of a model comes about: from tensors that are given, or from a subclass's `call`."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from .. import ops
from ..layers import Input, InputLayer, Layer, SymbolicTensor, nested
from ..layers.module import ours_function
from .data import several
from .graph import Graph
from .ragged import Ragged
from .structure import Structure
from .undo import unchanged


class Making(Structure):
    """A module that finds its graph."""

    def _connect(self, inputs: Any, outputs: Any) -> None:
        """Take what lies between tensors."""
        inputs, outputs = _alone(inputs), _alone(outputs)
        ins, outs = _tensors("inputs", inputs), _tensors("outputs", outputs)
        self._graph = Graph.of(ins, outs)
        # a model may begin at a tensor within another; then it has a head of its own there
        self._heads = [
            t.node.layer if isinstance(t.node.layer, InputLayer) else InputLayer(batch_shape=t.shape, dtype=t.dtype)
            for t in ins
        ]
        self._inputs, self._outputs = nested.pack(inputs, range(len(ins))), nested.pack(outputs, range(len(outs)))
        self._parts = list(self._graph.layers(self._heads))
        for layer_name, number in Counter(layer.name for layer in self._parts).items():
            if number > 1:
                raise ValueError(f"layers must have names of their own in {self.name}, got a second {layer_name!r}")
        self._cached_tensors = (ins, outs)
        self._describe(inputs, outputs, outs)
        self.built = True

    def _describe(self, inputs: Any, outputs: Any, outs: Sequence[SymbolicTensor]) -> None:
        named = isinstance(inputs, dict)
        self.input_names = sorted(inputs) if named else [head.name for head in self._heads]
        named = isinstance(outputs, dict) and len(outputs) == len(outs)
        self.output_names = sorted(outputs) if named else [tensor.node.layer.name for tensor in outs]

    def build(self, input_shape: Any) -> None:
        """Make all weights for inputs of this shape, or structure of shapes; None for the batch size and open axes.

        Does nothing where they exist already.
        """
        if self.built or not self._by_call:
            return
        shapes = nested.change(input_shape, lambda s: s) if not nested.is_shape(input_shape) else input_shape
        if nested.is_shape(shapes):
            structure: Any = Input(batch_shape=(None, *tuple(shapes)[1:]))
        elif isinstance(shapes, dict):
            structure = {k: Input(batch_shape=(None, *tuple(s)[1:]), name=k) for k, s in shapes.items()}
        else:
            structure = [Input(batch_shape=(None, *tuple(s)[1:])) for s in shapes]
        self._trace(structure, False)

    @property
    def computes(self) -> bool:
        return self._graph is not None or self._by_call or self._by_hand

    def prepare(self, x: Any) -> None:
        """Make all weights for such inputs."""
        if self.built and (self._graph is not None or self._by_hand):
            return
        if self._by_hand:
            with unchanged(self):
                self.run(x, tape=False)
        elif self._by_call:
            self._traced(x, False)
        else:
            raise NotImplementedError(
                f"{type(self).__name__} must be made of inputs and outputs, or write call(x) or forward(x)"
            )

    def _traced(self, x: Any, training: bool) -> Graph:
        """The graph that `call` composes for inputs such as these; one with `training` and one without."""
        kept = self._graphs
        if training not in kept:

            def tensor(a: Any) -> SymbolicTensor:
                array = a if isinstance(a, Ragged) else ops.plain("x", a)
                integers = array.dtype.kind in "iu"
                # rows and steps may differ from call to call, features may not
                free = 2 if array.ndim > 2 or integers else 1
                shape = (*(None,) * min(free, array.ndim), *array.shape[free:])
                return Input(batch_shape=shape, dtype=array.dtype if integers or array.dtype.kind == "b" else None)

            if self._heads:
                # composed before, with the other `training`: the same inputs again
                structure: Any = nested.pack(self._inputs, [head.nodes[0].outputs[0] for head in self._heads])
            elif isinstance(x, dict):
                structure = {k: tensor(v) for k, v in x.items()}
            else:
                structure = nested.change(x, tensor) if several(x) else tensor(x)
            if not self._heads and not ours_function(type(self).build):
                self.build(nested.change(structure, lambda t: t.shape))
            if training not in kept:
                self._trace(structure, training)
        return kept[training]

    def _trace(self, structure: Any, training: bool) -> None:
        options: dict[str, Any] = {}
        if "training" in inspect.signature(type(self).call).parameters:
            options["training"] = training
        outputs = _alone(self.call(structure, **options))
        ins, outs = _tensors("inputs of call", structure), _tensors("outputs of call", outputs)
        graph = Graph.of(ins, outs)
        self._graphs[training] = graph
        self._heads = [cast(InputLayer, t.node.layer) for t in ins]
        self._inputs, self._outputs = nested.pack(structure, range(len(ins))), nested.pack(outputs, range(len(outs)))
        self._describe(structure, outputs, outs)
        self.built = True
        if not self.trainable:
            self.trainable = False


def _tensors(name: str, structure: Any) -> list[SymbolicTensor]:
    found = nested.flatten(structure)
    for tensor in found:
        if not isinstance(tensor, SymbolicTensor):
            what = tensor.name if isinstance(tensor, Layer) else type(tensor).__name__
            raise TypeError(
                f"{name} must be symbolic tensors, such as Input(...) or what layers give for it, got {what}"
            )
    if not found:
        raise ValueError(f"{name} must hold a tensor at least, got none")
    return found


def _alone(structure: Any) -> Any:
    """A tensor from a list of one, as in Keras."""
    return structure[0] if isinstance(structure, list | tuple) and len(structure) == 1 else structure
