"""Importer: goes through the operators of a graph, and makes of each what a model here is made of, or a constant.

Each operator has a function in a file of `operators/`, which takes values and gives values: arrays, and views of
tensors (`views`). Of arrays alone it computes at once, so that what depends on nothing becomes a constant, and a whole
graph of arrays is run by the same functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ... import ops
from ...core import brief
from ...layers import SymbolicTensor
from ...layers.operations import OPERATIONS
from ...layers.sizes import Size
from ...untrusted import FileError
from .reading import GraphFile, Operator, Unsupported, placed
from .sizes import Dim, Undecided, settled
from .views import Spread, Stacked, View, is_array

Rule = Callable[["Importer", Operator], Any]
#: What does each operator: a function of the importer and the node that gives its outputs, one, or a list.
RULES: dict[str, Rule] = {}


def operator(*kinds: str) -> Callable[[Rule], Rule]:
    """A decorator: the function does these operators."""

    def decorator(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return decorator


class Again(BaseException):
    """More is needed of a node than was made of it: its first output, which is to be made in full."""


class Importer:
    """The values of a graph, by name, as far as it was gone through.

    Args:
        graph: what to go through. values: those of its inputs.
        moves: an axis that is put first, by names of outputs.
        full: outputs of recurrent nodes of which all steps are needed, as far as that is known.
        weighted: whether layers get their weights, and not only are held against them.
    """

    def __init__(
        self, graph: GraphFile, values: dict[str, Any], full: Any = (), moves: Any = (), weighted: bool = True
    ) -> None:
        self.graph, self.full, self.moves, self.weighted = graph, set(full), dict(moves), weighted
        self.values: dict[str, Any] = {**graph.constants, **values}
        self._count = 0

    def run(self) -> list[Any]:
        """Go through all of it; gives the values of its outputs: arrays, and tensors.

        Raises:
            FileError: an operator that is not built, or does not make sense.
        """
        first = [node for node in self.graph.operators if node.kind == "Constant"]
        for node in [*first, *self.graph.operators]:
            if any(name in self.values for name in node.outputs):  # done along with another
                continue
            if node.kind not in RULES:
                raise FileError(self.graph.file, node.place, f"the operator {node.kind:.100} is not built")
            with placed(self.graph.file, node.place):
                given = RULES[node.kind](self, node)
                if node.unseen():
                    raise Unsupported(f"attribute {brief(node.unseen()[0])} of {node.kind} is not built")
                outputs = given if isinstance(given, list) else [given]
                for name, value in zip(node.outputs, outputs, strict=False):
                    if name and name not in self.values:
                        self.values[name] = value
                        if is_array(value) and value.base is None:  # kept as long as the graph
                            self.take(value.shape, value)
                for name in node.outputs[len(outputs) :]:
                    if name and name not in self.values and self.used(name):
                        raise Unsupported(f"output {brief(name)} is not built")
        return [self.output(name, dtype) for name, dtype in self.graph.outputs.items()]

    def output(self, name: str, dtype: Any) -> Any:
        """A value as the graph gives it."""
        with placed(self.graph.file, f"output {brief(name)}"):
            value = self.values[name]
            if self.moves.get(name):
                value = self.view(value)
                value = value.seen([value.groups[i] for i in first(value.ndim, self.moves[name])])
            value = self.tensor(value)
            return value if dtype is None or value.dtype == dtype else self.apply("Cast", value, dtype=str(dtype))

    # Values of a node's inputs

    def value(self, node: Operator, i: int) -> Any:
        """Input number i."""
        if not node.has(i):
            raise Unsupported(f"expected an input number {i}, got {len(node.inputs)}")
        return self.values[node.inputs[i]]

    def maybe(self, node: Operator, i: int) -> Any:
        """Input number i, or None where it is left out."""
        return self.values[node.inputs[i]] if node.has(i) else None

    def array(self, node: Operator, i: int, what: str) -> np.ndarray[Any, Any]:
        """Input number i, which has to be a constant."""
        value = self.value(node, i)
        if not is_array(value) or value.dtype == object:
            raise Unsupported(f"{what} must be constant, got one that is computed when the model runs")
        return np.asarray(value)

    def integers(self, node: Operator, i: int, what: str, attribute: str = "") -> list[Any] | None:
        """Integers, and sizes among them, from input number i, or of older versions from an attribute; None where there
        are none."""
        given = node.attribute(attribute)
        if given is not None:
            return list(given)
        if not node.has(i):
            return None
        value = self.value(node, i)
        if not is_array(value):
            raise Unsupported(f"{what} must be constant, got integers that are computed when the model runs")
        return [n if isinstance(n, Dim) else int(n) for n in np.asarray(value).reshape(-1)]

    # Making values

    def dims(self, value: Any) -> list[Any]:
        """The sizes of a value."""
        return list(value.shape) if is_array(value) else list(value.dims)

    def ndim(self, value: Any) -> int:
        return len(self.dims(value))

    def tensor(self, value: Any) -> Any:
        """A value as a tensor, or an array."""
        if isinstance(value, View):
            return value.tensor(self.apply)
        if isinstance(value, Stacked):
            return self.apply("Stack", [self.tensor(item) for item in value.items], axis=value.axis)
        if isinstance(value, Spread):
            return self._spread(value)
        if is_array(value) and value.dtype == object:
            raise Unsupported("a size of an open axis is not built as a value of a model")
        return value

    def _spread(self, value: Spread) -> Any:
        """An array, broadcast; where each open axis is one of a tensor, by adding zeros of that size, as sizes that are
        computed cannot be saved."""
        sizes = [n.size() if isinstance(n, Dim) else n for n in value.dims]
        axes = [size.of_axis() for size in sizes if isinstance(size, Size)]
        if not all(axes) or value.dtype.kind == "b":
            return self.apply("BroadcastTo", value.array, shape=sizes)
        y: Any = np.broadcast_to(value.array, [1 if isinstance(n, Size) else n for n in sizes])
        for axis, size in enumerate(sizes):
            if isinstance(size, Size):
                tensor, place = size.of_axis()
                row = tensor[tuple(slice(None) if i == place else 0 for i in range(tensor.ndim))]
                zeros = ops.zeros_like(row, dtype=str(value.dtype))
                others = [i for i in range(len(sizes)) if i != axis]
                y = (ops.expand_dims(zeros, others) if others else zeros) + y
        return y

    def view(self, value: Any) -> Any:
        """A value as a view, or an array."""
        if isinstance(value, View) or is_array(value):
            return value
        made = self.tensor(value)
        return made if is_array(made) else View.of(made, value.dims)

    def wrap(self, y: Any, dims: Sequence[Any] | None = None) -> Any:
        """A tensor as a view, with sizes of its open axes as far as they are known; an array as it is."""
        if not isinstance(y, SymbolicTensor):
            return y
        known = dims if dims is not None and len(dims) == y.ndim else [None] * y.ndim
        self._count += 1
        return View.of(y, [self._dim(y, i, n, dim) for i, (n, dim) in enumerate(zip(y.open_shape, known, strict=True))])

    def _dim(self, y: Any, axis: int, size: Any, known: Any) -> Any:
        if size is not None:
            return size
        if isinstance(known, Dim):
            return known
        return Dim.atom(f"t{self._count}.{axis}", lambda: ops.shape(y)[axis])

    def apply(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Do an operation of `cellstep.ops` on tensors and arrays, by its name in the table."""
        if all(is_array(a) for a in arguments) and arguments:
            self.check_size(name, arguments, options)
        return getattr(ops, OPERATIONS[name].function)(*arguments, **options)

    def do(self, name: str, *values: Any, dims: Sequence[Any] | None = None, **options: Any) -> Any:
        """Likewise, on values, and a value comes out."""
        return self.wrap(self.apply(name, *[self.tensor(v) for v in values], **options), dims)

    def check_size(self, name: str, arguments: Sequence[Any], options: dict[str, Any]) -> None:
        """FileError before constants are made that are larger than the file allows."""
        shapes = [np.shape(a) for a in arguments]
        if name == "Matmul" and all(len(s) > 1 for s in shapes):
            self.take([*np.broadcast_shapes(*(s[:-2] for s in shapes)), shapes[0][-2], shapes[1][-1]], arguments[0])
        elif name in ("BroadcastTo", "Reshape"):
            self.take(options.get("shape") or (), arguments[0])
        elif len(shapes) > 1:
            sizes: Any = ()
            with suppress(ValueError):  # no operation that broadcasts, or one that says so itself
                sizes = np.broadcast_shapes(*shapes)
            self.take(sizes, arguments[0])

    def take(self, sizes: Sequence[Any], like: Any) -> None:
        """FileError where an array of these sizes would be too large."""
        number = math.prod(n for n in sizes if not isinstance(n, Dim)) * np.asarray(like).dtype.itemsize
        if number > 2**16:
            self.graph.limit.take(f"an array of shape {brief(tuple(sizes))}", number)

    def give(self, layer: Any, weights: Sequence[Any]) -> None:
        """Set the weights of a layer that was made."""
        if self.weighted:
            layer.set_weights(weights)
        else:
            for weight, array in zip(layer.weights, weights, strict=True):
                weight.cast(array)

    # Operators that are done along with others

    def used(self, name: str) -> bool:
        """Whether anything needs a value."""
        return name in self.graph.outputs or name in self.graph.users

    def follower(self, name: str, *kinds: str) -> Operator | None:
        """The one node that takes a value, where nothing else does, and its operator is one of these."""
        users = self.graph.users.get(name, [])
        if name in self.graph.outputs or len(users) != 1 or users[0].kind not in kinds:
            return None
        return users[0]


def first(rank: int, axis: int) -> list[int]:
    """The order of axes that puts one first."""
    return [axis, *(i for i in range(rank) if i != axis)]


def on_sizes(function: Callable[..., Any], *arrays: Any) -> np.ndarray[Any, Any]:
    """Do something to arrays of sizes with NumPy."""
    try:
        return settled(np.asarray(function(*arrays)))
    except Undecided as error:
        raise Unsupported(str(error)) from error


def has_sizes(*values: Any) -> bool:
    return any(is_array(v) and v.dtype == object for v in values)
