"""diagram: figures of a lecture on recurrent nets, drawn from code in one style, with the numbers of a real step."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ... import atomic
from ...core import check_path
from ...layers.module import Module
from ..analysis.bptt import bptt as run_bptt
from ..analysis.jacobians import inputs, values
from ..analysis.traced_cells import places, run_layer
from ..html_report import report
from ..result import Result
from ..tables import Table
from . import overviews
from .cell_step import cell_step, number
from .figures import Figure, figure_of, figures, has_drawing
from .sketch import Sketch

#: The figure of the cell of a model: which one it is says the model.
OF_A_MODEL = Figure("", "", (0.0, 0.0), lambda *_: None, needs=("x",))


@dataclass(frozen=True, repr=False)
class Diagram(Result):
    """A figure as SVG; a notebook shows it. It needs nothing but NumPy.

    Attributes:
        kind: as `diagram` was asked for it.
        title: what it shows.
        description: the alternative text.
        svg: the text of the file; a reader who prefers a dark page sees it in dark colours.
        numbers: the numbers in it by their labels; none without a model.
    """

    kind: str
    title: str
    svg: str
    description: str
    numbers: dict[str, float] = field(default_factory=dict)

    def summary(self) -> str:
        """What it shows, in sentences: the alternative text."""
        return self.description

    def table(self) -> Table | None:
        """The numbers, or None without a model."""
        rows = [[label, number(value)] for label, value in self.numbers.items()]
        return (("what", "value"), rows) if rows else None

    def draw(self, path: str | Path | None = None) -> str:  # type: ignore[override]
        """The text of the figure; written to a file as well, `.svg`, or `.html` for a page (`report`).

        Raises:
            ValueError: another ending.
        """
        if path is not None and check_path("path", path).suffix.lower() in (".html", ".htm"):
            report(self, path, self.title)
        elif path is not None:
            self.save(path)
        return self.svg

    def save(self, path: str | Path) -> Path:
        """Write it to a file.

        Raises:
            ValueError: path does not end in .svg.
        """
        if check_path("path", path).suffix.lower() != ".svg":
            raise ValueError(f"path must end in .svg, got {str(path)!r}")
        atomic.write(path, self.svg)
        return Path(path)

    def _repr_svg_(self) -> str:
        return self.svg

    _repr_html_ = _repr_svg_  # a notebook would show sentences first

    def __repr__(self) -> str:
        return f"<Diagram {self.kind}>"


def kinds() -> list[str]:
    """What `diagram` draws of itself, without cells that were added."""
    return [name for name, figure in figures().items() if figure.cell is None or has_drawing(figure.cell)]


def diagram(
    kind: str,
    model: Any = None,
    x: Any = None,
    y: Any = None,
    *,
    path: str | Path | None = None,
    layer: str | int | None = None,
    row: int = 0,
    step: int | None = None,
    unit: int = 0,
) -> Diagram:
    """Draw a figure of a lecture on recurrent nets: a cell, feedback, unrolling, patterns, the ways back of gradients.

    With a model and x it has the numbers of a real step in it.

    Args:
        kind: "feedback", "unrolling", "patterns" or one of them ("one to one", "one to many", "many to one", "many to
            many"), "backprop" (of a plain net), "bptt" (its numbered order), "simplernn", "lstm", "gru"; "cell" of
            whatever cell the model has, one of your own too, which is drawn from its description.
        model: whose numbers stand in the figure; a cell's must have that cell. None: letters alone.
        x: its inputs. y: its targets, for "bptt", whose model must be compiled.
        path: a file for it, `.svg`.
        layer: which recurrent layer: a name, the beginning or an end of one, or a number; where None
            the first, of a cell's figure the first with that cell.
        row, unit: the row of x, and the unit of the layer; "bptt" shows norms of the whole batch and all units.
        step: from 1 on; the last that ran where None. "unrolling" shows the first three and "bptt" the last three.

    Returns:
        the figure; a notebook shows it, and `svg` has the text.

    Raises:
        TypeError, ValueError: an argument that does not fit, or a model with another cell. No file is written then.

    Example:
        >>> lab.diagram("lstm").title
        'LSTM: one step'
        >>> model = cellstep.Sequential([Input((None, 3)), GRU(4), Dense(1)])
        >>> sorted(lab.diagram("gru", model, np.ones((1, 5, 3))).numbers)
        ['candidate', 'h after', 'h before', 'reset', 'update']
    """
    known = figures()
    name = _named(kind, known)
    figure = known.get(name, OF_A_MODEL)
    _check(name, figure, model, x, y)
    shown: Any = figure.blank
    numbers: dict[str, float] = {}
    where = ""
    if model is not None:
        figure, shown, numbers, where = _run(name, figure, model, x, y, layer, row, step, unit)
    said = figure.description + (f" The numbers are of {where}." if where else "")
    title = f"{figure.title}, {where}" if where else figure.title
    width, height = figure.size
    sketch = Sketch(width, height + figure.more * (model is not None), title, said)
    figure.draw(sketch) if shown is None else figure.draw(sketch, shown)
    drawn = Diagram(name, title, sketch.svg, said, numbers)
    if path is not None:
        drawn.save(path)
    return drawn


def _named(kind: Any, known: dict[str, Figure]) -> str:
    if not isinstance(kind, str):
        raise TypeError(f"kind must be a name, got {type(kind).__name__}: of a model diagram('cell', model, x)")
    plain = {re.sub(r"[\s_-]", "", name): name for name in (*known, "cell")}
    wanted = re.sub(r"[\s_-]", "", kind).lower()
    if wanted not in plain:
        raise ValueError(f"kind must be one of {', '.join(known)}, or cell, got {kind!r}")
    return plain[wanted]


def _check(name: str, figure: Figure, model: Any, x: Any, y: Any) -> None:
    given = {"model": model, "x": x, "y": y}
    asked = ("model", *figure.needs) if figure.needs else ()
    for argument, value in given.items():
        if value is not None and argument not in asked:
            takes = " and ".join(asked) or "no model"
            raise ValueError(f"{argument} must be None: the figure {name!r} takes {takes}")
    if figure is OF_A_MODEL or any(value is not None for value in given.values()):
        for argument in asked:
            if given[argument] is None:
                raise ValueError(f"{argument} must be given: the figure {name!r} takes {' and '.join(asked)}, got None")
        if not isinstance(model, Module):
            raise TypeError(f"model must be a model or a layer of cellstep, got {type(model).__name__}")


def _run(
    name: str, figure: Figure, model: Any, x: Any, y: Any, layer: Any, row: int, step: int | None, unit: int
) -> tuple[Figure, Any, dict[str, float], str]:
    """The figure, what it is drawn with, its numbers by their labels, and where they are from."""
    if name == "bptt":
        return figure, *_way_back(model, x, y, layer)
    if name == "unrolling":
        return figure, *_chain(model, x, layer, row, unit)
    if layer is None and figure.cell is not None:  # the first of this cell
        rows = [place.row for place in places(model)]
        layer = rows.index(figure.cell) if figure.cell in rows else None
    held = cell_step(model, x, layer, row, step, unit)
    contract = held.row
    assert contract is not None
    if figure.cell not in (None, contract):
        wanted = figure.cell.title if figure.cell else ""
        raise ValueError(f"model must have a layer of the cell {wanted} for the figure {name!r}, got {contract.title}")
    labels = {
        f"gate {gate.letter}": gate.name for gate in contract.gates if gate.role or gate.letter != contract.output
    }
    labels |= {f"{state.name}0": f"{state.name} before" for state in contract.states}
    labels |= {state.name: f"{state.name} after" for state in contract.states}
    numbers = {labels[key]: value for key, value in held.numbers.items() if key in labels}
    return figure_of(contract) if figure is OF_A_MODEL else figure, held, numbers, held.where


def _chain(model: Any, x: Any, layer: Any, row: int, unit: int) -> tuple[overviews.Chain, dict[str, float], str]:
    held = cell_step(model, x, layer, row, 3, unit)
    _, run = run_layer(model, x, layer)
    seen = values(run, row + 1)
    h = [float(value) for value in seen.after[0][row, :3, unit]]
    x_ = inputs(run, row + 1)[row, :3]
    letters = [f"x_{k + 1}" if x_.shape[-1] > 1 else number(float(value[0])) for k, value in enumerate(x_)]
    where = f"steps 1 to 3, {held.where.partition(', ')[2]}"
    return overviews.Chain(letters, h), {f"h_{k + 1}": value for k, value in enumerate(h)}, where


def _way_back(model: Any, x: Any, y: Any, layer: Any) -> tuple[overviews.WayBack, dict[str, float], str]:
    split = run_bptt(model, x, y)
    names = [part.name for part in split.layers]
    at = 0 if layer is None else layer
    if isinstance(at, str):
        match = [k for k, name in enumerate(names) if name.startswith(at) or name.endswith(at)]
        at = match[0] if match else -1
    if not isinstance(at, int) or not 0 <= at < len(names):
        raise ValueError(f"layer must be one of {', '.join(names)}, or its number, got {layer!r}")
    part = split.layers[at]
    T, n = part.steps, min(3, part.steps)
    first, second = (*part.weights, "", "")[:2]
    zeros = np.zeros(T)
    shown = {
        "output": part.output,
        "feedback": np.concatenate([[part.dh[0]], part.feedback[:-1]]),
        first: part.norms.get(first, zeros),
        second: part.norms.get(second, zeros),
    }
    steps = [str(t) for t in range(T - n + 1, T + 1)]
    tails = {label: [float(value) for value in array[-n:]] for label, array in shown.items()}
    numbers = {
        f"{label}, step {t}": value for label, tail in tails.items() for t, value in zip(steps, tail, strict=True)
    }
    return overviews.WayBack(steps, *tails.values()), numbers, f"{part.name}, norms over the batch"
