"""Gates: the columns of a cell's weights in the orders that other frameworks have for them; see `Cell.orders`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import kernels

Array = NDArray[Any]


def cells_named(framework: str) -> dict[str, kernels.Cell]:
    """The cells that a framework has, by its names for them."""
    return {cell.names[framework]: cell for cell in kernels.CELLS.values() if framework in cell.names}


def from_order(cell: kernels.Cell, framework: str, rows: Array) -> Array:
    """Rows (G H, ...) with a framework's gates one after another, in the cell's own order.

    Example:
        >>> from_order(kernels.CELLS["gru"], "torch", np.array([1, 2, 3]))  # r z n
        array([2, 1, 3])
    """
    order = cell.orders[framework]
    return _moved(rows, [order.index(letter) for letter in cell.letters])


def to_order(cell: kernels.Cell, framework: str, rows: Array) -> Array:
    """The other way round: rows in the cell's own order, in a framework's."""
    return _moved(rows, [cell.letters.index(letter) for letter in cell.orders[framework]])


def _moved(rows: Array, places: list[int]) -> Array:
    if places == sorted(places):
        return rows
    gates = np.split(rows, len(places))
    return np.concatenate([gates[place] for place in places])
