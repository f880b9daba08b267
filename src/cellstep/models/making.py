"""Making: how the graph of a model comes about: from tensors that are given, or from a subclass's `call`."""

from __future__ import annotations

import contextlib
import inspect
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from .. import ops
from ..layers import Input, InputLayer, Layer, SymbolicTensor, nested
from ..layers.context import Context
from ..layers.module import ours_function
from .data import several
from .graph import Graph
from .ragged import Ragged
from .rollback import unchanged
from .structure import Structure

#: For how many shapes the graph of a `call` is kept, where it depends on them.
KEPT = 64


class Making(Structure):
    """A module that finds its graph."""

    #: Whether `call` composes another graph for each shape of the inputs.
    _by_shape = False
    _building = False

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
        self._trace(structure, False, False)

    @property
    def computes(self) -> bool:
        return self._graph is not None or self._by_call or self._by_hand

    def prepare(self, x: Any) -> None:
        """Make all weights for such inputs."""
        if self.built and (self._graph is not None or self._by_hand):
            return
        if self._by_hand:
            with unchanged(self):
                self.apply(x, None, Context(penalties=[]))
        elif self._by_call:
            self._traced(x, False)
        else:
            raise NotImplementedError(
                f"{type(self).__name__} must be made of inputs and outputs, or write call(x) or forward(x)"
            )

    def _traced(self, x: Any, training: bool) -> Graph:
        """The graph that `call` composes for inputs such as these, with `training` or without.

        It is composed of tensors whose rows and steps are open; where that cannot be, as a layer has to know how many
        steps there are, or `call` asks, once for each shape.
        """
        if not self._by_shape:
            if training in self._graphs:
                return self._graphs[training]
            with contextlib.suppress(ValueError, TypeError):
                return self._trace(self._inputs_like(x, True), training, training)
        whole = nested.change(x, _shape) if several(x) or isinstance(x, dict) else _shape(x)
        key = (training, *(shape[1:] for shape in nested.shapes(whole)))
        if key not in self._graphs:
            self._trace(self._inputs_like(x, False), training, key)
            self._by_shape = True
            if len(self._graphs) > KEPT:
                del self._graphs[list(self._graphs)[1]]
        return self._graphs[key]

    def _inputs_like(self, x: Any, steps_open: bool) -> Any:
        """Tensors for inputs such as x. Rows differ from call to call, steps too where they are open, features not."""

        def tensor(a: Any) -> SymbolicTensor:
            sizes, dtype = _shape(a), getattr(a, "dtype", None) or ops.plain("x", a).dtype
            integers = dtype.kind in "iu"
            free = 2 if steps_open and (len(sizes) > 2 or integers) else 1
            shape = (*(None,) * min(free, len(sizes)), *sizes[free:])
            return Input(batch_shape=shape, dtype=dtype if integers or dtype.kind == "b" else None)

        if self._heads and steps_open:
            # composed before, with the other `training`: the same inputs again
            return nested.pack(self._inputs, [head.nodes[0].outputs[0] for head in self._heads])
        if isinstance(x, dict):
            return {key: tensor(value) for key, value in x.items()}
        return nested.change(x, tensor) if several(x) else tensor(x)

    def _trace(self, structure: Any, training: bool, key: Any) -> Graph:
        """Run `call` on tensors, and keep what it composes under a key."""
        if not self._graphs and not self._building and not ours_function(type(self).build):
            self._building = True
            try:
                self.build(nested.change(structure, lambda tensor: tensor.shape))
            finally:
                self._building = False
        options: dict[str, Any] = {}
        if "training" in inspect.signature(type(self).call).parameters:
            options["training"] = training
        outputs = _alone(self.call(structure, **options))
        ins, outs = _tensors("inputs of call", structure), _tensors("outputs of call", outputs)
        graph = self._graphs[key] = Graph.of(ins, outs)
        if len(self._graphs) == 1:
            self._heads = [cast(InputLayer, t.node.layer) for t in ins]
            self._inputs, self._outputs = (
                nested.pack(structure, range(len(ins))),
                nested.pack(outputs, range(len(outs))),
            )
            self._describe(structure, outputs, outs)
            for head in self._heads:
                head.any_size = key is not training
        self.built = True
        if not self.trainable:
            self.trainable = False
        return graph


def _shape(x: Any) -> tuple[int, ...]:
    """The sizes of an array, padded where it is a list of sequences of different lengths."""
    return (len(x), x.steps, *x.shape[2:]) if isinstance(x, Ragged) else ops.plain("x", x).shape


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
