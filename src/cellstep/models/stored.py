"""Stored: arrays that are somewhere else, in an HDF5 or Zarr file say, and are read batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers.ragged import Ragged

Array = NDArray[Any]


class Stored:
    """Rows begin .. end of an array that is read where it is indexed.

    Args:
        source: has shape, dtype, and items by slices and by arrays of increasing numbers, as h5py's datasets and Zarr's
            arrays have.
    """

    def __init__(self, source: Any, begin: int, end: int) -> None:
        self.source, self.begin, self.end = source, begin, end

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.end - self.begin, *self.source.shape[1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.source.dtype)
        return dtype

    def __len__(self) -> int:
        return self.end - self.begin

    def __getitem__(self, rows: slice | Array) -> Array:
        """These rows, read now: a slice without a step, or row numbers in any order, none twice."""
        if isinstance(rows, slice):
            begin, end, _ = rows.indices(len(self))
            return np.asarray(self.source[self.begin + begin : self.begin + end])
        order = np.argsort(rows)
        read = np.asarray(self.source[self.begin + rows[order]])
        ordered = np.empty_like(read)
        ordered[order] = read
        return ordered

    def part(self, rows: slice) -> Stored:
        """These rows, not read yet."""
        begin, end, _ = rows.indices(len(self))
        return Stored(self.source, self.begin + begin, self.begin + end)


def stored(value: Any) -> Any:
    """A structure with `Stored` in place of the arrays in it that can be read in parts; others, and all else, stay.

    Raises:
        TypeError: such an array holds no real numbers.
    """
    if isinstance(value, dict):
        return {key: stored(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(stored, value)) if any(map(_elsewhere, value)) else value
    if not _elsewhere(value):
        return value
    if np.dtype(value.dtype).kind not in "fiub":
        raise TypeError(f"expected an array that is read in parts to hold real numbers, got dtype {value.dtype}")
    return Stored(value, 0, value.shape[0])


def _elsewhere(value: Any) -> bool:
    """Whether this is an array, but none of NumPy's kind in memory: it is in chunks, or knows no other way to be read
    than by its items."""
    if isinstance(value, np.ndarray | np.generic | Ragged | Stored) or not isinstance(
        getattr(value, "shape", None), tuple
    ):
        return False
    if not (hasattr(value, "dtype") and hasattr(value, "__getitem__")):
        return False
    if hasattr(value, "__dlpack__") or hasattr(value, "toarray"):  # in memory; sparse
        return False
    return len(value.shape) > 0 and (hasattr(value, "chunks") or not hasattr(value, "__array__"))


def read(value: Any) -> Any:
    """All of an array; others as they are."""
    return value[:] if isinstance(value, Stored) else value
