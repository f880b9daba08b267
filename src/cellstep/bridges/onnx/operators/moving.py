"""Operators that take parts of values, and put some together."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import layers, ops
from ..importer import Importer, has_sizes, on_sizes, operator
from ..reading import Operator, Unsupported
from ..sizes import Dim, same
from ..views import Factor, Pending, Spread, Stacked, View, is_array
from .shapes import axis_of, reshaped, spread


def select(g: Importer, x: Any, axis: int, index: int) -> Any:
    """The entry at one place of an axis, without that axis."""
    if is_array(x):
        return np.take(x, index, axis)
    if isinstance(x, Stacked) and x.axis == axis:
        return x.items[index]
    if isinstance(x, Spread):
        full = x.array.reshape((1,) * (len(x.dims) - x.array.ndim) + x.array.shape)
        part = full.take(0 if full.shape[axis] == 1 else index, axis)
        return Spread(part, [n for i, n in enumerate(x.dims) if i != axis])
    x = g.view(x)
    if not x.groups[axis]:
        return x.seen([group for i, group in enumerate(x.groups) if i != axis])
    if isinstance(x, Pending) and x.groups[axis] == (x.time,) and (index == -1 or same(index + 1, x.time.size)):
        return x.last(axis)
    if not -_most(x.dims[axis], index) <= index < _most(x.dims[axis], index):
        raise Unsupported(f"indices must be within {x.dims[axis]}, got {index}")
    place = x.place(axis)
    if place is not None:
        return x.without(axis, g.apply("GetItem", x.base, _key(x.base.ndim, place, index)))
    if (cut := x.part(axis, index)) is not None:
        base = g.apply("GetItem", x.base, _key(x.base.ndim, *cut))
        factors = [f for f in x.factors if f not in x.groups[axis]]
        return View(base, factors, [group for i, group in enumerate(x.groups) if i != axis])
    dims = x.dims
    part = g.apply("GetItem", g.tensor(x), _key(len(dims), axis, index))
    return g.wrap(part, [n for i, n in enumerate(dims) if i != axis])


def _most(size: Any, index: int) -> int:
    return abs(index) + 1 if isinstance(size, Dim) else int(size)


def _key(rank: int, axis: int, part: Any) -> tuple[Any, ...]:
    key: list[Any] = [slice(None)] * rank
    key[axis] = part
    return tuple(key)


@operator("Gather")
def _gather(g: Importer, node: Operator) -> Any:
    x, indices = g.value(node, 0), g.value(node, 1)
    axis = axis_of(node.attribute("axis", 0), g.ndim(x))
    if is_array(x) and is_array(indices):
        if has_sizes(indices):
            raise Unsupported("indices must be constant")
        _in_range(indices, x.shape[axis])
        g.take([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]], x)
        y = np.take(x, indices, axis)
        return on_sizes(lambda a: a, np.asarray(y, object)) if has_sizes(x) else y
    if is_array(indices):
        size = g.dims(x)[axis]
        if not isinstance(size, Dim):
            _in_range(indices, size)
        if indices.ndim == 0:
            return select(g, x, axis, int(indices))
        if indices.size == 1:
            part = select(g, x, axis, int(indices.reshape(())))
            dims = g.dims(part)
            return reshaped(g, part, [*dims[:axis], *indices.shape, *dims[axis:]])
    if is_array(x) and x.ndim == 2 and axis == 0 and str(x.dtype) in ("float32", "float64"):
        return _embedded(g, x, g.view(indices))
    dims = g.dims(x)
    return g.do("Take", x, indices, axis=axis, dims=[*dims[:axis], *g.dims(indices), *dims[axis + 1 :]])


def _embedded(g: Importer, table: Any, ids: View) -> View:
    """The rows of a table for integers."""
    layer = layers.Embedding(*table.shape, dtype=str(table.dtype))
    y = layer(ids.base)
    g.give(layer, [table])
    last = Factor(y.ndim - 1, table.shape[1])
    new = [last] if table.shape[1] != 1 else []
    return View(y, [*ids.factors, *new], [*ids.groups, new])


def _in_range(indices: Any, size: int) -> None:
    if indices.size and not (-size <= indices.min() and indices.max() < size):
        raise Unsupported(f"indices must be from {-size} to {size - 1}, got {indices.min()} to {indices.max()}")


@operator("GatherElements")
def _gather_elements(g: Importer, node: Operator) -> Any:
    x, indices = g.value(node, 0), g.value(node, 1)
    axis = axis_of(node.attribute("axis", 0), g.ndim(x))
    return g.do("TakeAlongAxis", x, indices, axis=axis, dims=g.dims(indices))


@operator("Slice")
def _slice(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    dims = g.dims(x)
    starts = g.integers(node, 1, "the starts", "starts") or []
    ends = g.integers(node, 2, "the ends", "ends") or []
    axes = g.integers(node, 3, "the axes", "axes")
    steps = g.integers(node, 4, "the steps") or [1] * len(starts)
    axes = list(range(len(starts))) if axes is None else [axis_of(a, len(dims)) for a in axes]
    if not len(starts) == len(ends) == len(axes) == len(steps) or len(set(axes)) < len(axes) or 0 in steps:
        raise Unsupported(f"expected a start, an end, and a step other than 0 for each axis, got {starts}, {ends}")
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        x = sliced(g, x, axis, start, end, step)
    return x


def sliced(g: Importer, x: Any, axis: int, start: Any, end: Any, step: Any) -> Any:
    """A part of one axis, as NumPy's slices are but that a negative end below the size is one before the first."""
    size = g.dims(x)[axis]
    if isinstance(step, Dim):
        raise Unsupported("steps must be constant")
    if (step < 0 and not isinstance(end, Dim) and not isinstance(size, Dim) and end < -size) or (
        step < 0 and isinstance(size, Dim) and not isinstance(end, Dim) and end < -(2**31) + 2
    ):
        end = None
    if isinstance(end, Dim) and same(end, size) and step > 0:
        end = None
    if not isinstance(end, Dim) and end is not None and end >= 2**31 - 1:
        end = None
    start = start if isinstance(start, Dim) else max(start, -(2**62))
    part = slice(*(n.size() if isinstance(n, Dim) else n for n in (start, end, step)))
    if is_array(x):
        if isinstance(start, Dim) or isinstance(end, Dim):
            raise Unsupported("a part of a constant of the size of an open axis is not built")
        y = x[_key(x.ndim, axis, part)]
        return on_sizes(lambda a: a, y) if has_sizes(x) else y
    known = not (isinstance(start, Dim) or isinstance(end, Dim) or isinstance(size, Dim))
    left: Any = len(range(*part.indices(size))) if known else None
    if left is None and end is None and step == 1 and not isinstance(start, Dim) and start == 0:
        return x
    if end is None and step == 1 and not isinstance(start, Dim) and start == -1:
        part_of = select(g, x, axis, -1)  # the last one
        dims = g.dims(part_of)
        return reshaped(g, part_of, [*dims[:axis], 1, *dims[axis:]])
    if left is not None and same(left, size) and step == 1:
        return x
    if left == 1 and (not isinstance(x, View) or x.place(axis) is None):
        first = part.indices(size)[0]
        part_of = select(g, x, axis, first)
        dims = g.dims(part_of)
        return reshaped(g, part_of, [*dims[:axis], 1, *dims[axis:]])
    if isinstance(x, Stacked) and x.axis == axis and left:
        return Stacked(axis, x.items[part])
    if isinstance(x, Spread):
        full = x.array.reshape((1,) * (len(x.dims) - x.array.ndim) + x.array.shape)
        if left is not None:
            array = full if full.shape[axis] == 1 else full[_key(full.ndim, axis, part)]
            return spread(g, array, [left if i == axis else n for i, n in enumerate(x.dims)])
    x = g.view(x)
    place = x.place(axis)
    if place is not None:
        base = g.apply("GetItem", x.base, _key(x.base.ndim, place, part))
        return x.with_size(axis, base, left if left is not None else _size_of(g, base, place))
    dims = x.dims
    y = g.apply("GetItem", g.tensor(x), _key(len(dims), axis, part))
    return g.wrap(y, [left if i == axis else n for i, n in enumerate(dims)])


