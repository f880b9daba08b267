"""Batches: from arrays, or from an iterable that makes them.

What a model takes is one array, or a list or dictionary of arrays; sequences of different lengths are `Ragged`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import core
from ..layers import nested
from ..layers.ragged import Ragged
from .stored import Stored, stored

Array = NDArray[Any]
ClassWeight = Mapping[int, float]


@dataclass(slots=True)
class Pass:
    """A pass forward through a model.

    y: the outputs. mask: theirs, or None; a list where there are several. pullback: None without a tape. penalties:
    those of outputs of layers in it.
    """

    y: Any
    mask: Any
    pullback: Any
    penalties: tuple[float, ...] = ()


class Batch(NamedTuple):
    """x (B, ...), targets y and weights, either None where there are none; each may be a list of arrays and None.

    resets: (B, T) booleans for the recurrent layers, or None.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None
    resets: Any = None


def is_stream(x: Any) -> bool:
    """Whether x makes batches rather than being data: an iterator, a generator, or an iterable that is no array."""
    if isinstance(x, np.ndarray | list | tuple | str | bytes | memoryview | dict | Ragged | Stored):
        return False
    if hasattr(x, "__array__") or hasattr(x, "__dlpack__"):
        return False
    if isinstance(stored(x), Stored):
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__next__") or by_index(x)


def numbers(name: str, value: Any) -> Any:
    """An array of real numbers with at least one axis, in the dtype that it has; Ragged and Stored as they are.

    Raises:
        TypeError: no real numbers, or None. ValueError: ragged, or a scalar.
    """
    if isinstance(value, Ragged | Stored):
        return value
    array = core.real(name, value)
    if array.ndim == 0:
        raise ValueError(f"expected {name} to have one row a sample, got a scalar")
    return array


def several(x: Any) -> bool:
    """Whether this is a list of arrays, none of them a row: several inputs or outputs of a model that does not say."""
    return isinstance(x, list | tuple) and len(x) > 0 and all(hasattr(part, "shape") for part in x)


def rows(x: Any) -> int:
    """How many rows the first array has."""
    return len(next(leaf for leaf in nested.flatten(x) if leaf is not None))


def batch(x: Any, y: Any = None, sample_weight: Any = None, resets: Any = None) -> Batch:
    """Arrays, or structures of them, of the same number of rows; None may stand among y and sample_weight.

    Raises:
        TypeError, ValueError: as `numbers`; or the numbers of rows differ.
    """
    n = None
    parts = []
    for name, value in (("x", x), ("y", y), ("sample_weight", sample_weight), ("resets", resets)):
        leaves = nested.flatten(value)
        for i, leaf in enumerate(leaves):
            if leaf is None and name != "x":
                continue
            leaves[i] = leaf = numbers(name, leaf)
            n = len(leaf) if n is None else n
            if len(leaf) != n:
                of = "of the first input" if name == "x" else "of x"
                raise ValueError(f"expected {name} to have the {n} rows {of}, got {len(leaf)}")
        parts.append(nested.pack(value, leaves))
    return Batch(*parts)


def taker(whole: Batch) -> Callable[[Any], Batch]:
    """A function that takes some rows of every array: a slice, or an array of integers."""
    x, y, sample_weight, resets = whole

    def of_two(chosen: Any) -> Batch:  # as in most models: in half the time
        if type(chosen) is slice:
            return Batch(x[chosen], y[chosen])
        return Batch(x.take(chosen, 0), y.take(chosen, 0))

    def of_all(chosen: Any) -> Batch:
        return Batch(*(nested.change(part, lambda leaf: None if leaf is None else leaf[chosen]) for part in whole))

    plain = all(type(a) is np.ndarray and a.flags.c_contiguous for a in (x, y))
    return of_two if plain and sample_weight is resets is None else of_all


def by_index(source: Any) -> bool:
    """Whether batches are taken by index: a PyDataset, Keras's too, or what has a length and items but no iterator
    of its own."""
    if not hasattr(source, "__getitem__"):
        return False
    return hasattr(type(source), "num_batches") or (hasattr(source, "__len__") and not hasattr(source, "__iter__"))


def split(data: Batch, fraction: float) -> tuple[Batch, Batch]:
    """The first rows for training, the last `fraction` of them for validation.

    Raises:
        ValueError: the fraction is not between 0 and 1, or a part would be empty.
    """
    if not 0 < core.check_number("validation_split", fraction) < 1:
        raise ValueError(f"validation_split must be between 0 and 1, got {fraction!r}")
    n = rows(data.x)
    at = math.floor(n * (1 - fraction))
    if at in (0, n):
        raise ValueError(f"validation_split={fraction!r} leaves no rows on one side of {n} rows")
    return _part(data, slice(at)), _part(data, slice(at, n))


def _part(whole: Batch, rows: slice) -> Batch:
    """As `take`, but nothing is read yet."""

    def some(leaf: Any) -> Any:
        return None if leaf is None else leaf.part(rows) if isinstance(leaf, Stored) else leaf[rows]

    return Batch(*(nested.change(part, some) for part in whole))
