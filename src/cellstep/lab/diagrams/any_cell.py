"""A cell that has no drawing of its own, from its row: its gates and what each does, its states, and its products."""

from __future__ import annotations

import textwrap

from ...kernels import Cell, Gate
from ..cell_rows import gates_of, is_content
from .cell_step import CellStep, number
from .sketch import Sketch

LINE, TOP = 32.0, 46.0
#: What a gate of each role does to the memory; of a gate without one the name says more.
WORDS = {"keep": "keeps", "store": "stores", "reset": "resets", "output": "shows"}


def _box(row: Cell) -> tuple[float, float]:
    """The height of the box in the middle, and that of its own middle."""
    lines = max(len(row.gates), len(row.states))
    height = LINE * lines + 34
    return height, TOP + height / 2


def _sums(row: Cell) -> list[str]:
    """What the gates add up, on lines that fit."""
    factors = dict.fromkeys(
        f"{p.operand} {p.weight}" if p.operand in ("x", *row.state_names) else f"{p.weight} of what the step makes"
        for p in row.products
    )
    if not factors:
        return ["written in Python: its gates are not known"]
    return textwrap.wrap(f"the gates see {', '.join(factors)}", 52)


def size(row: Cell) -> tuple[float, float]:
    """Pixels."""
    height, _ = _box(row)
    return 420.0, TOP + height + 96 + 16 * len(_sums(row))


def description(row: Cell) -> str:
    """The alternative text."""
    gates = ", ".join(f"{gate.letter} ({gate.name}) {WORDS.get(gate.role, '')}".rstrip() for gate in _gates(row))
    gates = gates or "not known, as it is written in Python"
    states = " and ".join(state.name for state in row.states)
    return (
        f"A step of {row.title}. Its gates: {gates}. It hands {states} on to the next step; {row.output} is its output."
    )


def _gates(row: Cell) -> list[Gate]:
    """Those that have a role in the order of a step, then the others."""
    return [*gates_of(row), *(gate for gate in row.gates if not gate.role)]


def _does(gate: Gate, step: CellStep) -> str:
    """What its activation is, and what it does."""
    sign = step.sign(gate.activation, "tanh" if is_content(gate) else "σ") if gate.activation else ""
    word = WORDS.get(gate.role, gate.name if gate.name != gate.letter else "")
    return f"{sign}, {word}" if sign and word else sign or word


def draw(sketch: Sketch, step: CellStep, row: Cell) -> None:
    height, middle = _box(row)
    left, right, bottom = 122.0, 298.0, TOP + height
    for k, state in enumerate(row.states):
        y = middle + 40.0 * (k - (len(row.states) - 1) / 2)
        ink = "state" if state.name == row.output else "memory"
        sketch.wire((14, y), (left, y), ink=ink, thick=2.4)
        sketch.wire((right, y), (408, y), ink=ink, thick=2.4)
        sketch.text(12, y - 14, step.say(f"{state.name}_{{t-1}}", f"{state.name}0"), 13, ink=ink, side="start")
        sketch.text(408, y - 14, step.say(f"{state.name}_t", state.name), 13, ink=ink, side="end")
    x = (left + right) / 2
    sketch.text(x, 24, row.title, bold=True)
    sketch.box(x, middle, right - left, height, fill="paper")
    for k, gate in enumerate(_gates(row)):
        y = middle + LINE * (k - (len(row.gates) - 1) / 2)
        sketch.box(left + 30, y, 38, 26, gate.letter, size=13)
        value = step.numbers.get(f"gate {gate.letter}")
        sketch.text(left + 58, y, _does(gate, step) if value is None else f"= {number(value)}", 13, side="start")
    sketch.wire((x, bottom + 40), (x, bottom))
    step.write_x(sketch, x, bottom + 50)
    for k, line in enumerate(_sums(row)):
        sketch.text(x, bottom + 88 + 16 * k, line, 12, ink="soft")
