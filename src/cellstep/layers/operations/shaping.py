"""Operations that move entries about: parts, joins, axes, repetitions. Rules are as in `arithmetic`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arithmetic import Array, Back, Rule


def get_item(x: Any, key: Any) -> tuple[Any, Back]:
    """x[key]: slices, integers, None and an ellipsis."""
    key = tuple(key) if isinstance(key, list) else key
    try:
        y = np.asarray(x[key])
    except IndexError as error:
        raise ValueError(f"expected an array that has the entries {key}, got shape {np.shape(x)}: {error}") from None

    def back(dy: Array) -> list[Array | None]:
        dx = np.zeros_like(x, dy.dtype)
        dx[key] = dy  # basic indices name no place twice
        return [dx, None]

    return y, back


def concatenate(xs: Sequence[Any], axis: int = 0) -> tuple[Any, Back]:
    """Arrays one after another along an axis."""
    ends = np.cumsum([np.shape(x)[axis] for x in xs])[:-1]
    return np.concatenate(xs, axis), lambda dy: np.split(dy, ends, axis)


def stack(x: Sequence[Any], axis: int = 0) -> tuple[Any, Back]:
    """Arrays of one shape along a new axis."""
    return np.stack(x, axis), lambda dy: [np.take(dy, i, axis) for i in range(len(x))]


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> tuple[Any, Any]:
    """Parts along an axis: so many equal ones, or those between indices."""
    sections = indices_or_sections
    if not isinstance(sections, int):
        sections = [int(i) for i in sections]
    parts = np.split(x, sections, axis)

    def back(dy: Sequence[Array | None]) -> list[Array | None]:
        gradients = [np.zeros_like(part) if d is None else d for part, d in zip(parts, dy, strict=True)]
        return [np.concatenate(gradients, axis)]

    return parts, back


def reshape(x: Any, newshape: Any) -> tuple[Any, Back]:
    """The same entries in another shape; -1 stands for what is left, None too."""
    shape = [-1 if size is None else int(size) for size in (newshape if np.ndim(newshape) else [newshape])]
    return np.reshape(x, shape), lambda dy: [dy.reshape(np.shape(x))]


def expand_dims(x: Any, axis: Any) -> tuple[Any, Back]:
    """New axes of length 1."""
    axis = tuple(axis) if isinstance(axis, list) else axis
    return np.expand_dims(x, axis), lambda dy: [dy.reshape(np.shape(x))]


def squeeze(x: Any, axis: Any = None) -> tuple[Any, Back]:
    """Without axes of length 1: these, or all."""
    axis = tuple(axis) if isinstance(axis, list) else axis
    return np.squeeze(x, axis), lambda dy: [dy.reshape(np.shape(x))]


def transpose(x: Any, axes: Any = None) -> tuple[Any, Back]:
    """The axes in another order, by default turned around."""
    order = list(range(np.ndim(x)))[::-1] if axes is None else [int(a) % np.ndim(x) for a in axes]
    return np.transpose(x, order), lambda dy: [np.transpose(dy, np.argsort(order))]


def swapaxes(x: Any, axis1: int, axis2: int) -> tuple[Any, Back]:
    """Two axes in each other's place."""
    return np.swapaxes(x, axis1, axis2), lambda dy: [np.swapaxes(dy, axis1, axis2)]


def moveaxis(x: Any, source: Any, destination: Any) -> tuple[Any, Back]:
    """An axis, or several, in another place."""
    return np.moveaxis(x, source, destination), lambda dy: [np.moveaxis(dy, destination, source)]


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> tuple[Any, Back]:
    """More entries before and behind, of one value, 0 by default."""
    if mode != "constant":
        raise NotImplementedError(f"mode={mode!r} is not built; expected mode='constant', got {mode!r}")
    widths = np.broadcast_to(np.asarray(pad_width, int), (np.ndim(x), 2))
    kept = tuple(slice(a, a + size) for (a, _), size in zip(widths, np.shape(x), strict=True))
    value = 0 if constant_values is None else constant_values
    return np.pad(x, widths, constant_values=value), lambda dy: [dy[kept]]


def moved(function: Callable[..., Any]) -> Rule:
    """The rule of a function that moves, leaves out and repeats entries: each one's gradient goes back to its place."""

    def rule(x: Any, *others: Any, **options: Any) -> tuple[Any, Back]:
        size, shape = np.size(x), np.shape(x)

        def back(dy: Array) -> list[Array | None]:
            places = function(np.arange(size).reshape(shape), *others, **options)
            dx = np.bincount(places.reshape(-1), dy.reshape(-1), size).reshape(shape)
            return [dx.astype(dy.dtype), *[None] * len(others)]

        return function(x, *others, **options), back

    rule.__doc__ = f"As `numpy.{function.__name__}`."
    return rule


def flip(x: Any, axis: Any = None) -> Any:
    return np.flip(x, tuple(axis) if isinstance(axis, list) else axis)


def tile(x: Any, repeats: Any) -> Any:
    return np.tile(x, repeats)


def take(x: Any, indices: Any, axis: int | None = None) -> tuple[Any, Back]:
    """As `numpy.take`. The gradient costs what is taken and a table of zeros, as x may be large and indices few."""
    indices = np.asarray(indices)

    def back(dy: Array) -> list[Array | None]:
        dx = np.zeros_like(x, dy.dtype)
        flat, place = (dx.reshape(-1), 0) if axis is None else (dx, axis % dx.ndim)
        gradients = np.moveaxis(dy, range(place, place + indices.ndim), range(indices.ndim))
        np.add.at(np.moveaxis(flat, place, 0), indices, gradients)  # one place may be taken several times
        return [dx, None]

    return np.take(x, indices, axis), back


def part(kept: Any) -> Rule:
    """A rule of what is 0 but in a part of the last two axes: `numpy.tril`, `numpy.triu`."""

    def rule(x: Any, k: int = 0) -> tuple[Any, Back]:
        return kept(x, k), lambda dy: [kept(dy, k)]

    return rule
