"""Ragged inputs: a list of arrays (steps, features) of any lengths, run in groups of rows of similar lengths.

Kernels take arrays. Rows are padded only within their group, to no more than PADDED times the steps that they have, so
that one long row among many short ones does not make all of them long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from .. import core
from .runner import Array

#: How many steps a group may have when it is padded, in multiples of those that its rows have.
PADDED = 3


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


def padded(rows: Sequence[Array], backwards: bool = False) -> Array:
    """(B, T, features) with zeros after each row's end; backwards turns each row around within its own length."""
    first = rows[0]
    out: Array = np.zeros((len(rows), max(map(len, rows)), *first.shape[1:]), first.dtype)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = values[::-1] if backwards else values
    return out


def cut(a: Array, lengths: Array, backwards: bool = False) -> list[Array]:
    """The rows of a padded array, each of its own length: views. The inverse of `padded`."""
    rows = [a[b, :n] for b, n in enumerate(lengths)]
    return [row[::-1] for row in rows] if backwards else rows


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
