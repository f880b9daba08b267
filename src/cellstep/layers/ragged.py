"""Ragged: sequences of different lengths, kept as they came, and run in groups of rows of similar lengths.

Kernels take arrays. Rows are padded only within their group, to no more than PADDED times the steps that they have, so
that one long row among many short ones does not make all of them long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from .. import core
from .runner import Array

#: How many steps a group may have when it is padded, in multiples of those that its rows have.
PADDED = 3


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


def groups(*lengths: Array) -> list[Array]:
    """The numbers of rows, in groups to be padded together; each group in the order of the rows.

    Args:
        *lengths: (B,) integers of each input of sequences; all inputs of a row go into one group.

    A group whose longest row is twice as long as the others, or more, is split where that matters, so there are at
    most about log2(longest / shortest) groups.
    """
    return _split(np.arange(len(lengths[0])), lengths)


def _split(rows: Array, lengths: Sequence[Array]) -> list[Array]:
    for own in lengths:
        n = np.maximum(own[rows], 1)
        longest = int(n.max(initial=1))
        if len(rows) * longest > PADDED * int(n.sum()):
            long = 2 * n >= longest
            return _split(rows[long], lengths) + _split(rows[~long], lengths)
    return [rows]


def is_ragged(x: Any) -> TypeGuard[Sequence[Array]]:
    """Whether x is a list of sequences: every element an array of two axes. Nested lists of numbers are one array."""
    return isinstance(x, (list, tuple)) and len(x) > 0 and all(isinstance(a, np.ndarray) and a.ndim == 2 for a in x)


def checked(name: str, x: Sequence[Any], dtype: Any, features: int | str) -> list[Array]:
    """The rows of a list, (steps, features) each, cast to dtype.

    Args:
        name: for the message.
        x: one array a row.
        features: of each row; a word where any width goes that all rows share.

    Raises:
        TypeError, ValueError: a row that does not fit.
    """
    if isinstance(features, str):
        features = int(x[0].shape[1])
    return [core.as_array(f"{name}[{i}]", row, dtype, ("time", features)) for i, row in enumerate(x)]


def refuse_steps(**steps: Any) -> None:
    """ValueError where a mask, lengths or resets came with a ragged list, which says by itself where rows end."""
    for name, value in steps.items():
        if value is not None:
            raise ValueError(f"expected {name} to be None, as x is a list of sequences of their own lengths, got one")


def gradients(dy: Any, lengths: Array, dtype: Any, width: int) -> list[Array]:
    """dy, one (steps, width) array a row; ValueError where they are not the rows' lengths."""
    if not isinstance(dy, (list, tuple)) or len(dy) != len(lengths):
        got = f"{len(dy)}" if isinstance(dy, (list, tuple)) else type(dy).__name__
        raise ValueError(f"expected dy to be a list of {len(lengths)}, one array for each row of x, got {got}")
    return [
        core.as_array(f"dy[{i}]", row, dtype, (int(n), width))
        for i, (row, n) in enumerate(zip(dy, lengths, strict=True))
    ]
