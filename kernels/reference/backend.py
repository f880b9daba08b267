"""NumPy alone: the specification, and the last resort."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..cells import Cell
from ..chain import Chain
from ..contract import steps_of_cells
from . import norms, products, updates
from .loop import Array, Packed, Step, backward, backward_all, forward, forward_all, read, split_of, step, tape

__all__ = [
    "CELLS",
    "Chain",
    "backward",
    "backward_all",
    "empty",
    "forward_all",
    "forward",
    "many",
    "norms",
    "pack",
    "products",
    "read",
    "split_of",
    "step",
    "tape",
    "updates",
]

#: Of each cell the function of a step.
CELLS: dict[str, Step] = steps_of_cells(__package__)
empty = np.empty
#: Many models at once are the compiled backend's alone.
many = None


def pack(cell: Cell, weights: Sequence[Array | None], options: Sequence[Any], backward: bool) -> Packed:
    """Private C-contiguous copies of the weights that cannot be written to, with the function of a step.

    `backward` says whether backward will be called.
    """
    copies = tuple(None if a is None else np.array(a, order="C") for a in weights)
    for a in copies:
        if a is not None:
            a.flags.writeable = False
    sizes = cell.sizes(copies)
    dtype = next(a.dtype for a in copies if a is not None)
    of_states = tuple(sizes[state.size] for state in cell.states)
    return Packed(cell, CELLS[cell.name], copies, tuple(options), sizes["I"], sizes["H"], of_states, dtype)
