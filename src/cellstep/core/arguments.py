"""Checks of what constructors of layers are given: choices, sizes, axes."""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import brief
from .checks import describe


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """One of the choices, in lower case; upper case is read too.

    Raises:
        ValueError: it is none of them.
    """
    choice = value.lower() if isinstance(value, str) else value
    if choice not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {brief(value)}")
    return str(choice)


def check_data_format(value: Any) -> str:
    """Keras's `data_format`: "channels_last" (also for None) or "channels_first"."""
    if value is None:
        return "channels_last"
    return check_choice("data_format", value, ("channels_last", "channels_first"))


def check_sizes(name: str, value: Any, n: int, zero: bool = False) -> tuple[int, ...]:
    """n positive integers, from one that stands for all of them or from a sequence of n; with `zero`, 0 will do.

    Raises:
        TypeError, ValueError: it is neither.
    """
    low, kind = (0, "integers from 0 up") if zero else (1, "positive integers")
    wanted = f"{name} must be {'an integer' if n == 1 else f'{n} {kind}, or one for all'}"
    if n == 1:
        wanted = f"{name} must be {'an integer from 0 up' if zero else 'a positive integer'}"
    entries = [value] * n if np.ndim(value) == 0 and not isinstance(value, str) else value
    if isinstance(entries, str) or not isinstance(entries, (list, tuple)) or len(entries) != n:
        raise ValueError(f"{wanted}, got {brief(value)}")
    sizes = tuple(as_integer(wanted, entry, value) for entry in entries)
    if min(sizes) < low or max(sizes) > sys.maxsize:
        raise ValueError(f"{wanted}, got {brief(value)}")
    return sizes


def as_integer(wanted: str, entry: Any, whole: Any) -> int:
    """The entry as an int; TypeError, beginning with `wanted`, where it is none."""
    if not isinstance(entry, (bool, np.bool_)):
        try:
            return operator.index(entry)
        except TypeError:
            pass
    raise TypeError(f"{wanted}, got {brief(whole)}")


def check_axes(name: str, value: Any) -> int | list[int]:
    """An axis, or a list of several that differ.

    Raises:
        TypeError: it is neither. ValueError: it is empty, or names an axis twice.
    """
    wanted = f"{name} must be an integer or a list of integers"
    if not isinstance(value, (list, tuple)):
        return as_integer(wanted, value, value)
    axes = [as_integer(wanted, axis, value) for axis in value]
    if not axes or len(set(axes)) < len(axes):
        raise ValueError(f"{wanted} that differ, got {brief(value)}")
    return axes


def places(name: str, axes: int | list[int], shape: Sequence[int | None]) -> tuple[int, ...]:
    """The axes counted from the left, in order.

    Raises:
        ValueError: arrays of this shape have no such axis, or one is named twice.
    """
    listed = [axes] if isinstance(axes, int) else axes
    positions = sorted(axis + len(shape) if axis < 0 else axis for axis in listed)
    if set(positions) - set(range(len(shape))) or len(set(positions)) < len(positions):
        raise ValueError(f"{name} must name axes of the inputs, got {axes} for inputs {describe(tuple(shape))}")
    return tuple(positions)
