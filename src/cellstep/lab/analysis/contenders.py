"""The cells that `compare` trains: by name, or a user's own; and models of matched size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ... import layers, seeds
from ...cells import Cell
from ..cell_rows import layer_over, row_of, title_of, titles


class Contender(NamedTuple):
    """A recurrent layer of any size: its name, and what makes it of (units, return_sequences)."""

    name: str
    make: Callable[[int, bool], Any]

    def parameters(self, units: int, features: int, outputs: int) -> int:
        """How many numbers a layer of so many units, with its default options, and its Dense head learn."""
        if self.name in titles():
            own = sum(map(math.prod, row_of(self.name).shapes({"I": features, "H": units}, {})))
        else:
            with seeds.seeded(0):
                layer = self.make(units, False)
                layer.build((None, None, features))
            own = sum(math.prod(w.shape) for w in layer.trainable_weights)
        return own + (units + 1) * outputs

    def matched_units(self, wanted: int, features: int, outputs: int) -> int:
        """The units, 1 or more, whose number of parameters is nearest to the one wanted; the fewer of two equally
        near."""
        units = 1
        while self.parameters(units + 1, features, outputs) <= wanted:
            units += 1
        here, next_ = (self.parameters(n, features, outputs) for n in (units, units + 1))
        return units if abs(wanted - here) <= abs(next_ - wanted) else units + 1


def contender(cell: Any) -> Contender:
    """The contender of a name, a class of `cellstep.Cell` or of a recurrent layer, or of what makes a cell of units.

    Raises:
        ValueError: it is none of them.
    """
    title = title_of(cell)
    if title is not None:
        kind = layer_over(title)
    elif isinstance(cell, type) and issubclass(cell, Cell):
        kind = cell.Layer
    elif isinstance(cell, type) and issubclass(cell, layers.RNN):
        kind = cell
    elif callable(cell) and hasattr(cell, "__name__"):
        return Contender(cell.__name__, lambda units, all_: layers.RNN(cell(units), return_sequences=all_))
    else:
        more = "" if isinstance(cell, str) else ", or classes and functions that make a cell of so many units"
        raise ValueError(f"cells must be two or more different ones of {', '.join(titles())}{more}, got {cell!r}")
    return Contender(title or cell.__name__, lambda units, all_: kind(units, return_sequences=all_))
