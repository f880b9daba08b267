"""What every backend offers.

README.md in this folder says what each function does and who allocates; a test holds each backend against it.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from .cells import ACTIVATIONS, CELLS, Cell


class Split(NamedTuple):
    """How a call is shared: between how many threads, in "rows" or "units", how many of these a part has, and why."""

    threads: int
    what: str
    shares: list[int]
    why: str


@dataclass(frozen=True, eq=False)
class Backend:
    """A loaded backend: its name, why it was chosen, and what its module `backend` exports.

    Attributes:
        cells: what it has of each cell, by name. A cell that is not there runs on the reference.
        pack, ...: the functions of `kernels.FUNCTIONS`.
        empty: as numpy.empty, where the backend has it from memory that large results gave back.
        Chain: what streams run on. products, norms, updates: modules with the functions of `kernels.PRODUCTS` etc.
        many: a module that runs many models at once, as `kernels/cython/lanes.pxi` does; None where there is none.
    """

    name: str
    why: str
    cells: MutableMapping[str, Any]
    pack: Callable[..., Any]
    tape: Callable[..., Any]
    step: Callable[..., None]
    forward: Callable[..., None]
    backward: Callable[..., None]
    forward_all: Callable[..., None]
    backward_all: Callable[..., None]
    read: Callable[..., None]
    split_of: Callable[..., Split]
    empty: Callable[[tuple[int, ...], Any], Any]
    Chain: Callable[..., Any]
    products: Any
    norms: Any
    updates: Any
    many: Any

    def supports(self, cell: Cell, dtype: Any, options: Sequence[Any]) -> bool:
        """Whether this backend runs a cell at full speed: float32 or float64, all activations of the contract."""
        known = all(v in ACTIVATIONS for o, v in zip(cell.options, options, strict=True) if o.kind == "activation")
        return cell.name in self.cells and np.dtype(dtype).char in "fd" and known


def steps_of_cells(package: str) -> dict[str, Callable[..., Any]]:
    """The `step` of each cell in a backend's folder, from the file that is called as the cell is; a cell without one is
    left out."""
    files = {name: f"{package}.{name}" for name in CELLS}
    return {name: import_module(file).step for name, file in files.items() if find_spec(file) is not None}
