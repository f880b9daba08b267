"""Which recurrent cells a model has, and what they did while it ran."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels import Cell
from ...layers import RNN, RecurrentCell, trace
from ...layers.cell_noise import rates_of
from ...layers.module import Module
from ...layers.python_cell import PythonCell
from ...layers.tracing import CellTrace
from ...layers.variable import Variable
from ...models.rollback import unchanged
from ..cell_rows import bare_row, recurrent_weights, titles, weight_names

Array = NDArray[Any]


@dataclass(frozen=True)
class Place:
    """A cell in a model.

    cell: a RecurrentCell, or what runs one that is written in Python. name: that of its layer in front, as in the
    weights' paths: "bidirectional/forward_lstm". backwards: whether it goes from the last step to the first.
    """

    name: str
    cell: Any
    backwards: bool

    @property
    def row(self) -> Cell:
        """The description of the cell; of one that is written in Python without gates and weights."""
        if isinstance(self.cell, RecurrentCell):
            return self.cell.contract
        return bare_row(type(self.cell.cell).__name__, len(self.cell.state_sizes))

    @property
    def kind(self) -> str:
        """The public name of the cell: "SimpleRNN", ...; of one that is written in Python that of its class."""
        return self.row.title

    @property
    def in_python(self) -> bool:
        return isinstance(self.cell, PythonCell)

    @property
    def units(self) -> int:
        """The size of the first state."""
        return int(self.cell.state_sizes[0])

    @property
    def built(self) -> bool:
        own = self.cell.cell if isinstance(self.cell, PythonCell) else self.cell
        return bool(getattr(own, "built", True))

    @property
    def variables(self) -> dict[str, Variable | None]:
        """The weights by their names in the cell, in order; None for a bias that it has not."""
        return variables(self.cell)

    @property
    def recurrent(self) -> list[Variable]:
        """The weights that multiply what a step has from the one before. Of a cell in Python those that are called so:
        "recurrent_kernel", as in Keras, or "U", as in papers."""
        if isinstance(self.cell, RecurrentCell):
            return [getattr(self.cell, name) for name in recurrent_weights(self.row)]
        named = [(w, w.path.rpartition("/")[2]) for w in getattr(self.cell.cell, "weights", ())]
        return [w for w, name in named if name == "U" or name.startswith("recurrent")]


def variables(cell: RecurrentCell | PythonCell) -> dict[str, Variable | None]:
    """The weights of a cell by their names there, in order; None for a bias that it has not. Of a cell in Python those
    that learn."""
    if isinstance(cell, RecurrentCell):
        return {name: getattr(cell, name) for name in weight_names(cell.contract)}
    found = [w for w in getattr(cell.cell, "weights", ()) if w.trainable]
    names = [w.path.rpartition("/")[2] for w in found]
    return {w.path if names.count(n) > 1 else n: w for w, n in zip(found, names, strict=True)}


def places(model: Any) -> list[Place]:
    """The recurrent cells of a model or a layer, in order.

    Raises:
        TypeError: it is neither. ValueError: it has none.
    """
    if not isinstance(model, Module):
        raise TypeError(f"expected a model or a layer of cellstep, got {type(model).__name__}")
    cells_in_order: list[Place] = []
    for layer in _layers(model):
        cells = layer.runner.flat
        for k, cell in enumerate(cells):
            if isinstance(cell, PythonCell):
                name = f"{layer.path}/cell_{k}" if len(cells) > 1 else layer.path
            else:
                path = cell.path.split("/")
                name = "/".join(path if len(cells) > 1 else path[:-1]) or cell.name
            cells_in_order.append(Place(name, cell, layer.go_backwards))
    if not cells_in_order:
        raise ValueError(f"model must have a recurrent layer ({', '.join(titles())}), got none")
    return cells_in_order


def _layers(module: Module) -> list[RNN]:
    if isinstance(module, RNN):
        return [module]
    return [layer for part in module.parts for layer in _layers(part)]


def located(model: Any, runs: list[CellTrace]) -> list[tuple[Place, CellTrace]]:
    """Each run with the place of its cell; a cell that ran more than once has the number of the run in its name.

    Raises:
        ValueError: a run of no rows, or of no steps; a cell with zoneout, which kernels do not run.
    """
    by_cell = {id(place.cell): place for place in places(model)}
    for place in by_cell.values():
        if not isinstance(place.cell, PythonCell) and rates_of(place.cell):
            raise ValueError(f"zoneout of {place.name} must be 0 for the lab, got {place.cell.zoneout}")
    mine = [(by_cell[id(run.cell)], run) for run in runs if id(run.cell) in by_cell]
    for place, run in mine:
        if not all(run.shape):
            raise ValueError(
                f"x must have a row and a step at least, got {run.shape[0]} rows of {run.shape[1]} steps "
                f"at {place.name}"
            )
    calls = Counter(place.name for place, _ in mine)
    seen: Counter[str] = Counter()
    named = []
    for place, run in mine:
        seen[place.name] += 1
        name = f"{place.name} (call {seen[place.name]})" if calls[place.name] > 1 else place.name
        named.append((replace(place, name=name), run))
    return named


def run_forward(model: Any, x: Any) -> list[tuple[Place, CellTrace]]:
    """Run a model or a layer on x, as for prediction, but with tapes; the runs of its recurrent cells.

    It is what it was afterwards, but for weights that were not made before.
    """
    if not isinstance(model, Module):
        raise TypeError(f"expected a model or a layer of cellstep, got {type(model).__name__}")
    with unchanged(model), trace() as runs:
        model.forward(x)  # type: ignore[attr-defined]
    return located(model, runs)


def run_layer(model: Any, x: Any, layer: str | int | None) -> tuple[Place, CellTrace]:
    """The same, of one layer: a name, the beginning or an end of one, or a number; the first where None."""
    chosen = _choose(places(model), layer)
    return next((place, run) for place, run in run_forward(model, x) if place.cell is chosen.cell)


def _choose(cells: list[Place], layer: Any) -> Place:
    if layer is None:
        return cells[0]
    names = ", ".join(place.name for place in cells)
    if isinstance(layer, int) and not isinstance(layer, bool):
        if not 0 <= layer < len(cells):
            raise ValueError(f"layer must be a number from 0 to {len(cells) - 1} ({names}), got {layer}")
        return cells[layer]
    if not isinstance(layer, str):
        raise TypeError(f"layer must be a name or a number, got {layer!r}")
    for fits in (str.__eq__, str.endswith, str.startswith):
        match = [place for place in cells if fits(place.name, layer)]
        if match:
            return match[0]
    raise ValueError(f"layer must be one of {names}, got {layer!r}")


def norms(a: Array, axes: int | tuple[int, ...]) -> Array:
    """Euclidean norms over some axes, in float64; no square over- or underflows."""
    a = np.abs(a.astype(np.float64))
    top = a.max(axis=axes, keepdims=True, initial=0)
    with np.errstate(invalid="ignore"):
        scaled = np.divide(a, top, out=np.zeros_like(a), where=top > 0)
        return np.asarray(np.squeeze(top, axes) * np.sqrt((scaled**2).sum(axis=axes)))
