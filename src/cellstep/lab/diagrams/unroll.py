"""unroll: a model drawn unrolled in time: a column for each step, a row for each layer.

Time runs from left to right, and layers lie on top of each other. What a recurrent layer hands from one step to the
next is an arrow between columns; its weights, the same at every step, are named once below. I. Goodfellow, Y. Bengio,
A. Courville, "Deep Learning" (2016), section 10.1, has folded and unrolled graphs side by side, as with `fold=True`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import core
from .. import style
from ..result import Result
from .drawing import Drawing
from .model_rows import Port, Reader, Row, graph_of, input_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Unrolled(Result):
    """A drawing; a notebook shows it.

    Attributes:
        name: the model's. steps: of each input sequence.
        rows: what is drawn, from the inputs up. outputs: which of them the model gives.
        columns, fold: as `unroll` was given them.
    """

    name: str
    steps: tuple[int, ...]
    rows: tuple[Row, ...]
    outputs: tuple[Port, ...]
    columns: int
    fold: bool

    @property
    def title(self) -> str:  # type: ignore[override]
        return f"{self.name} unrolled over {' and '.join(map(str, self.steps)) or 'no'} steps"

    def summary(self) -> str:
        """What the drawing shows, in sentences."""
        return "\n".join([f"{self.title}, from the inputs up:", *(f"- {_sentence(row)}" for row in self.rows)])

    @property
    def svg(self) -> str:
        """The text of an SVG, whose description for screen readers is the summary."""
        return style.svg(self.draw(), self.title, self.summary())

    def save(self, path: str | Path) -> Path:
        """Write the drawing to a file, as `draw` does.

        Raises:
            ValueError: path does not end in .svg, .png or .pdf.
        """
        self.draw(path)
        return Path(path)

    def _figure(self) -> Figure:
        return Drawing(list(self.rows), list(self.outputs), self.columns, self.fold).figure()

    def _repr_svg_(self) -> str:
        return self.svg

    _repr_html_ = _repr_svg_  # a notebook would show sentences first

    def __repr__(self) -> str:
        return f"<Unrolled {self.name}, steps {', '.join(map(str, self.steps))}>"


def unroll(
    model: Any,
    steps: int | Sequence[int] | None = None,
    path: str | Path | None = None,
    *,
    fold: bool = False,
    columns: int | None = None,
) -> Unrolled:
    """Draw a model unrolled in time.

    Args:
        model: a Sequential, a Model or a recurrent layer, built.
        steps: how many steps the input sequences have: one number, or one for each. May be None where the model's
            Inputs say it.
        path: a file for the drawing, `.svg`, `.png` or `.pdf`.
        fold: draw the loop, which the unrolling takes apart, beside it.
        columns: draw at most so many columns a sequence, 3 or more; of a longer one the first steps and the last. Where
            None, up to 6 of a single sequence, and else 4.

    Returns:
        the drawing; a notebook shows it.

    Raises:
        TypeError, ValueError: an argument that does not fit, or steps other than those that an Input says. No file is
            written then. ImportError: matplotlib is missing, where there is a path.

    Example:
        >>> from cellstep import Input, Sequential, layers
        >>> lab.unroll(Sequential([Input((None, 3)), layers.LSTM(8), layers.Dense(1)], name="net"), steps=5)
        <Unrolled net, steps 5>
    """
    if columns is not None and core.check_integer("columns", columns) < 3:
        raise ValueError(f"columns must be an integer, 3 or more, got {columns!r}")
    lengths = _lengths(model, steps)
    if columns is None:
        columns = 6 if len(lengths) == 1 and lengths[0] <= 6 else 4
    reader = Reader(model, lengths)
    unrolled = Unrolled(
        *(str(model.name), tuple(lengths), tuple(reader.rows), tuple(reader.outputs)), columns=columns, fold=fold
    )
    if path is not None:
        unrolled.draw(path)
    return unrolled


def _lengths(model: Any, steps: int | Sequence[int] | None) -> list[int]:
    """The length of each input sequence."""
    lines = [(name, shape[1]) for name, shape, line in input_lines(*graph_of(model)) if line]
    asked: list[Any] = list(steps) if isinstance(steps, list | tuple) else [steps] * len(lines)
    if len(asked) != len(lines):
        raise ValueError(f"steps must be one number, or one for each of {len(lines)} input sequences, got {len(asked)}")
    lengths = []
    for wanted, (name, fixed) in zip(asked, lines, strict=True):
        if wanted is None and fixed is None:
            raise ValueError(f"steps must say how many steps to draw, as {name} takes any number of them, got None")
        if wanted is not None and fixed not in (None, core.check_count("steps", wanted)):
            raise ValueError(f"steps must be {fixed} or None, as {name} has {fixed} steps, got {wanted}")
        lengths.append(int(fixed if wanted is None else wanted))
    return lengths


def _sentence(row: Row) -> str:
    if row.kind == "input":
        return f"{row.name}: " + (f"{row.steps} steps." if row.steps else "one vector.")
    weights = f", with {', '.join(row.weights)} shared by all steps" if row.weights and row.inside else ""
    if row.weights and not row.inside:
        weights = f", with {', '.join(row.weights)}"
    head = f"{row.number}. {row.name} ({row.what}{weights})"
    if not row.number:
        return f"{row.name} joins what both directions give ({row.what})."
    if row.kind == "chain":
        letters = " and ".join(row.states)
        where = "back" if row.backwards else "on"
        output = "the output of every step" if row.sequences else "the last output alone"
        begin = ", beginning with states that it is given" if row.initial else ""
        return f"{head} hands {letters} {where} from step to step{begin}, and gives {output}."
    how = {"each": "does the same at every step", "whole": "works on all steps at once", "single": "works once"}
    return f"{head} {how[row.kind]}."