def _size_of(g: Importer, base: Any, axis: int) -> Any:
    made = g.wrap(base).dims[axis]
    return made


@operator("Split")
def _split(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    axis = axis_of(node.attribute("axis", 0), g.ndim(x))
    size, sizes = g.dims(x)[axis], g.integers(node, 1, "the sizes", "split")
    if node.attribute("num_outputs", len(node.outputs)) != len(node.outputs):
        raise Unsupported(f"num_outputs must be the number of outputs, {len(node.outputs)}")
    if sizes is None:
        count = len(node.outputs)
        if isinstance(size, Dim):
            return [g.wrap(y) for y in g.apply("Split", g.tensor(x), indices_or_sections=count, axis=axis)]
        part = -(-size // count)
        sizes = [min(part, size - i * part) for i in range(count)]
    if any(isinstance(n, Dim) for n in sizes) or sum(sizes) != size or len(sizes) != len(node.outputs):
        raise Unsupported(f"expected sizes that add up to {size}, one for each output, got {sizes}")
    ends = np.cumsum(sizes)
    return [sliced(g, x, axis, int(end - n), int(end), 1) for n, end in zip(sizes, ends, strict=True)]


@operator("Pad")
def _pad(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    mode, rank = node.attribute("mode", "constant"), g.ndim(x)
    pads = g.integers(node, 1, "the pads", "pads") or []
    axes = g.integers(node, 3, "the axes")
    axes = list(range(rank)) if axes is None else [axis_of(a, rank) for a in axes]
    if len(pads) != 2 * len(axes) or any(isinstance(n, Dim) for n in pads):
        raise Unsupported(f"expected two pads for each axis, got {pads}")
    value = node.attribute("value", 0.0)
    if node.has(2):
        value = g.array(node, 2, "the value").reshape(-1)[:1].sum()
    widths = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        widths[axis] = (pads[i], pads[i + len(axes)])
    for axis, width in enumerate(widths):
        cut = [max(0, -n) for n in width]
        if any(cut):
            x = sliced(g, x, axis, cut[0], -cut[1] if cut[1] else 2**62, 1)
    widths = [(max(0, a), max(0, b)) for a, b in widths]
    if not any(a or b for a, b in widths):
        return x
    sizes = [24 if isinstance(n, Dim) else n for n in g.dims(x)]
    g.take([n + a + b for n, (a, b) in zip(sizes, widths, strict=True)], np.zeros((), x.dtype))
    if mode != "constant":
        if not is_array(x):
            raise Unsupported(f"mode must be 'constant', got {mode!r}")
        modes: dict[str, Any] = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}
        return np.pad(x, widths, modes[mode])
    return g.do("Pad", x, pad_width=widths, constant_values=np.asarray(value, x.dtype).item())


@operator("Tile")
def _tile(g: Importer, node: Operator) -> Any:
    x, repeats = g.value(node, 0), g.integers(node, 1, "the repeats") or []
    dims = g.dims(x)
    sizes = [a * b for a, b in zip(dims, repeats, strict=True)]
    if is_array(x) or isinstance(x, Spread):
        array = x if is_array(x) else x.array
        if array.size == 1 or all(not isinstance(n, Dim) and n == 1 for n in dims):
            return spread(g, array, sizes)
    if any(isinstance(n, Dim) for n in repeats):
        raise Unsupported("repeats must be constant")
    g.take([24 * b if isinstance(a, Dim) else a * b for a, b in zip(dims, repeats, strict=True)], np.zeros((), x.dtype))
    return g.do("Tile", x, repeats=repeats, dims=sizes)


@operator("OneHot")
def _one_hot(g: Importer, node: Operator) -> Any:
    indices, depth = g.value(node, 0), int(g.array(node, 1, "the depth").reshape(-1)[0])
    off, on = g.array(node, 2, "the values").reshape(-1)
    axis = node.attribute("axis", -1)
    g.take([24 if isinstance(n, Dim) else n for n in g.dims(indices)] + [depth], on)
    tensor = g.apply("Cast", g.tensor(indices), dtype="int64")
    tensor = ops.where(tensor < np.asarray(0, np.int64), tensor + np.asarray(depth, np.int64), tensor)
    hot = g.apply("OneHot", tensor, num_classes=depth, axis=axis, dtype=str(on.dtype))
    return g.wrap(hot * np.asarray(on - off, on.dtype) + np.asarray(off, on.dtype))


@operator("Trilu")
def _trilu(g: Importer, node: Operator) -> Any:
    k = int(g.array(node, 1, "k")) if node.has(1) else 0
    x = g.value(node, 0)
    return g.do("Triu" if node.attribute("upper", 1) else "Tril", x, k=k, dims=g.dims(x))
