"""unroll: a model drawn unrolled in time, as an SVG: a column for each step, a row for each layer.

Time runs from left to right, and layers lie on top of each other. What a recurrent layer hands from one step to the
next is an arrow between columns; its weights, the same at every step, are named once below. I. Goodfellow, Y. Bengio,
A. Courville, "Deep Learning" (2016), section 10.1, has folded and unrolled graphs side by side, as with `fold=True`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import atomic
from .drawing import Drawing
from .model_rows import Reader, Row, graph_of, input_lines


@dataclass(frozen=True, repr=False)
class Unrolled:
    """A drawing.

    Attributes:
        svg: the file's text. name: the model's. steps: of each input sequence.
        rows: what is drawn, from the inputs up.
    """

    svg: str
    name: str
    steps: tuple[int, ...]
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        return f"{self.name} unrolled over {' and '.join(map(str, self.steps)) or 'no'} steps"

    def summary(self) -> str:
        """What the drawing shows, in sentences."""
        return describe(self.title, self.rows)

    def save(self, path: str | Path) -> Path:
        """Write the SVG.

        Raises:
            ValueError: path does not end in .svg.
        """
        return _write(self.svg, path)

    def draw(self, path: str | Path | None = None) -> Unrolled:
        """The drawing itself, written to path (.svg) if one is given."""
        if path is not None:
            self.save(path)
        return self

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<Unrolled {self.name}, steps {', '.join(map(str, self.steps))}>"


def unroll(
    model: Any,
    steps: int | Sequence[int] | None = None,
    path: str | Path | None = None,
    *,
    fold: bool = False,
    columns: int = 4,
) -> Unrolled:
    """Draw a model unrolled in time.

    Args:
        model: a Sequential, a Model or a recurrent layer, built.
        steps: how many steps the input sequences have: one number, or one for each. May be None where the model's
            Inputs say it.
        path: a file for the drawing, `.svg`.
        fold: draw the loop, which the unrolling takes apart, beside it.
        columns: draw at most so many columns a sequence, 3 or more; of a longer one the first steps and the last.

    Returns:
        the drawing; a notebook shows it.

    Raises:
        TypeError, ValueError: an argument that does not fit, or steps other than those that an Input says. No file is
            written then.

    Example:
        >>> from cellstep import Input, Sequential, layers
        >>> lab.unroll(Sequential([Input((None, 3)), layers.LSTM(8), layers.Dense(1)], name="net"), steps=5)
        <Unrolled net, steps 5>
    """
    if isinstance(columns, bool) or not isinstance(columns, int) or columns < 3:
        raise ValueError(f"columns must be a whole number, 3 or more, got {columns!r}")
    lengths = _lengths(model, steps)
    reader = Reader(model, lengths)
    name = str(model.name)
    made = Unrolled("", name, tuple(lengths), tuple(reader.rows))
    svg = Drawing(reader.rows, reader.outputs, columns, fold).draw(made.title, made.summary())
    if path is not None:
        _write(svg, path)
    return Unrolled(svg, name, tuple(lengths), tuple(reader.rows))


def _write(svg: str, path: str | Path) -> Path:
    target = Path(path)
    if target.suffix.lower() != ".svg":
        raise ValueError(f"path must end in .svg, as unroll draws nothing else, got {str(path)!r}")
    atomic.write(target, svg)
    return target


def _lengths(model: Any, steps: int | Sequence[int] | None) -> list[int]:
    """The length of each input sequence."""
    lines = [(name, shape[1]) for name, shape, line in input_lines(*graph_of(model)) if line]
    given = list(steps) if isinstance(steps, list | tuple) else [steps] * len(lines)
    if len(given) != len(lines):
        raise ValueError(f"steps must be one number, or one for each of {len(lines)} input sequences, got {len(given)}")
    found = []
    for wanted, (name, fixed) in zip(given, lines, strict=True):
        if wanted is None and fixed is None:
            raise ValueError(f"steps must say how many steps to draw, as {name} takes any number of them, got None")
        if wanted is not None and (isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1):
            raise ValueError(f"steps must be a whole number above 0, got {wanted!r}")
        if wanted is not None and fixed not in (None, wanted):
            raise ValueError(f"steps must be {fixed} or None, as {name} has {fixed} steps, got {wanted}")
        found.append(int(fixed if wanted is None else wanted))
    return found


def describe(title: str, rows: Sequence[Row]) -> str:
    """A line for each row, from the inputs up."""
    return "\n".join([f"{title}, from the inputs up:", *(f"- {_sentence(row)}" for row in rows)])


def _sentence(row: Row) -> str:
    if row.kind == "input":
        return f"{row.name}: " + (f"{row.steps} steps." if row.steps else "one vector.")
    weights = f", with {', '.join(row.weights)} shared by all steps" if row.weights and row.inside else ""
    if row.weights and not row.inside:
        weights = f", with {', '.join(row.weights)}"
    head = f"{row.number}. {row.name} ({row.what}{weights})"
    if row.kind in ("chain", "pair"):
        letters = " and ".join(row.states)
        where = "in both directions of time" if row.kind == "pair" else "back" if row.backwards else "on"
        given = "the output of every step" if row.sequences else "the last output alone"
        begin = ", beginning with states that it is given" if row.initial else ""
        return f"{head} hands {letters} {where} from step to step{begin}, and gives {given}."
    how = {"each": "does the same at every step", "whole": "works on all steps at once", "single": "works once"}
    return f"{head} {how[row.kind]}."
