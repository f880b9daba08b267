"""Ragged: sequences of different lengths, kept as they came, padded batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core

Array = NDArray[Any]


class Ragged:
    """Rows (T_i, ...) that differ in their number of steps and in nothing else.

    `ragged[3:5]` and `ragged[[2, 0]]` are Ragged again; `padded()` is one array with zeros behind, and the lengths.
    """

    def __init__(self, rows: Sequence[Array]) -> None:
        self.rows = list(rows)
        self.lengths = np.array([len(row) for row in self.rows], np.int32)
        self.dtype = self.rows[0].dtype if self.rows else np.dtype(np.float32)
        self.steps = int(self.lengths.max(initial=0))

    @property
    def shape(self) -> tuple[Any, ...]:
        """(rows, None, ...)."""
        return (len(self.rows), None, *(self.rows[0].shape[1:] if self.rows else ()))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> Ragged:
        chosen = self.rows[rows] if isinstance(rows, slice) else [self.rows[i] for i in rows]
        return Ragged(chosen)

    def padded(self, steps: int | None = None) -> Array:
        """(B, T, ...) with zeros behind each row's last step; T is the longest row's where None."""
        T = self.steps if steps is None else steps
        out = np.zeros((len(self.rows), T, *self.shape[2:]), self.dtype)
        for row, place in zip(self.rows, out, strict=True):
            place[: len(row)] = row
        return out

    def mask(self) -> NDArray[np.bool_]:
        """(B, T), True where a row has a step."""
        return np.asarray(np.arange(self.steps) < self.lengths[:, None])

    def cut(self, padded: Array) -> list[Array]:
        """The rows of an array (B, T, ...) without what lies behind their last steps."""
        return [row[:n] for row, n in zip(padded, self.lengths, strict=True)]


def ragged(name: str, value: Any, even: bool = False) -> Ragged | None:
    """A list of arrays of different lengths as Ragged; with `even`, a list of arrays of one length too. None for all
    else.

    Raises:
        ValueError, TypeError: the rows differ in more than their lengths, or hold no real numbers.
    """
    if not isinstance(value, list | tuple) or not value:
        return None
    even = even and all(isinstance(row, np.ndarray) for row in value)
    try:
        rows = [core.plain(name, row) if isinstance(row, np.ma.MaskedArray) else np.asarray(row) for row in value]
    except ValueError:
        return None  # the rows are uneven themselves: no sequences
    if not all(row.ndim for row in rows) or (len({len(row) for row in rows}) < 2 and not even):
        return None
    shapes = sorted({row.shape[1:] for row in rows})
    if len(shapes) > 1:
        raise ValueError(f"expected {name} to hold sequences whose steps have one shape, got {shapes[0]}, {shapes[1]}")
    if any(row.dtype.kind not in "fiub" for row in rows):
        raise TypeError(f"expected {name} to hold sequences of real numbers, got dtype {rows[0].dtype}")
    dtype = np.result_type(*([row for row in rows if len(row)] or rows))
    return Ragged([row.astype(dtype, copy=False) for row in rows])
