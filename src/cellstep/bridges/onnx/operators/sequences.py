"""Operators of sequences of tensors, as exporters write loops over steps that they have unrolled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..importer import Importer, operator
from ..reading import Operator, Unsupported
from ..sizes import Dim
from .moving import select, sliced
from .shapes import axis_of, concatenated, reshaped


@dataclass
class Items:
    """The values of a sequence."""

    values: list[Any]


@dataclass
class Along:
    """The entries along an open axis of a value, as a sequence."""

    x: Any
    axis: int
    keep: bool


def _items(g: Importer, node: Operator, i: int) -> list[Any]:
    value = g.value(node, i)
    if not isinstance(value, Items):
        raise Unsupported("expected a sequence of a known number of tensors")
    return value.values


@operator("SplitToSequence")
def _split(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    axis = axis_of(node.attribute("axis", 0), g.ndim(x))
    size, keep = g.dims(x)[axis], bool(node.attribute("keepdims", 1))
    if isinstance(size, Dim):
        if node.has(1):
            raise Unsupported("parts of an open axis of more than one entry are not built")
        return Along(x, axis, keep)
    sizes = [1] * size
    if node.has(1):
        given = g.array(node, 1, "the sizes")
        part = int(given.reshape(-1)[0]) if given.size else 1
        if given.ndim == 0 and part < 1:
            raise Unsupported(f"expected sizes above 0, got {part}")
        sizes = [min(part, size - at) for at in range(0, size, part)] if given.ndim == 0 else [int(n) for n in given]
    ends = np.cumsum(sizes)
    parts = [sliced(g, x, axis, int(end - n), int(end), 1) for n, end in zip(sizes, ends, strict=True)]
    if not keep and not node.has(1):
        parts = [reshaped(g, part, [n for i, n in enumerate(g.dims(part)) if i != axis]) for part in parts]
    return Items(parts)


@operator("SequenceConstruct")
def _construct(g: Importer, node: Operator) -> Any:
    return Items([g.value(node, i) for i in range(len(node.inputs))])


@operator("SequenceAt")
def _at(g: Importer, node: Operator) -> Any:
    sequence, i = g.value(node, 0), int(g.array(node, 1, "the position"))
    if isinstance(sequence, Along):
        part, axis = select(g, sequence.x, sequence.axis, i), sequence.axis
        dims = g.dims(part)
        return reshaped(g, part, [*dims[:axis], 1, *dims[axis:]]) if sequence.keep else part
    items = _items(g, node, 0)
    if not -len(items) <= i < len(items):
        raise Unsupported(f"expected a position in a sequence of {len(items)}, got {i}")
    return items[i]


@operator("ConcatFromSequence")
def _concat(g: Importer, node: Operator) -> Any:
    items, new = _items(g, node, 0), bool(node.attribute("new_axis", 0))
    if not items:
        raise Unsupported("expected a sequence with values, got none")
    axis = axis_of(node.attribute("axis"), g.ndim(items[0]) + new)
    if new:
        items = [reshaped(g, v, [*g.dims(v)[:axis], 1, *g.dims(v)[axis:]]) for v in items]
    return concatenated(g, items, axis)
