"""What a row must be to run: checks of the rows that users add. The package's own rows pass them in a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .cells import ACTIVATIONS, Cell

#: What a gate may do to the memory of a cell; empty for what is no gate.
ROLES = ("keep", "store", "reset", "output", "")

#: Arguments of `core.pack`, which options stand beside.
_RESERVED = ("cell", "backward", "backend")


def check_row(cell: Cell, others: Mapping[str, Cell]) -> None:
    """Whether a new row is whole and fits beside the others.

    Raises:
        TypeError: it is no row. ValueError: the sentence says which part of it does not fit.
    """
    if not isinstance(cell, Cell):
        raise TypeError(f"expected a Cell, got {type(cell).__name__}")
    for what in ("name", "title"):
        word = getattr(cell, what)
        if not (isinstance(word, str) and word.isidentifier()):
            raise ValueError(f"expected a cell whose {what} is an identifier, got {word!r}")
        if word in [getattr(other, what) for other in others.values()]:
            raise ValueError(f"expected a cell with a new {what}, got {word!r}")
    for part in ("gates", "states", "weights", "products", "options"):
        if not isinstance(getattr(cell, part), tuple):
            raise TypeError(f"expected {part} of {cell.name} to be a tuple, got {type(getattr(cell, part)).__name__}")
    _check_names(cell)
    _check_options(cell)
    _check_gates(cell)
    _check_sizes(cell)
    _check_products(cell)


def _check_names(cell: Cell) -> None:
    for what, names in {
        "gates": cell.letters,
        "states": cell.state_names,
        "weights": cell.weight_names,
        "options": cell.option_names,
    }.items():
        if not names and what != "options":
            raise ValueError(f"expected {cell.name} to have {what}, got none")
        if len(set(names)) < len(names):
            raise ValueError(f"expected {what} of {cell.name} with names that differ, got {', '.join(names)}")
    long = [gate.letter for gate in cell.gates if len(gate.letter) != 1]
    if long:
        raise ValueError(f"expected gates of {cell.name} with one letter each, got {long[0]!r}")


def _check_options(cell: Cell) -> None:
    for option in cell.options:
        where = f"option {option.name} of {cell.name}"
        _check_one_of(f"the kind of {where}", option.kind, ("activation", "flag"))
        if option.name in _RESERVED:
            raise ValueError(f"expected options of {cell.name} besides {', '.join(_RESERVED)}, got {option.name}")
        if option.kind == "flag" and not isinstance(option.default, bool):
            raise ValueError(f"expected the default of {where} to be True or False, got {option.default!r}")
        if option.kind == "activation":
            _check_one_of(f"the default of {where}", option.default, ACTIVATIONS)


def _check_gates(cell: Cell) -> None:
    for gate in cell.gates:
        if cell.equations is None:  # which say themselves what becomes of a gate's sum
            _check_one_of(f"the activation of gate {gate.letter} of {cell.name}", gate.activation, cell.activations)
        _check_one_of(f"the role of gate {gate.letter} of {cell.name}", gate.role, ROLES)
    for framework, order in cell.orders.items():
        if sorted(order) != sorted(cell.letters):
            raise ValueError(f"expected {framework}'s order of the gates {cell.letters} of {cell.name}, got {order!r}")


def _check_sizes(cell: Cell) -> None:
    axes = [axis for weight in cell.weights for axis in weight.axes]
    of_output = next((w.axes[1] for w in cell.weights if w.name == cell.projection), "H")
    for i, state in enumerate(cell.states):
        size = "H" if i else of_output
        if state.size != size:
            raise ValueError(f"expected state {state.name} of {cell.name} to be of size {size}, got {state.size!r}")
    letters = {"I", "H", *(letter for axis in axes for letter in axis)} - {"G"}
    for letter in sorted(letters):
        if not any(axis.replace("G", "", 1) == letter for axis in axes):
            raise ValueError(
                f"expected a weight of {cell.name} with an axis of {letter}, alone or times G, to read its size from, "
                f"got {', '.join(dict.fromkeys(axes))}"
            )


def _check_products(cell: Cell) -> None:
    for i, product in enumerate(cell.products):
        where = f"product {i} of {cell.name}"
        _check_one_of(f"the weight of {where}", product.weight, cell.weight_names)
        for letter in product.gates:
            _check_one_of(f"a gate of {where}", letter, cell.letters)
        if product.when is not None:
            _check_one_of(f"the option of {where}", product.when[0], cell.option_names)
        if product.bias is not None and cell.bias not in cell.weight_names:
            raise ValueError(f"expected {where} to begin with no bias, as no weight is {cell.bias!r}, got a row of it")


def _check_one_of(what: str, value: Any, choices: Iterable[str]) -> None:
    listed = list(choices)
    if value not in listed:
        raise ValueError(f"expected {what} to be one of {', '.join(map(repr, listed))}, got {value!r}")
