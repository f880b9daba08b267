"""The figures that `diagram` draws: of each its title, its alternative text, its size and what draws it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

from ... import kernels
from ...kernels import Cell
from . import any_cell, overviews
from .cell_step import CellStep


class Figure(NamedTuple):
    """How one kind is drawn.

    draw takes the sketch and what `numbers` makes of a model's run, or `blank` without one. needs: what a model must
    come with. cell: the row that it shows. more: pixels of height for what is said of numbers.
    """

    title: str
    description: str
    size: tuple[float, float]
    draw: Callable[..., None]
    blank: Any = None
    needs: tuple[str, ...] = ()
    cell: Cell | None = None
    more: float = 0.0


def has_drawing(row: Cell) -> bool:
    """Whether a cell has a drawing of its own."""
    return bool(row.name) and find_spec(f".{row.name}", __package__) is not None


def figure_of(row: Cell) -> Figure:
    """Of a cell: by the module with the name of its row, or from the row alone."""
    if not has_drawing(row):
        own = (any_cell.description(row), any_cell.size(row), partial(any_cell.draw, row=row))
    else:
        drawn = importlib.import_module(f".{row.name}", __package__)
        own = (drawn.DESCRIPTION, drawn.SIZE, drawn.draw)
    return Figure(f"{row.title}: one step", *own, CellStep(), ("x",), row)


def figures() -> dict[str, Figure]:
    single = {
        name: Figure(
            name.capitalize(),
            f"{name.capitalize()}: {sum(which.inputs)} of {len(which.inputs)} steps have an input x below, "
            f"{sum(which.outputs)} an output y above; the state h goes on. For example: {which.example}.",
            (205.0, 196.0),
            partial(overviews.pattern, which=which),
        )
        for name, which in overviews.PATTERNS.items()
    }
    return {
        "feedback": Figure(
            "A layer with feedback",
            "A box takes the input x of this step and its own state h of the step before, which comes back to it by "
            "way of a delay of one step. It gives the new state, and from it the output y.",
            (420.0, 228.0),
            overviews.feedback,
            CellStep(),
            ("x",),
        ),
        "unrolling": Figure(
            "The loop unrolled",
            "On the left a box h with a loop by way of a delay. On the right the same for three steps: three boxes in "
            "a row, each with an input from below and an output above; each hands its state on by the matrix U. "
            "All share W, U and b.",
            (420.0, 222.0),
            overviews.unrolling,
            overviews.Chain(),
            ("x",),
        ),
        "patterns": Figure(
            "Four patterns of inputs and outputs",
            "Four small nets. One to one: an input, an output. One to many: an input at the first step, an output at "
            "every step. Many to one: an input at every step, an output at the last. Many to many: both at every step.",
            (420.0, 396.0),
            overviews.patterns,
        ),
        **single,
        "backprop": Figure(
            "Back-propagation in a plain net",
            "The input x goes by the weights W_i to h, by W_o to y, and to the cost J. The gradient goes back: 1, "
            "dJ/dy; 2, dy/dh; 3, dh/dW_i. Their product is dJ/dW_i.",
            (420.0, 176.0),
            overviews.backprop,
        ),
        "bptt": Figure(
            "Back-propagation through time, in order",
            "Three steps of an unrolled net, with numbered arrows back. 1: from all outputs to the last layer. 2: to "
            "the most recent input. 3: along the last feedback path to the step before. 4, 5, 6: its input, the path "
            "before it, and so on as the net unrolls.",
            (420.0, 376.0),
            overviews.bptt,
            overviews.WayBack(),
            ("x", "y"),
            more=34.0,
        ),
        **{row.title.lower(): figure_of(row) for row in kernels.CELLS.values()},
    }
