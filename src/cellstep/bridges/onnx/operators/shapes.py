"""Operators of shapes, and those that turn, cut and join axes without computing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import ops
from ....layers.sizes import Size
from ..importer import Importer, has_sizes, on_sizes, operator
from ..reading import DTYPES, Operator, Unsupported
from ..sizes import Dim, divided, product, same, vector
from ..views import Spread, Stacked, View, is_array, open_shape


@operator("Constant")
def _constant(g: Importer, node: Operator) -> Any:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if name in node.attributes:
            kind = {"value_float": np.float32, "value_floats": np.float32, "value": None}.get(name, np.int64)
            return np.asarray(node.attribute(name), kind)
    raise Unsupported(f"expected a tensor or numbers, got attributes {', '.join(node.attributes) or 'none'}")


@operator("Shape")
def _shape(g: Importer, node: Operator) -> Any:
    dims = g.dims(g.value(node, 0))
    start, end = node.attribute("start", 0), node.attribute("end")
    return vector(dims[slice(start, end)])


@operator("Size")
def _size(g: Importer, node: Operator) -> Any:
    return vector([product(g.dims(g.value(node, 0)))]).reshape(())


@operator("ConstantOfShape")
def _constant_of_shape(g: Importer, node: Operator) -> Any:
    value = np.asarray(node.attribute("value", np.zeros(1, np.float32))).reshape(())
    return spread(g, value, g.integers(node, 0, "the shape") or [])


def spread(g: Importer, array: Any, sizes: list[Any]) -> Any:
    """An array, broadcast to sizes."""
    if any(isinstance(n, Dim) for n in sizes):
        return Spread(array, sizes)
    g.take(sizes, array)
    return np.array(np.broadcast_to(array, [int(n) for n in sizes]))


@operator("Expand")
def _expand(g: Importer, node: Operator) -> Any:
    value, target = g.value(node, 0), g.integers(node, 1, "the shape") or []
    dims = g.dims(value)
    rank = max(len(dims), len(target))
    dims, target = [1] * (rank - len(dims)) + dims, [1] * (rank - len(target)) + target
    pairs = zip(dims, target, strict=True)
    sizes = [b if not isinstance(a, Dim) and a == 1 else a for a, b in pairs]
    if isinstance(value, Spread):
        return Spread(value.array, sizes)
    if is_array(value):
        return spread(g, value, sizes)
    if all(same(a, b) for a, b in zip(dims, sizes, strict=True)) and len(dims) == g.ndim(value):
        return value
    return g.do("BroadcastTo", value, shape=[n.size() if isinstance(n, Dim) else n for n in sizes], dims=sizes)


@operator("Transpose")
def _transpose(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    order = [int(a) for a in node.attribute("perm") or reversed(range(g.ndim(x)))]
    if sorted(order) != list(range(g.ndim(x))):
        raise Unsupported(f"perm must name each of {g.ndim(x)} axes once, got {order}")
    if is_array(x):
        return np.transpose(x, order)
    if isinstance(x, Spread):
        full = x.array.reshape((1,) * (len(x.dims) - x.array.ndim) + x.array.shape)
        return Spread(full.transpose(order), [x.dims[a] for a in order])
    x = g.view(x)
    return x.seen([x.groups[a] for a in order])


def axes_of(g: Importer, node: Operator, rank: int, i: int = 1) -> list[int] | None:
    """The axes that a node names, counted from the front."""
    axes = g.integers(node, i, "the axes", "axes")
    if axes is None:
        return None
    return [axis_of(a, rank) for a in axes]


def axis_of(axis: Any, rank: int) -> int:
    if isinstance(axis, Dim) or not -rank <= axis < rank:
        raise Unsupported(f"expected an axis of {rank}, got {axis}")
    return int(axis) % rank


@operator("Squeeze")
def _squeeze(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    dims = g.dims(x)
    axes = axes_of(g, node, len(dims))
    if axes is None:
        axes = [i for i, n in enumerate(dims) if not isinstance(n, Dim) and n == 1]
    if any(not isinstance(dims[a], Dim) and dims[a] != 1 for a in axes):
        raise Unsupported(f"expected axes of size 1, got {axes} of {dims}")
    if any(isinstance(dims[a], Dim) for a in axes):
        return g.do("Squeeze", x, axis=axes)
    return reshaped(g, x, [n for i, n in enumerate(dims) if i not in axes])


@operator("Unsqueeze")
def _unsqueeze(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    count = len(g.integers(node, 1, "the axes", "axes") or [])
    rank = g.ndim(x) + count
    axes = axes_of(g, node, rank) or []
    if len(set(axes)) < count:
        raise Unsupported(f"expected each axis once, got {axes}")
    rest = iter(g.dims(x))
    return reshaped(g, x, [1 if i in axes else next(rest) for i in range(rank)])


@operator("Flatten")
def _flatten(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    dims = g.dims(x)
    axis = node.attribute("axis", 1)
    axis = axis + len(dims) if axis < 0 else axis
    return reshaped(g, x, [product(dims[:axis]), product(dims[axis:])])


@operator("Reshape")
def _reshape(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    target = g.integers(node, 1, "the shape", "shape") or []
    dims = g.dims(x)
    if not node.attribute("allowzero", 0):
        if any(not isinstance(n, Dim) and n == 0 and i >= len(dims) for i, n in enumerate(target)):
            raise Unsupported(f"a 0 in the shape stands for a size that is there, got {target} for {dims}")
        target = [dims[i] if not isinstance(n, Dim) and n == 0 else n for i, n in enumerate(target)]
    if sum(not isinstance(n, Dim) and n < 0 for n in target) > 1:
        raise Unsupported(f"expected one size of -1 at most, got {target}")
    return reshaped(g, x, target)


def reshaped(g: Importer, x: Any, sizes: list[Any]) -> Any:
    """Entries in their order with axes of these sizes; -1 for what is left."""
    open_at = next((i for i, n in enumerate(sizes) if not isinstance(n, Dim) and n == -1), None)
    if is_array(x):
        if any(isinstance(n, Dim) for n in sizes):
            raise Unsupported("a constant cannot have axes of the size of an open axis")
        return x.reshape([int(n) for n in sizes])
    if open_at is not None:
        rest = product(n for i, n in enumerate(sizes) if i != open_at)
        left = divided(product(g.dims(x)), rest)
        if left is not None:
            sizes = [left if i == open_at else n for i, n in enumerate(sizes)]
            open_at = None
    if isinstance(x, Spread) and open_at is None and x.array.size == 1:
        return Spread(x.array.reshape(()), sizes)
    if isinstance(x, Stacked) and x.axis == 0 and len(sizes) and same(sizes[0], len(x.items)):
        inner = [reshaped(g, item, sizes[1:]) for item in x.items]
        return Stacked(0, inner)
    x = g.view(x)
    for wanted in (sizes, _as_given(g.dims(x), sizes)):
        if not any(not isinstance(n, Dim) and n == -1 for n in wanted) and (seen := x.reshaped(wanted)) is not None:
            return seen
    shape = open_shape(sizes) if open_at is None else [n.size() if isinstance(n, Dim) else n for n in sizes]
    return g.do("Reshape", x, newshape=shape, dims=[None if i == open_at else n for i, n in enumerate(sizes)])


def _as_given(dims: list[Any], sizes: list[Any]) -> list[Any]:
    """Sizes with those of open axes in the place of numbers, as exporters write a size that they saw in an example."""
    pairs = zip(dims, sizes, strict=False)
    wanted = [a if isinstance(a, Dim) and not isinstance(b, Dim) and b > 1 else b for a, b in pairs]
    wanted += sizes[len(wanted) :]
    at = [i for i, n in enumerate(wanted) if not isinstance(n, Dim) and n == -1]
    if at:
        left = divided(product(dims), product(n for i, n in enumerate(wanted) if i != at[0]))
        return wanted if left is None else [left if i == at[0] else n for i, n in enumerate(wanted)]
    return wanted


@operator("Concat")
def _concat(g: Importer, node: Operator) -> Any:
    values = [g.value(node, i) for i in range(len(node.inputs))]
    return concatenated(g, values, axis_of(node.attribute("axis", 1), g.ndim(values[0])))


def concatenated(g: Importer, values: list[Any], axis: int) -> Any:
    """Values one after another along an axis."""
    if all(map(is_array, values)):
        g.take([sum(v.size for v in values)], values[0])
    if has_sizes(*values):
        return on_sizes(lambda *a: np.concatenate([np.asarray(v, object) for v in a], axis), *values)
    if all(map(is_array, values)):
        return np.concatenate(values, axis)
    if len(values) == 1:
        return values[0]
    pieces = [item for v in values for item in unstacked(v, axis)]
    if all(piece is not None for piece in pieces):
        return Stacked(axis, pieces)
    views = [g.view(v) for v in values]
    sums = [sum((v[axis] for v in map(g.dims, views)), start=0)]
    dims = [*g.dims(views[0])[:axis], *sums, *g.dims(views[0])[axis + 1 :]]
    return g.wrap(g.apply("Concatenate", [g.tensor(v) for v in views], axis=axis), dims)


def unstacked(value: Any, axis: int) -> list[Any]:
    """What lies along an axis of a value; [None] where that is not known."""
    if isinstance(value, Stacked) and value.axis == axis:
        return value.items
    if isinstance(value, View) and not value.groups[axis] and value.ndim > 2:
        return [value.seen([group for i, group in enumerate(value.groups) if i != axis])]
    return [None]


@operator("Range")
def _range(g: Importer, node: Operator) -> Any:
    values = [g.value(node, i) for i in range(3)]
    if has_sizes(*values):
        start, limit, delta = (np.asarray(v).reshape(-1)[0] for v in values)
        size = limit.size() if isinstance(limit, Dim) else None
        if isinstance(size, Size) and size.of_axis() and (start, delta) == (0, 1):
            tensor, axis = size.of_axis()
            return g.wrap(places(tensor, axis, "int64"), [limit])
        ends = [n.size() if isinstance(n, Dim) else int(n) for n in (start, limit, delta)]
        y = g.apply("Arange", start=ends[0], stop=ends[1], step=ends[2], dtype="int64")
        known = limit if isinstance(start, int | np.integer) and start == 0 and delta == 1 else None
        return g.wrap(y, [known])
    arrays = [g.array(node, i, "the numbers") for i in range(3)]
    start, limit, delta = (a.reshape(()) for a in arrays)
    if delta == 0:
        raise Unsupported("delta must not be 0")
    g.take([max(0, int(np.ceil((limit - start) / delta)))], start)
    numbers: Any = (start.item(), limit.item(), delta.item())
    return np.arange(*numbers, dtype=start.dtype)


def places(x: Any, axis: int, dtype: str) -> Any:
    """0, 1, and so on: the places along an axis of a tensor."""
    key = tuple(slice(None) if i == axis else 0 for i in range(x.ndim))
    ones = ops.ones_like(x[key], dtype=dtype)
    return ops.cumsum(ones, axis=0) - np.asarray(1, dtype)


@operator("EyeLike")
def _eye_like(g: Importer, node: Operator) -> Any:
    x = g.array(node, 0, "the input")
    dtype = DTYPES.get(node.attribute("dtype", 0), str(x.dtype))
    rows, columns = x.shape
    return np.eye(rows, columns, node.attribute("k", 0)).astype(dtype)
