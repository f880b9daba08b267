"""The row of a cell that is written as its equations."""

from __future__ import annotations

from collections.abc import Mapping

from ..cells import ACTIVATIONS, Cell, Gate, Product, State, Weight
from .program import Equations

_NAMES = {"W": "kernel", "U": "recurrent_kernel", "b": "bias", "R": "projection_kernel"}


def row_of(
    name: str, title: str, equations: Equations, gate_names: Mapping[str, str], roles: Mapping[str, str]
) -> Cell:
    """The row: gates and vectors by name, and products as the equations have them. An output state that is a projection
    is of size P."""
    e = equations
    products = [Product("x", "W", e.letters, bias=0)]
    for k, (first, count, what) in enumerate(e.program.runs):
        letters = e.letters[first : first + count]
        bias = 1 if e.apart and what in ("h", "own") else None
        if isinstance(what, int):
            products.append(Product(f"made {what}", "U", letters, own=f"q{k}"))
        elif what is not None:
            products.append(Product(e.states[0], "U", letters, own=f"q{k}" if what == "own" else "", bias=bias))
    weights = {"W": ("I", "GH"), "U": ("H", "GH"), "b": ("GH",)}
    if len(products) == 1:
        del weights["U"]
    if e.projected:
        weights |= {"R": ("H", "P")} | ({"U": ("P", "GH")} if "U" in weights else {})
        products.append(Product("projected", "R", ""))
    return Cell(
        name=name,
        title=title,
        gates=tuple(
            Gate(letter, gate_names.get(letter, letter), _activation(e, i), roles.get(letter, ""))
            for i, letter in enumerate(e.letters)
        ),
        states=tuple(State(state, "P" if e.projected and not i else "H") for i, state in enumerate(e.states)),
        weights=(
            *(Weight(w, axes, {"keras": _NAMES[w]}) for w, axes in weights.items()),
            *(Weight(vector, ("H",), {"keras": vector}) for vector in e.vectors),
        ),
        products=tuple(products),
        options=(),
        equations=e,
    )


def _activation(e: Equations, gate: int) -> str:
    """The activation of a gate's value; empty where it is none."""
    op = e.program.graph.nodes[e.program.gates[gate]].op
    return op if op in ACTIVATIONS else ""
