"""Structure: what a model is made of: layers, weights, tensors, shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..layers import SymbolicTensor, nested
from ..layers.module import Module
from ..layers.operations import Operation
from ..layers.variable import Variable
from .ends import Ends
from .graph import Graph, Step

#: Attributes that hold layers, but not as a subclass's own.
_OWN = ("_parts", "_heads")


class Structure(Ends):
    """A module whose layers are those of a graph, or those in a subclass's attributes."""

    _graph: Graph | None
    #: What a subclass's `call` composes, without and with `training`, and by shapes where it depends on them.
    _graphs: dict[Any, Graph]

    @property
    def parts(self) -> list[Module]:
        if self._graph is not None:
            return self._parts
        found: list[Module] = []
        for key, value in vars(self).items():
            if key not in _OWN and not key.startswith("_cached"):
                found += [m for m in _modules(value) if not any(m is other for other in found)]
        return found

    @property
    def _subclassed(self) -> bool:
        """Whether a subclass says by itself what to compute."""
        return self._by_call or self._by_hand

    def independent_rows(self, training: bool) -> bool:
        """Whether those of all layers are."""
        return all(layer.independent_rows(training) for layer in self.layers)

    def ranked(self) -> list[tuple[Step, int]] | None:
        """The calls of layers, each with the number of axes of its inputs; None where a subclass computes by hand."""
        graph = self._graph or next(iter(self._graphs.values()), None)
        if graph is None:
            return None
        shapes: list[Any] = [head.batch_shape for head in self._heads] or [getattr(self, "_input_shape", None)]
        return [] if None in shapes else graph.ranks(shapes)

    def reach(self, rank: int) -> str:
        """The furthest of the layers."""
        steps = self.ranked()
        found = {"sequence"} if steps is None else {step.layer.reach(n) for step, n in steps}
        return next((reach for reach in ("sequence", "past") if reach in found), "step")

    def skips_padding(self, rank: int) -> bool:
        """Whether all layers do."""
        steps = self.ranked()
        return steps is not None and all(step.layer.skips_padding(n) for step, n in steps)

    @property
    def layers(self) -> list[Any]:
        """The layers, each once; those that give the inputs too, if the model is made of tensors.

        As in Keras, what functions of `cellstep.math` and operators between tensors do is in `operations` alone.
        """
        return [part for part in self.parts if not isinstance(part, Operation)]

    @property
    def operations(self) -> list[Any]:
        """The layers, and the operations between tensors, those that are furthest from the outputs first."""
        return list(self.parts)

    @property
    def weights(self) -> list[Variable]:
        """All weights, each once, in the order in which Keras has them."""
        return list({id(w): w for w in super().weights}.values())

    def _tensors_now(self) -> tuple[list[Any], list[Any]]:
        """Input and output tensors; made again in a copy, or where layers came without any."""
        found: tuple[list[Any], list[Any]] | None = self.__dict__.get("_cached_tensors")
        if found is None:
            graph = self._graph or next(iter(self._graphs.values()), None)
            if graph is None:
                raise ValueError(f"{self.name} has no tensors before it is built: give it an Input, or call it once")
            ins = [head.nodes[0].outputs[0] for head in self._heads]
            found = self._cached_tensors = (ins, graph.reconnect(ins))
        return found

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The input tensors, flat."""
        return self._tensors_now()[0]

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The output tensors, flat."""
        return self._tensors_now()[1]

    @property
    def input(self) -> Any:
        """The input tensors in the structure that was given."""
        return nested.pack(self._inputs, self.inputs)

    @property
    def output(self) -> Any:
        """The output tensors in the structure that was given."""
        return nested.pack(self._outputs, self.outputs)

    @property
    def input_shape(self) -> Any:
        """The shape of the inputs, None for open axes; in the structure of the inputs where there are several."""
        return nested.change(self._inputs, lambda i: self._heads[i].batch_shape) if self._heads else None

    @property
    def output_shape(self) -> Any:
        """The shape of the outputs, likewise; None before the model is built."""
        if self._graph is None:
            return None
        shapes = self._graph.output_shapes([head.batch_shape for head in self._heads])
        return nested.pack(self._outputs, shapes)

    @property
    def output_dtype(self) -> np.dtype[Any]:
        return self.parts[-1].output_dtype if self.parts else self.dtype  # type: ignore[attr-defined]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by name, or by its place in `layers`.

        Raises:
            ValueError: there is no such layer, or not exactly one argument was given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer needs name or index, got " + ("neither" if name is None else "both"))
        layers = self.layers
        for place, layer in enumerate(layers):
            if layer.name == name or place == index:
                return layer
        known = ", ".join(layer.name for layer in layers)
        raise ValueError(f"{self.name} has no layer {name if index is None else index!r}, but {known or 'none'}")


def _modules(value: Any) -> list[Module]:
    """Layers in an attribute, or in lists and dictionaries there."""
    if isinstance(value, Module):
        return [value]
    if isinstance(value, dict):
        return [m for part in value.values() for m in _modules(part)]
    return [m for part in value for m in _modules(part)] if isinstance(value, list | tuple) else []
