"""What a step makes of its vectors alone, such as the softplus of a time constant: it is made once, when weights are
packed, and steps have it in the place of the vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .graph import Graph
from .operators import OPERATORS

if TYPE_CHECKING:
    from .program import Equations

Array = NDArray[Any]


def evaluate(graph: Graph, wanted: Sequence[int], known: Mapping[int, Array], like: Array) -> list[Any]:
    """The values of nodes from those of others, in NumPy and in the dtype of `like`, whose last axis is units."""
    values: dict[int, Any] = {}
    with np.errstate(all="ignore"):
        for at in graph.below(wanted, known):
            node = graph.nodes[at]
            if at in known:
                values[at] = known[at]
            elif node.op == "constant":
                values[at] = like.dtype.type(node.value)
            elif node.op == "units":
                values[at] = like.dtype.type(like.shape[-1])
            else:
                values[at] = OPERATORS[node.op].function(*(values[a] for a in node.arguments))
    return [values[at] for at in wanted]


class Prepared:
    """Equations in two parts: what is made of vectors alone, and the rest.

    Attributes:
        inner: the rest, as equations of their own; its vectors are what steps take of those that are given.
    """

    def __init__(self, e: Equations) -> None:
        self.graph, self.inner = Graph(e.nodes), e
        self._given = [self.graph.leaf("vector", name) for name in e.vectors]
        self._taken = self._given
        alone = self._made_of_vectors()
        if not alone:
            return
        ends = [*e.outputs, *(at for at, _ in e.made)]
        leaves = [at for at, node in enumerate(e.nodes) if node.op in ("sum", "state")]
        rest = self.graph.below([*leaves, *ends], alone)
        self._taken = [at for at in rest if at in alone or at in self._given]
        names = tuple(str(self.graph.nodes[at].value or f"made {at}") for at in self._taken)
        inner, there = Graph(), {}
        for at in rest:
            node = self.graph.nodes[at]
            if at in self._taken:
                there[at] = inner.leaf("vector", names[self._taken.index(at)])
            elif node.arguments:
                there[at] = inner.add(node.op, *(there[a] for a in node.arguments))
            else:
                there[at] = inner.leaf(node.op, node.value)
        self.inner = replace(
            e,
            nodes=tuple(inner.nodes),
            vectors=names,
            outputs=tuple(there[at] for at in e.outputs),
            made=tuple((there[at], letters) for at, letters in e.made),
        )

    def _made_of_vectors(self) -> set[int]:
        """Nodes for each unit that are made of vectors and numbers alone, with something costly; numbers, no truths."""
        alone: set[int] = set()
        costly: set[int] = set()
        for at, node in enumerate(self.graph.nodes):
            known = node.op in ("vector", "constant") or (node.arguments and alone.issuperset(node.arguments))
            if known and node.op != "total":
                alone.add(at)
                if node.arguments and (OPERATORS[node.op].costly or costly.intersection(node.arguments)):
                    costly.add(at)
        return {at for at in costly if OPERATORS[self.graph.nodes[at].op].slope}

    def values(self, vectors: Sequence[Array]) -> list[Array]:
        """The vectors of `inner` from those that are given."""
        if self._taken is self._given:
            return list(vectors)
        return evaluate(self.graph, self._taken, dict(zip(self._given, vectors, strict=True)), vectors[0])

    def gradients(self, vectors: Sequence[Array], gradients: Sequence[Array]) -> list[Array]:
        """Those of the vectors that are given, from those of the vectors of `inner`."""
        if self._taken is self._given:
            return list(gradients)
        g = Graph(self.graph.nodes)
        known = dict(zip(self._given, vectors, strict=True))
        into = {at: g.leaf("gradient", ("vector", at)) for at in self._taken}
        found = g.pullback(into, self._given)
        known |= dict(zip(into.values(), gradients, strict=True))
        zero = g.constant(0.0)
        values = evaluate(g, [found.get(at, zero) for at in self._given], known, vectors[0])
        return [np.broadcast_to(v, vectors[0].shape) for v in values]
