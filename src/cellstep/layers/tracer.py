"""Tracer: runs a function with symbolic tensors, and keeps the graphs that it composes of them.

    traced = tracer.find(who, function, tensors_at, key_at)
    (y,), masks, pullback = traced.graph.apply([x], [None], context)

That is how everything that users write with operators and functions of `cellstep.ops` gets its gradient: the `call` of
models, layers and cells, functions of Lambda, activations and losses. The function is run once for each kind of inputs,
not for each batch; weights that it uses are sources of the graph beside its inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import nested
from .context import tracing
from .graph import Graph
from .names import counting_names
from .symbolic import OPS, Node, SymbolicTensor, with_weights

#: For how many kinds of inputs the graph of a function is kept.
KEPT = 64
#: What tensors leave open, the most first: rows and steps, rows, nothing.
OPENED = (2, 1, 0)
CODE = "is run once with tensors, to see what it computes"


class Traced(NamedTuple):
    """What a function computes: the graph from its tensors to its outputs, flat; and the structure of these, with their
    numbers as leaves."""

    graph: Graph
    outputs: Any


class Argument:
    """What gives a tensor that a function is traced with."""

    def __init__(self, name: str) -> None:
        self.name = name


def argument(name: str, shape: Any, dtype: Any) -> SymbolicTensor:
    """A tensor to trace a function with."""
    giver: Any = Argument(name)
    return SymbolicTensor(tuple(shape), dtype, Node(giver, None), 0)


def opened(shape: Any, dtype: np.dtype[Any], level: int) -> tuple[int | None, ...]:
    """A shape with as many axes open as the level says, rows and steps. Features never are: rows of floats have no
    steps, rows of integers have nothing else."""
    free = OPENED[level]
    if len(shape) < 3 and dtype.kind not in "iu":
        free = min(free, 1)
    return (*(None,) * min(free, len(shape)), *shape[free:])


class Tracer:
    """The graphs of one function.

    Attributes:
        graphs: by what the function was run with. level: how many axes its tensors can leave open, as an index of
            OPENED; where the function has to know how many steps or rows there are, they are not left open.
    """

    def __init__(self) -> None:
        self.graphs: dict[Any, Traced] = {}
        self.level = 0

    def find(
        self,
        who: str,
        function: Callable[[Any], Any],
        tensors_at: Callable[[int], Any],
        key_at: Callable[[int], Any],
        counting: bool = False,
    ) -> Traced:
        """The graph of the function for tensors such as these.

        Args:
            who: what messages call the function.
            tensors_at: a level -> the structure of tensors to call it with. key_at: a level -> what tells the graph
                from others. counting: as in `trace`.

        Raises:
            TypeError: the function asks for values, or gives something else than tensors; or what it raises.
        """
        for level in range(self.level, len(OPENED)):
            key = key_at(level)
            if key in self.graphs:
                return self.graphs[key]
            try:
                graph, outputs = trace(who, function, tensors_at(level), counting)
            except (TypeError, ValueError) as error:
                if level == len(OPENED) - 1 or hasattr(error, "lacks"):
                    raise
                continue
            self.level = level
            traced = self.graphs[key] = Traced(graph, nested.pack(outputs, range(len(graph.outputs))))
            if len(self.graphs) > KEPT:
                del self.graphs[list(self.graphs)[1]]
            return traced
        raise AssertionError

    def of_arrays(self, who: str, function: Callable[[Any], Any], data: Any, fixed: Any = ()) -> Traced:
        """The graph for a structure of arrays such as these; `fixed` is what else the function depends on."""
        leaves = nested.flatten(data)

        def shapes(level: int) -> list[Any]:
            return [opened(a.shape, a.dtype, level) for a in leaves]

        def tensors_at(level: int) -> Any:
            tensors = [argument("x", s, a.dtype) for s, a in zip(shapes(level), leaves, strict=True)]
            return nested.pack(data, tensors)

        kinds = str(nested.pack(data, [a.dtype.char for a in leaves]))
        return self.find(who, function, tensors_at, lambda level: (level, kinds, fixed, *shapes(level)))


def trace(who: str, function: Callable[[Any], Any], tensors: Any, counting: bool = False) -> tuple[Graph, Any]:
    """Run a function on tensors.

    Args:
        who: what messages call it. tensors: a structure of them. counting: whether names of what it makes are counted.

    Returns:
        The graph, and the output tensors as the function returned them.
    """
    inputs = nested.flatten(tensors)
    token = counting_names.set(counting and counting_names.get())
    try:
        with tracing(inputs[0]) as beside:
            outputs = nested.change(function(tensors), with_weights)
    except (TypeError, AttributeError) as error:
        lacks = getattr(error, "lacks", None)
        if isinstance(error, AttributeError) and isinstance(error.obj, SymbolicTensor):
            lacks = f"{error.obj!r} has no attribute {error.name!r}: {OPS}"
        if lacks is None or CODE in lacks:
            raise
        told: Any = TypeError(f"{who} {CODE}, and {lacks}")
        told.lacks = str(told)
        raise told from error
    finally:
        counting_names.reset(token)
    return Graph.of(inputs, checked_tensors(f"what {who} returns", outputs), beside), outputs


def checked_tensors(name: str, structure: Any) -> list[SymbolicTensor]:
    """The tensors in a structure, flat.

    Raises:
        TypeError: something else is in it. ValueError: nothing is.
    """
    leaves = nested.flatten(structure)
    for leaf in leaves:
        if not isinstance(leaf, SymbolicTensor):
            what = leaf.name if hasattr(leaf, "apply") else type(leaf).__name__
            raise TypeError(
                f"{name} must be symbolic tensors, such as Input(...) or what layers give for it, got {what}"
            )
    if not leaves:
        raise ValueError(f"{name} must hold a tensor at least, got none")
    return leaves
