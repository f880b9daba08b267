"""Ragged inputs: a list of arrays (steps, features) of any lengths, padded for one call and cut again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from .. import ops
from .runner import Array


def is_ragged(x: Any) -> TypeGuard[Sequence[Array]]:
    """Whether x is a list of sequences: every element an array of two axes. Nested lists of numbers are one array."""
    return isinstance(x, (list, tuple)) and len(x) > 0 and all(isinstance(a, np.ndarray) and a.ndim == 2 for a in x)


def padded(name: str, x: Sequence[Any], dtype: Any, features: int | str, backwards: bool = False) -> tuple[Array, Any]:
    """(B, T, features) with zeros after each row's end, and the lengths (B,).

    Args:
        name: for the message.
        x: one (steps, features) array a row.
        dtype: float32 or float64.
        features: of each row; a word where any width goes that all rows share.
        backwards: turn each row around within its own length.

    Raises:
        TypeError, ValueError: a row that does not fit.
    """
    if isinstance(features, str):
        features = int(x[0].shape[1])
    rows = [ops.as_array(f"{name}[{i}]", row, dtype, ("time", features)) for i, row in enumerate(x)]
    lengths = np.array([len(row) for row in rows], np.int32)
    out: Array = np.zeros((len(rows), lengths.max(), features), dtype)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = values[::-1] if backwards else values
    return out, lengths


def cut(a: Array, lengths: Array, backwards: bool = False) -> list[Array]:
    """The rows of a padded array, each of its own length: views. The inverse of `padded`."""
    rows = [a[b, :n] for b, n in enumerate(lengths)]
    return [row[::-1] for row in rows] if backwards else rows


def refuse_steps(mask: Any, lengths: Any) -> None:
    """ValueError where a mask or lengths came with a ragged list, which says by itself where rows end."""
    for name, value in (("mask", mask), ("lengths", lengths)):
        if value is not None:
            raise ValueError(f"expected {name} to be None, as x is a list of sequences of their own lengths, got one")


def gradients(dy: Any, lengths: Array, dtype: Any, width: int) -> Array:
    """dy for a padded output from one array a row; ValueError where they are not the rows' lengths."""
    if not isinstance(dy, (list, tuple)) or len(dy) != len(lengths):
        got = f"{len(dy)}" if isinstance(dy, (list, tuple)) else type(dy).__name__
        raise ValueError(f"expected dy to be a list of {len(lengths)}, one array for each row of x, got {got}")
    for i, (row, n) in enumerate(zip(dy, lengths, strict=True)):
        ops.as_array(f"dy[{i}]", row, dtype, (int(n), width))
    return padded("dy", dy, dtype, width)[0]
