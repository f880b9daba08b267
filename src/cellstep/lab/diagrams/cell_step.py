"""What one unit of a cell holds at one step, for the letters of a diagram; or the letters alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import core
from ...kernels import Cell
from ..analysis.jacobians import inputs, values
from ..analysis.traced_cells import run_layer
from .sketch import Sketch

#: What the activations of gates are called in a box.
SIGNS = {"sigmoid": "σ", "linear": "id", "hard_sigmoid": "hard σ"}


@dataclass(frozen=True)
class CellStep:
    """A step.

    Attributes:
        row: of the cell; None where there is no model.
        numbers: what each letter holds: "h0" and "h" the state before and after, "c0" and "c" likewise,
            and each gate by its letter with "gate " before it.
        x: the inputs.
        activations: the signs of the cell's options.
        where: which step and unit it is, in words.
    """

    row: Cell | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    x: Sequence[float] = ()
    activations: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    def say(self, label: str, letter: str) -> str:
        """`f_t = 0.73`, or the label alone."""
        return f"{label} = {number(self.numbers[letter])}" if letter in self.numbers else label

    def sign(self, option: str, default: str) -> str:
        return self.activations.get(option, default)

    def x_lines(self, label: str = "x_t") -> list[str]:
        """The input: its letter, and its numbers where they are few."""
        if not len(self.x):
            return [label]
        few = ", ".join(number(value) for value in self.x) if len(self.x) <= 3 else f"{len(self.x)} numbers"
        return [label, few]

    def write_x(self, sketch: Sketch, x: float, y: float) -> None:
        """The input below an arrow, its numbers under it."""
        for row, line in enumerate(self.x_lines()):
            sketch.text(x, y + 17 * row, line, 14 if not row else 12, ink="ink" if not row else "soft")


def number(value: float) -> str:
    """A number that fits beside a wire."""
    if not np.isfinite(value):
        return str(value)
    if value and (abs(value) < 0.005 or abs(value) >= 1000):
        return f"{value:.0e}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def cell_step(model: Any, x: Any, layer: str | int | None, row: int, step: int | None, unit: int) -> CellStep:
    """What a model's layer holds at one step of one row.

    Raises:
        TypeError, ValueError: what `diagram` says.
    """
    place, run = run_layer(model, x, layer)
    n, T = run.shape
    row, unit = _within("row", row, n), _within("unit", unit, place.units)
    held = values(run, row + 1)
    ran = np.flatnonzero(held.running[row])
    if step is None:
        if not len(ran):
            raise ValueError(f"x must have a step that is not masked in row {row}, got none")
        step = int(ran[-1]) + 1
    step = core.check_count("step", step)
    if step > T:
        raise ValueError(f"step must be one of the {T} steps of x, from 1 on, got {step}")
    t = step - 1
    if not held.running[row, t]:
        raise ValueError(f"step must be one that ran, got {step}, which is masked in row {row}")
    contract = place.row
    numbers = {}
    for state, before, after in zip(contract.states, held.before, held.after, strict=True):
        if unit < after.shape[-1]:  # states may differ in size
            numbers[f"{state.name}0"], numbers[state.name] = before[row, t, unit], after[row, t, unit]
    for k, gate in enumerate(contract.gates):
        numbers[f"gate {gate.letter}"] = held.gates[k, row, t, unit]
    options = getattr(place.cell, "options", {})
    return CellStep(
        row=contract,
        numbers={name: float(value) for name, value in numbers.items()},
        x=[float(value) for value in inputs(run, row + 1)[row, t]],
        activations={
            name: SIGNS.get(str(value), str(value)) for name, value in options.items() if name in contract.activations
        },
        where=f"step {step}, unit {unit} of {place.units} of {place.name}",
    )


def _within(name: str, value: Any, count: int) -> int:
    if core.check_integer(name, value) < 0 or value >= count:
        raise ValueError(f"{name} must be a number from 0 to {count - 1}, got {value}")
    return int(value)
