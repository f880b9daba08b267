"""Nested: lists, tuples, dictionaries and slices of things, as the inputs of a model, and their leaves in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


def flatten(structure: Any) -> list[Any]:
    """The leaves of lists, tuples, dictionaries and slices in order; a dictionary's in that of its sorted keys."""
    if isinstance(structure, dict):
        return [leaf for key in sorted(structure) for leaf in flatten(structure[key])]
    if isinstance(structure, list | tuple):
        return [leaf for part in structure for leaf in flatten(part)]
    if isinstance(structure, slice):
        return flatten([structure.start, structure.stop, structure.step])
    return [structure]


def pack(structure: Any, leaves: Iterable[Any]) -> Any:
    """The same structure with other leaves, which come in the order of `flatten`."""
    return _pack(structure, iter(leaves))


def _pack(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, dict):
        packed = {key: _pack(structure[key], leaves) for key in sorted(structure)}
        return {key: packed[key] for key in structure}
    if isinstance(structure, list | tuple):
        return type(structure)([_pack(part, leaves) for part in structure])
    if isinstance(structure, slice):
        return slice(*[_pack(part, leaves) for part in (structure.start, structure.stop, structure.step)])
    return next(leaves)


def up_to(structure: Any, value: Any) -> list[Any]:
    """What a value holds where the structure has its leaves; these may be lists themselves."""
    if isinstance(structure, dict):
        return [leaf for key in sorted(structure) for leaf in up_to(structure[key], value[key])]
    if isinstance(structure, list | tuple):
        return [leaf for part, v in zip(structure, value, strict=True) for leaf in up_to(part, v)]
    return [value]


def change(structure: Any, function: Callable[[Any], Any]) -> Any:
    """The same structure with `function` of each leaf."""
    if not isinstance(structure, dict | list | tuple | slice):
        return function(structure)  # one array, as in most models: the cheap way
    return pack(structure, [function(leaf) for leaf in flatten(structure)])


def tried(run: Callable[[int], Any], sizes: tuple[int, int] = (12, 24)) -> tuple[Any, list[tuple[int | None, ...]]]:
    """What `run` gives where open axes have a size, which has many divisors for reshapes, and the shapes of what is in
    it, flat, with an axis open that follows the size."""
    first, second = (run(size) for size in sizes)
    pairs = zip(flatten(first), flatten(second), strict=True)
    return first, [tuple(m if m == n else None for m, n in zip(a.shape, b.shape, strict=True)) for a, b in pairs]


def is_shape(value: Any) -> bool:
    """Whether this is the shape of one array: a tuple or list of sizes and None."""
    return isinstance(value, list | tuple) and all(size is None or not isinstance(size, list | tuple) for size in value)


def shapes(value: Any) -> list[Any]:
    """The shapes in a shape, or in a structure of them, flat."""
    if is_shape(value):
        return [tuple(value)]
    parts = [value[key] for key in sorted(value)] if isinstance(value, dict) else value
    return [shape for part in parts for shape in shapes(part)]
