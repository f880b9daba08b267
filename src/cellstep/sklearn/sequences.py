"""What estimators take for X, made into what models take; and windows cut from long series."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core
from ..layers.ragged import Ragged

Array = NDArray[Any]


def is_sequences(X: Any) -> bool:
    """Whether X holds sequences of vectors, or sequences of different lengths, and is no table (n, features).

    A list whose rows are all one-dimensional and equally long is a table, as everywhere in scikit-learn.
    """
    if getattr(X, "ndim", None) == 3:
        return True
    if isinstance(X, np.ndarray):
        if X.ndim != 1 or X.dtype != object:
            return False
    elif not isinstance(X, list | tuple):
        return False
    shapes = set()
    for row in X:
        if not isinstance(row, list | tuple | np.ndarray):
            return False
        try:
            shapes.add(np.shape(row))
        except ValueError:
            return False  # uneven inside: no array either
    return any(len(shape) > 1 for shape in shapes) or len({shape[0] for shape in shapes if shape}) > 1


def as_sequences(X: Any, dtype: np.dtype[Any]) -> Array | Ragged:
    """(n, T, I) as an array; or as Ragged where X is a list of arrays (T_i, I), or (T_i,) for I = 1.

    Raises:
        ValueError: no samples, no steps, no features, rows that differ in more than their steps, or numbers that are
            not finite. TypeError: rows that hold no real numbers.
    """
    even = getattr(X, "ndim", None) == 3
    rows = [np.asarray(X)] if even else [np.asarray(row) for row in X]
    if not len(X):
        raise ValueError("expected X to hold 1 sequence or more, got none")
    for i, row in enumerate(rows):
        if row.dtype.kind not in "fiub":
            raise TypeError(f"expected X to hold real numbers, got {core.kind('X', row)}")
        rows[i] = row = row[:, None] if row.ndim == 1 else row
        if row.ndim != rows[0].ndim or row.shape[-1] != rows[0].shape[-1] or row.ndim < 2:
            raise ValueError(
                f"expected X to hold sequences of shape (steps, features), got {rows[0].shape}, {row.shape}"
            )
        if not row.size:
            raise ValueError(f"expected X to hold sequences of 1 step and 1 feature or more, got shape {row.shape}")
        rows[i] = cast = row.astype(dtype, copy=False)
        if not np.isfinite(cast).all():
            raise ValueError(f"expected X to be finite, and no larger than {dtype} can hold, got NaN or infinity")
    return rows[0] if even else Ragged(rows)


def windows(series: Any, length: int, *, horizon: int = 1, stride: int = 1, target: Any = None) -> tuple[Array, Array]:
    """Cut a long series into samples for an estimator: windows of `length` steps, and what comes after each.

    Args:
        series: (T,) or (T, I) numbers.
        length: steps in a window.
        horizon: how many steps after the last of its window a target lies; 0 is that last step itself.
        stride: steps from the beginning of one window to that of the next.
        target: (T,) or (T, K): where targets are taken from; the series itself where None.

    Returns:
        X (n, length, I), a view where possible, and y (n,) or (n, K), in the order of time.

    Raises:
        ValueError: series has another shape, target is not as long, or there is no window with a target.

    Example:
        >>> X, y = windows(np.arange(10.0), 3)
        >>> X.shape, y[0]
        ((7, 3, 1), np.float64(3.0))
    """
    values = core.real("series", series)
    if values.ndim not in (1, 2):
        raise ValueError(f"expected series of shape (steps,) or (steps, features), got {values.shape}")
    targets = values if target is None else np.asarray(target)
    if targets.ndim not in (1, 2) or len(targets) != len(values):
        raise ValueError(f"expected target to have the {len(values)} steps of series, got shape {targets.shape}")
    length, stride = core.check_count("length", length), core.check_count("stride", stride)
    after = core.check_natural("horizon", horizon)
    starts = np.arange(0, len(values) - length - after + 1, stride)
    if not len(starts):
        raise ValueError(f"expected series of {length + after} steps or more for one window, got {len(values)}")
    columns = values[:, None] if values.ndim == 1 else values
    cut = np.lib.stride_tricks.sliding_window_view(columns, length, axis=0).swapaxes(1, 2)
    return cut[: starts[-1] + 1 : stride], targets[starts + length - 1 + after]
