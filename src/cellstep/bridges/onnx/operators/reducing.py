"""Operators along axes: sums, means, the largest; softmax; products of arrays that are not weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .... import layers, ops
from ..importer import Importer, has_sizes, on_sizes, operator
from ..reading import Operator, Unsupported
from ..sizes import Dim
from ..views import View, is_array
from .elementwise import activated, unary
from .shapes import axes_of, axis_of, reshaped

_REDUCED: dict[str, Callable[..., Any]] = {
    "ReduceSum": ops.sum,
    "ReduceMean": ops.mean,
    "ReduceMax": ops.max,
    "ReduceMin": ops.min,
    "ReduceProd": ops.prod,
    "ReduceL1": lambda x, **o: ops.sum(ops.abs(x), **o),
    "ReduceL2": lambda x, **o: ops.sqrt(ops.sum(ops.square(x), **o)),
    "ReduceSumSquare": lambda x, **o: ops.sum(ops.square(x), **o),
    "ReduceLogSum": lambda x, **o: ops.log(ops.sum(x, **o)),
    "ReduceLogSumExp": lambda x, **o: ops.logsumexp(x, **o),
}


@operator(*_REDUCED)
def _reduce(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    axes, keep = axes_of(g, node, g.ndim(x)), bool(node.attribute("keepdims", 1))
    nothing = bool(node.attribute("noop_with_empty_axes", 0))
    if has_sizes(x):
        if node.kind != "ReduceProd":
            raise Unsupported("a size of an open axis is not built here")
        return on_sizes(lambda a: np.prod(a, keepdims=keep), x)
    if not axes:
        if nothing:
            return unary(g, x, lambda t: _REDUCED[node.kind](t, axis=()))
        axes = list(range(g.ndim(x)))
    return reduced(g, x, axes, keep, _REDUCED[node.kind])


def reduced(g: Importer, x: Any, axes: list[int], keep: bool, function: Callable[..., Any]) -> Any:
    """A function along axes."""
    dtype = x.dtype
    if not is_array(x):
        x = g.view(x)
        places = [x.place(a) for a in axes]
        others = [i for i in range(x.ndim) if i not in axes]
        if len(places) == 1 and places[0] is not None and all(x.place(i) is not None for i in others):
            y = function(x.base, axis=places[0], keepdims=False)
            view = x.without(axes[0], y)
            return reshaped(g, view, [1 if i in axes else n for i, n in enumerate(x.dims)]) if keep else view
    dims = [1 if i in axes else n for i, n in enumerate(g.dims(x)) if keep or i not in axes]
    if is_array(x) and x.size == 0:
        y = function(x.astype(np.float64) if dtype.kind == "f" else x, axis=tuple(axes), keepdims=keep)
    else:
        y = function(g.tensor(x), axis=axes, keepdims=keep)
    y = y if y.dtype == dtype or y.dtype.kind != dtype.kind else g.apply("Cast", y, dtype=str(dtype))
    return g.wrap(y, dims)


@operator("ArgMax", "ArgMin")
def _argmax(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    axis = axis_of(node.attribute("axis", 0), g.ndim(x))
    find = ops.argmax if node.kind == "ArgMax" else ops.argmin
    last = bool(node.attribute("select_last_index", 0))

    def places(t: Any, axis: Any, keepdims: bool) -> Any:
        axis = axis[0] if isinstance(axis, list) else axis
        if last:
            size = t.shape[axis]
            if size is None:
                raise Unsupported("select_last_index over an open axis is not built")
            found = np.asarray(size - 1, np.int64) - find(ops.flip(t, axis=axis), axis=axis, keepdims=keepdims)
        else:
            found = find(t, axis=axis, keepdims=keepdims)
        return ops.cast(found, "int64")

    return reduced(g, x, [axis], bool(node.attribute("keepdims", 1)), places)


@operator("Softmax", "LogSoftmax", "Hardmax")
def _softmax(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    dims, whole = g.dims(x), node.version >= 13
    axis = axis_of(node.attribute("axis", -1 if whole else 1), len(dims))
    if not whole and axis != len(dims) - 1:  # over all axes from there on
        rest: Any = np.prod([n for n in dims[axis:] if not isinstance(n, Dim)], dtype=int)
        if any(isinstance(n, Dim) for n in dims[axis:]):
            raise Unsupported("a softmax over several axes of open sizes is not built")
        flat = _soft(g, node.kind, reshaped(g, x, [*dims[:axis], int(rest)]), axis)
        return reshaped(g, flat, dims)
    return _soft(g, node.kind, x, axis)


def _soft(g: Importer, kind: str, x: Any, axis: int) -> Any:
    if kind == "Hardmax":
        size = g.dims(x)[axis]
        if isinstance(size, Dim):
            raise Unsupported("Hardmax over an open axis is not built")
        places = ops.argmax(g.tensor(x), axis=axis)
        return g.wrap(ops.one_hot(places, size, axis=axis, dtype=str(x.dtype)), g.dims(x))
    name = "softmax" if kind == "Softmax" else "log_softmax"
    function = ops.softmax if kind == "Softmax" else ops.log_softmax
    if isinstance(x, View) and axis == x.ndim - 1 and x.last_is_last and x.base.ndim > 1:
        return activated(g, x, lambda: layers.Activation(name, dtype=str(x.dtype)), function)
    place = x.place(axis) if isinstance(x, View) else None
    if isinstance(x, View) and place is not None:
        return x.over(function(x.base, axis=place))
    return g.wrap(function(g.tensor(x), axis=axis), g.dims(x))


@operator("CumSum")
def _cumsum(g: Importer, node: Operator) -> Any:
    x, axis = g.value(node, 0), int(g.array(node, 1, "the axis").reshape(-1)[0])
    axis = axis_of(axis, g.ndim(x))
    tensor = g.tensor(x)
    reverse = bool(node.attribute("reverse", 0))
    flipped = ops.flip(tensor, axis=axis) if reverse else tensor
    total = ops.cumsum(flipped, axis=axis)
    if node.attribute("exclusive", 0):
        total = total - flipped
    total = ops.flip(total, axis=axis) if reverse else total
    total = total if total.dtype == x.dtype else ops.cast(total, str(x.dtype))
    return g.wrap(total, g.dims(x))


@operator("TopK")
def _top_k(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    axis, k = axis_of(node.attribute("axis", -1), g.ndim(x)), int(g.array(node, 1, "k").reshape(-1)[0])
    if not node.attribute("largest", 1) or axis != g.ndim(x) - 1:
        raise Unsupported("expected the largest of the last axis")
    values, places = ops.top_k(g.tensor(x), k=k, sorted=True)
    return [g.wrap(values), g.wrap(ops.cast(places, "int64"))]


@operator("Einsum")
def _einsum(g: Importer, node: Operator) -> Any:
    values = [g.tensor(g.value(node, i)) for i in range(len(node.inputs))]
    equation = node.attribute("equation", "").replace(" ", "")
    if all(map(is_array, values)) and len(equation) < 100:
        letters = equation.split("->")[0].split(",")
        known = {c: n for term, v in zip(letters, values, strict=False) for c, n in zip(term, v.shape, strict=False)}
        g.take([known.get(c, 1) for c in equation.partition("->")[2]], values[0])
    return g.wrap(ops.einsum(equation, *values))
