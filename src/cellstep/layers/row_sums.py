"""Sums of rows by their places, for gradients of which few rows are not zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def sum_rows(places: NDArray[np.intp], rows: Array) -> tuple[NDArray[np.intp], Array]:
    """The places (N,) that occur, in order, and for each the sum of its rows, of (N, ...).

    Rows of one place are added up two by two, then the sums two by two, and so on: rounding stays small however often
    a place comes. `np.add.at` does it one by one, and takes ten times as long for 6400 rows of 128.
    """
    N = len(places)
    if not N:
        return places, rows
    # sorting 16 bits is several times faster
    order = np.argsort(places.astype(np.uint16) if places.max() < 2**16 else places, kind="stable")
    places, sums = places[order], np.take(rows, order, axis=0)
    starts = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1])))
    counts = np.diff(starts, append=N)
    rank = np.arange(N) - np.repeat(starts, counts)
    left = np.repeat(counts, counts) - rank
    step, pairs = 1, np.arange(N)
    while step < counts.max():
        pairs = pairs[((rank[pairs] & step) == 0) & (left[pairs] > step)]
        sums[pairs] += sums[pairs + step]
        step *= 2
    return places[starts], sums[starts]
