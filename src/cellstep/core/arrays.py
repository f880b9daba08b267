"""What callers pass in, as NumPy's arrays: lists, and arrays, frames and columns of other libraries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def real(name: str, value: Any) -> NDArray[Any]:
    """The value as an ndarray of real numbers (floats, integers, booleans), in the dtype that it has.

    Raises:
        TypeError: it holds something else. ValueError: a ragged list.
    """
    a = plain(name, value)
    if a.dtype.kind not in "fiub":
        raise TypeError(f"expected {name} to hold real numbers, got {kind(name, a)}")
    return a


def kind(name: str, a: NDArray[Any]) -> str:
    """What an array of no real numbers holds, and how numbers are made of it, for the end of a message."""
    if a.dtype.kind in "US":
        hint = "" if a.ndim == 0 else f"; np.unique({name}, return_inverse=True)[1] numbers them"
        return f"dtype {a.dtype}, {'strings' if a.ndim else 'a string'}{hint}"
    if a.dtype.kind == "O":
        if a.ndim == 0:
            function = "; call it, if it makes batches" if callable(a[()]) else ""
            return f"dtype object, a {type(a[()]).__name__}{function}"
        sequences = all(isinstance(part, np.ndarray | list | tuple) for part in a.flat)
        odd = next((part for part in _parts(a) if not isinstance(part, int | float | np.number)), a)
        if odd is not a:
            hint = f"; np.asarray({name}, 'float32') makes NaN of it" if odd is None and not sequences else ""
            return f"dtype object, with {brief(odd)} in it{hint}"
        if sequences and a.ndim == 1:
            return f"dtype object, an array of sequences; list({name}) makes a list of them"
        made = f"np.array({name}.tolist(), 'float32')" if sequences else f"np.asarray({name}, 'float32')"
        return f"dtype object; {made} makes numbers of it"
    return f"dtype {a.dtype}"


def _parts(value: Any) -> Iterator[Any]:
    """The entries of lists, tuples and arrays in one another."""
    if isinstance(value, list | tuple | np.ndarray):
        for part in value.flat if isinstance(value, np.ndarray) else value:
            yield from _parts(part)
    else:
        yield value


def plain(name: str, value: Any) -> NDArray[Any]:
    """The value as an ndarray of whatever dtype it has.

    An array of another library that is in memory, writable or not, is not copied: it is taken by `__array__`, or by
    DLPack where it has none. Frames of numbers become one array; what is missing in them is NaN.

    Raises:
        TypeError: None, something that is not an array, or masked values. ValueError: a ragged list.
    """
    if type(value) is np.ndarray:
        return value
    if value is None:
        raise TypeError(f"expected {name} to be an array, got None")
    if not isinstance(value, np.ndarray) and hasattr(value, "toarray"):
        what = f"a {type(value).__name__}; {name}.toarray() makes one"
        raise TypeError(f"expected {name} to be a dense array, got {what}")
    parts = value if isinstance(value, list | tuple) else (value,)
    if any([isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in parts]):
        raise TypeError(
            f"expected {name} to have no masked values, got a masked array: np.ma.filled({name}, 0) gives them values, "
            "and a mask or weights can leave them out"
        )
    try:
        exchanged = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
        a = np.from_dlpack(value) if exchanged else np.asarray(value)
    except (ValueError, TypeError, RuntimeError, BufferError) as error:
        if isinstance(error, ValueError) and isinstance(value, list | tuple):
            what = f"a {type(value).__name__} whose parts differ in shape"
            raise ValueError(f"expected {name} to be an array or an even nested list, got {what}") from None
        said = " ".join(str(error).split())
        raise TypeError(f"expected {name} to be an array in memory, got a {type(value).__name__}: {said}") from error
    if a.dtype.kind == "O" and not isinstance(value, np.ndarray):
        return _frame(value, a)
    return a


def _frame(value: Any, a: NDArray[Any]) -> NDArray[Any]:
    """A frame or a column of pandas's, whose dtypes differ or are pandas's own, as numbers of one dtype; `a`, NumPy's
    array of it, where it holds other things, or integers of which some are missing."""
    dtypes = getattr(value, "dtypes", None)
    if dtypes is None or not hasattr(value, "to_numpy"):
        return a
    kinds = [getattr(dtype, "numpy_dtype", dtype) for dtype in (dtypes if a.ndim == 2 else [dtypes])]
    if not all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in kinds):
        return a
    try:
        numbers: NDArray[Any] = value.to_numpy(np.result_type(*kinds))
    except (TypeError, ValueError):  # an integer that is missing
        return a
    return numbers


def column_of_sequences(value: Any) -> Any:
    """A column of lists, of pandas, polars or Arrow, or a frame of one such column, as a list of arrays; all else as it
    is.

    """
    known = hasattr(value, "__array__") and (hasattr(value, "to_numpy") or hasattr(value, "to_pylist"))
    if isinstance(value, np.ndarray | list | tuple) or not known:
        return value
    a = np.asarray(value)
    if a.dtype.kind != "O" or (a.ndim != 1 and a.shape[1:] != (1,)) or not a.size:
        return value
    rows = list(a.reshape(-1))
    if not all(isinstance(row, np.ndarray | list | tuple) for row in rows):
        return value
    return [_even(row) for row in rows]


def _even(row: Any) -> Any:
    """A sequence whose steps are arrays themselves as one array."""
    a = np.asarray(row)
    return np.array(a.tolist()) if a.dtype.kind == "O" else a


def brief(value: Any) -> str:
    """A value for a message: its repr on one line, cut where it is long; the shape of an array."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    if isinstance(value, list | tuple | dict) and len(value) > 100:
        return f"a {type(value).__name__} of {len(value)} entries"
    try:
        line = " ".join(repr(value).split())
    except RecursionError:
        return f"a {type(value).__name__} of parts within parts without end"
    return line if len(line) <= 100 else f"{line[:90]}..."
