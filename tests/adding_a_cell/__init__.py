"""An LSTM with peepholes, added by CONTRIBUTING.md's recipe: a file for each of its places, none of them the package's.

    row.py          stands for a row in `kernels/cells.py`
    reference.py    for `kernels/reference/peephole_lstm.py`
    compiled.py     for `kernels/numba/peephole_lstm.py`; without it the cell runs on the reference
    layer.py        for `src/cellstep/layers/peephole_lstm.py`

A cell of the package stands in the tables `CELLS` of rows and of backends; this one is added at run time.
"""

from __future__ import annotations

from typing import Any

from cellstep import kernels
from cellstep.registry import get_custom_objects, register_keras_serializable

from .layer import PeepLSTM, PeepLSTMCell
from .reference import step
from .row import ROW


def add() -> None:
    """Add the cell, and register its classes."""
    others: dict[str, Any] = {}
    if not kernels.available()["numba"]:
        from . import compiled

        others["numba"] = compiled.step
    kernels.add_cell(ROW, step, **others)
    for kind in (PeepLSTM, PeepLSTMCell):
        register_keras_serializable("adding_a_cell")(kind)


def remove() -> None:
    """Take it away."""
    kernels.remove_cell(ROW.name)
    for kind in (PeepLSTM, PeepLSTMCell):
        del get_custom_objects()[f"adding_a_cell>{kind.__name__}"]
