"""The cells by their public names: rows of `kernels.CELLS`, layers over them, and gates in the order of a step."""

from __future__ import annotations

from typing import Any

from .. import kernels
from ..kernels import State
from ..layers.cell_layer import layer_of, layers_of_cells

#: What gates do to the memory of a cell, in the order in which a step does it.
ROLES = ("keep", "reset", "store", "output")


def titles() -> list[str]:
    """The public names of all cells that have a layer: "SimpleRNN", ...; but for those written as equations, of which
    any number may be defined."""
    return [row.title for row in _rows() if row.equations is None]


def _rows() -> list[kernels.Cell]:
    known = layers_of_cells()
    return [row for row in kernels.CELLS.values() if row.name in known]


def title_of(name: Any) -> str | None:
    """The public name of a cell that has a layer, from it in any case ("lstm", "LSTM"); None for anything else."""
    return next((row.title for row in _rows() if isinstance(name, str) and row.title.lower() == name.lower()), None)


def row_of(title: str) -> kernels.Cell:
    """The row of the cell with this public name; of a cell that is written in Python one that knows nothing."""
    return next((row for row in kernels.CELLS.values() if row.title == title), None) or bare_row(title, 1)


def bare_row(title: str, states: int) -> kernels.Cell:
    """The row of a cell of which only its number of states is known: h, s1, s2, ..."""
    if any(row.title == title for row in kernels.CELLS.values()):
        title = f"{title} in Python"
    names = ("h", *(f"s{k}" for k in range(1, states)))
    return kernels.Cell("", title, (), tuple(map(State, names)), (), (), ())


def layer_over(title: str) -> Any:
    """The class of the layer over the cell with this public name."""
    return layer_of(row_of(title).name)


def gates_of(row: kernels.Cell) -> list[kernels.Gate]:
    """The gates of a cell in the order of a step; none of a cell that writes its state anew."""
    return sorted((gate for gate in row.gates if gate.role), key=lambda gate: ROLES.index(gate.role))


def keeping_gate(row: kernels.Cell) -> kernels.Gate | None:
    """The gate that says how much of the memory is kept."""
    return next((gate for gate in row.gates if gate.role == "keep"), None)


def is_content(gate: kernels.Gate) -> bool:
    """Whether it is what is stored, not how much of it: its activation is that of the outputs."""
    return gate.activation == "activation"


def noun(gate: kernels.Gate) -> str:
    """The gate in a sentence."""
    return gate.name if is_content(gate) else f"{gate.name} gate"


def recurrent_weights(row: kernels.Cell) -> list[str]:
    """The names, as there, of the weights that multiply what a step has from the one before."""
    recurrent = {product.weight for product in row.products if product.operand != "x"}
    return [weight.names.get("keras", weight.name) for weight in row.weights if weight.name in recurrent]


def weight_names(row: kernels.Cell) -> list[str]:
    """The names of a cell's weights as attributes of its layer, in the order of the row."""
    return [weight.names.get("keras", weight.name) for weight in row.weights]
