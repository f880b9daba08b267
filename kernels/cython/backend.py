"""The compiled backend: C tiles, with the loops over time in Cython."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..cells import ACTIVATIONS, Cell
from . import compiled
from .compiled import Chain, Packed, backward, empty, forward, read, split_of, step, tape

__all__ = [
    "CELLS",
    "Chain",
    "backward",
    "empty",
    "forward",
    "norms",
    "pack",
    "products",
    "read",
    "split_of",
    "step",
    "supports",
    "tape",
    "updates",
]

#: The one compiled module has all of them.
norms = products = updates = compiled

#: Of each cell what its tiles are called; `_` and the name of an option follow for each option that is on.
CELLS: dict[str, str] = {"rnn": "rnn", "lstm": "lstm", "gru": "gru"}


def pack(cell: Cell, weights: Sequence[Any], options: Sequence[Any], backward: bool) -> Packed:
    """The weights in panels, with what the loops need to know of the cell; transposes too where `backward`."""
    return Packed(cell, weights, options, backward)


def supports(cell: Cell, dtype: Any, options: Sequence[Any]) -> bool:
    """Whether this backend runs these options at full speed: float32 and float64, every activation of the contract."""
    known = all(v in ACTIVATIONS for o, v in zip(cell.options, options, strict=True) if o.kind == "activation")
    return cell.name in CELLS and np.dtype(dtype).char in "fd" and known
