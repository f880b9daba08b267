"""The order of rows: how PyTorch lays out sequences, and the views (B, T, width) of them that kernels take.

Direction 1 runs backwards. Even sequences need no copies for that; packed ones are spread over an array with padding at
the end of each row, of which kernels run what `lengths` says.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .. import core

Array = Any

#: All columns.
ALL = slice(None)


class Order(Protocol):
    """B rows of T steps; lengths (B,) where they differ.

    empty: an array for results, of this width. rows: what a kernel reads, (B, T, width), of columns of an array; with
    `clean` zeros past a row's end, else anything. target: what it writes; `store` brings that into the array's columns.
    """

    B: int
    T: int
    lengths: Any

    def empty(self, width: int, dtype: Any) -> Array: ...
    def rows(self, a: Array, direction: int, columns: slice, clean: bool = False) -> Array: ...
    def target(self, a: Array, direction: int, columns: slice) -> Array: ...
    def store(self, a: Array, direction: int, columns: slice, target: Array) -> None: ...


class Even:
    """(T, B, width), or (B, T, width) where `batch_first`."""

    lengths = None

    def __init__(self, shape: tuple[int, ...], batch_first: bool) -> None:
        self.batch_first = batch_first
        self.B, self.T = shape[:2] if batch_first else shape[1::-1]

    def empty(self, width: int, dtype: Any) -> Array:
        shape = (self.B, self.T, width) if self.batch_first else (self.T, self.B, width)
        return core.empty(shape, dtype)

    def rows(self, a: Array, direction: int, columns: slice, clean: bool = False) -> Array:
        return core.rows(self.target(a, direction, columns))

    def target(self, a: Array, direction: int, columns: slice) -> Array:
        a = a if self.batch_first else a.swapaxes(0, 1)
        a = a[:, ::-1] if direction else a
        return a if columns is ALL else a[:, :, columns]

    def store(self, a: Array, direction: int, columns: slice, target: Array) -> None:
        """It is there: the target is a view."""


class Step(Even):
    """One step: (B, width)."""

    def __init__(self, B: int) -> None:
        self.B, self.T = B, 1

    def empty(self, width: int, dtype: Any) -> Array:
        return core.empty((self.B, width), dtype)

    def target(self, a: Array, direction: int, columns: slice) -> Array:
        return a[:, None, columns]


class Packed:
    """The data of a PackedSequence, (steps of all rows, width): step after step, longest row first.

    Args:
        sizes: (T,) how many rows have a step, for each step. shape: of the data.

    Raises:
        RuntimeError: they do not fit together.
    """

    def __init__(self, sizes: Array, shape: tuple[int, ...]) -> None:
        fits = len(shape) == 2 and sizes.sum() <= shape[0]
        if not fits or sizes[-1] < 0 or (sizes[1:] > sizes[:-1]).any():
            got = f"data {tuple(shape)} and batch_sizes {sizes.tolist()}"
            raise RuntimeError(f"expected data with two axes and a row for each of batch_sizes, which fall, got {got}")
        self.T, self.B = len(sizes), int(sizes[0])
        row, step = np.arange(self.B), np.arange(self.T)[:, None]
        self.runs = runs = row < sizes[:, None]
        self.lengths = runs.sum(axis=0, dtype=np.int32)
        starts = np.cumsum(sizes) - sizes
        back = np.where(runs, self.lengths - 1 - step, 0)
        #: For each place (T, B), which entry of the data it has, in each direction; in padding any.
        self.entries = [np.where(runs, starts[:, None] + row, 0), np.where(runs, starts[back] + row, 0)]
        #: For each entry of the data, its place in the array (T B), in each direction.
        self.places = [np.flatnonzero(runs), (back * self.B + row)[runs]]

    def empty(self, width: int, dtype: Any) -> Array:
        return core.empty((len(self.places[0]), width), dtype)

    def rows(self, a: Array, direction: int, columns: slice, clean: bool = False) -> Array:
        padded = np.take(a[:, columns], self.entries[direction], axis=0, mode="clip")
        if clean:
            padded[~self.runs] = 0
        return padded.swapaxes(0, 1)

    def target(self, a: Array, direction: int, columns: slice) -> Array:
        return core.empty((self.T, self.B, a[:1, columns].shape[1]), a.dtype).swapaxes(0, 1)

    def store(self, a: Array, direction: int, columns: slice, target: Array) -> None:
        flat = target.swapaxes(0, 1).reshape(self.T * self.B, -1)
        if flat.shape[1] == a.shape[1]:
            np.take(flat, self.places[direction], axis=0, out=a, mode="clip")
        else:
            a[:, columns] = flat[self.places[direction]]
