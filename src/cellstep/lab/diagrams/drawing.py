"""Drawing: the rows of a model as boxes in columns, a column for each step, with arrows for what flows between them.

A band is the columns of one input sequence; bands stand side by side, and rows lie on the levels of their band.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from typing import TYPE_CHECKING, Any

from . import shapes
from .model_rows import Port, Row
from .shapes import INK, SOFT, Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE, NARROW = 84.0, 48.0  # between columns; where steps are left out
BEFORE, AFTER = 66.0, 50.0  # room of a band for the first states and for what leaves the last column
BOX, GAP, EDGE, FOLD = 54.0, 38.0, 14.0, 124.0
HEIGHTS = {"input": 26.0, "chain": 48.0, "each": 28.0, "whole": 28.0, "single": 28.0}
#: Width and height of the box in which two directions meet.
MEETING = 34.0, 18.0
CHAIN, OTHER = "#DCEBF7", "#F4F1E4"
#: Colour and dashes of the first state's arrows, of the second's, and of all others: vermillion, darker for text; blue.
LOOKS = (("#B34700", "-"), ("#0072B2", (0, (5, 2))), (INK, (0, (1.5, 1.5))))
#: A font's mean advance of a character, as a part of its size, at most.
ADVANCE = 0.62

Column = tuple[int | None, float]


def drawn_steps(steps: int, columns: int) -> list[int | None]:
    """The steps that have a column; None for those left out."""
    if steps <= columns:
        return list(range(1, steps + 1))
    return [*range(1, columns - 1), None, steps]


class Drawing:
    """Where everything lies, in pixels from the upper left corner.

    Args:
        rows: as `Reader` gives them. outputs: ports of the model's outputs.
        columns: at most so many a band. fold: with the loop beside each band.
    """

    def __init__(self, rows: list[Row], outputs: list[Port], columns: int, fold: bool) -> None:
        self.rows, self.outputs, self.fold = rows, outputs, fold
        bands = max(row.band for row in rows) + 1
        self.columns = 3 if columns == 4 and bands > 1 else columns
        self.left: list[float] = []
        at = EDGE + (FOLD * bands if fold else 0.0)
        for band in range(bands):
            self.left.append(at)
            widths = [self._columns(row)[-1][1] - at for row in rows if row.band == band and row.inside]
            back = any(row.backwards for row in rows if row.band == band)
            at += max([*widths, BEFORE + BOX / 2]) + BOX / 2 + (AFTER if back else AFTER - 20)
        self.width = max(at + EDGE, 340.0)
        self.level_y: list[float] = []
        heights = [
            max([HEIGHTS[row.kind] for row in rows if row.level == level], default=0.0)
            for level in range(max(row.level for row in rows) + 1)
        ]
        y = self.bottom = EDGE + 16 + sum(heights) + GAP * len(heights)
        for height in heights:
            self.level_y.append(y - height / 2)
            y -= height + GAP

    def figure(self) -> Figure:
        legend = self._legend()
        height = self.bottom + 26 + sum(16 * len(lines) + 22 for _, lines in legend) - 10 + EDGE
        figure, self.axis = shapes.canvas(self.width, height)
        for row in self.rows:
            for port in row.sources:
                self._connect(self.rows[port.row], port, row)
            self._initial_states(row)
            self._row(row)
            if self.fold and row.inside:
                self._loop(row)
        for number, port in enumerate(self.outputs):
            self._output(self.rows[port.row], "y" + "′" * number)
        self._write(legend, self.bottom + 26)
        return figure

    # Where rows lie

    def _columns(self, row: Row, steps: int | None = None) -> list[Column]:
        """Step and middle of each column of a row; the one place of a row outside of time."""
        n = steps or row.inside
        if n is None:
            return [(1, self._place(row))]
        columns: list[Column] = []
        x = self.left[row.band] + BEFORE + BOX / 2
        for step in drawn_steps(n, self.columns):
            if columns:
                x += (WIDE + NARROW) / 2 if None in (step, columns[-1][0]) else WIDE
            columns.append((step, x))
        return columns

    def _place(self, row: Row) -> float:
        """Where a row outside of time stands: above what it reads, or at the end of its band."""
        for port in row.sources:
            source = self.rows[port.row]
            if source.band == row.band:
                return self._leave(source)
        longest = max([other.inside or 1 for other in self.rows if other.band == row.band])
        return self._columns(row, longest)[-1][1]

    def _leave(self, row: Row) -> float:
        """Where the last output of a row leaves it."""
        columns = self._columns(row)
        return columns[0 if row.backwards else -1][1]

    def _y(self, row: Row) -> float:
        return self.level_y[row.level]

    def _half(self, row: Row) -> float:
        return (HEIGHTS[row.kind] if row.number or row.kind == "input" else MEETING[1]) / 2

    def _breadth(self, row: Row) -> float:
        """How wide a box of a row is: as its word needs, as far as columns allow."""
        if not row.number:
            return MEETING[0]
        return BOX if row.kind == "chain" else max(BOX, min(6.9 * len(row.what) + 10, WIDE - 6))

    def _side(self, row: Row, right: bool) -> float:
        """The right or the left edge of a row's boxes."""
        half = self._breadth(row) / 2
        return self._columns(row)[-1][1] + half if right else self._columns(row)[0][1] - half

    def _lane(self, row: Row, state: int) -> float:
        """The height of a state's arrow: that of the first state is the lowest, as in textbooks h is below c."""
        n = len(row.states)
        return self._y(row) + (13.0 - 26.0 * state / (n - 1) if n > 1 else 0.0)

    # Between rows

    def _connect(self, source: Row, port: Port, row: Row) -> None:
        if port.state is not None:
            self._state_as_input(source, port.state, row)
        elif source.band != row.band or (not source.steps and self._leave(source) != self._leave(row)):
            self._to_the_side(source, row)
        elif source.steps:
            for step, x in self._columns(row if row.inside == source.steps else source, source.steps):
                if step is not None:
                    self._rise(x, source, row)
        else:
            self._rise(self._leave(source), source, row)

    def _rise(self, x: float, source: Row, row: Row, folded: bool = False) -> None:
        """Up from a row to another one; on the right of the rows between, or on the left into where directions meet; in
        the loop on the other side."""
        low, high = self._y(source) - self._half(source), self._y(row) + self._half(row)
        if row.level - source.level == 1:
            self._arrow([(x, low), (x, high)])
            return
        sign = 1.0 if bool(row.number) != folded else -1.0
        near, far = x + sign * 12, x + sign * (WIDE - BOX / 2 - 11)
        below, above = low - GAP / 3, high + GAP / 3
        self._arrow([(near, low), (near, below), (far, below), (far, above), (near, above), (near, high)])

    def _to_the_side(self, source: Row, row: Row) -> None:
        """Up from a row, from the first and last of its steps or where its one output leaves, to another one's side."""
        low, y = self._y(source) - self._half(source), self._y(row)
        columns = self._columns(source, source.steps) if source.steps else [(1, self._leave(source))]
        side = self._side(row, right=columns[0][1] > self._leave(row))
        for step, x in columns[1:]:
            if step is not None:
                self._arrow([(x, low), (x, y)], head=False)
        self._arrow([(columns[0][1], low), (columns[0][1], y), (side, y)])

    def _exit(self, row: Row, state: int) -> tuple[Point, float]:
        """Where the last of a state leaves a chain, and in which direction of x."""
        sign = -1.0 if row.backwards else 1.0
        return (self._side(row, right=not row.backwards), self._lane(row, state)), sign

    def _state_as_input(self, source: Row, state: int, row: Row) -> None:
        """A last state that a layer reads: out of the chain, up, and to the side of the row's box."""
        (x, y), sign = self._exit(source, state)
        left = x < self._columns(row)[0][1]
        side = self._side(row, right=not left)
        turn = x + sign * (30 + 6 * state)
        if not left:
            turn = max(turn, side + 3 + 6 * state)
        high = self._y(row) + (6.0 if state % 2 else -6.0)
        self._arrow([(x, y), (turn, y), (turn, high), (side, high)], state)

    def _initial_states(self, row: Row) -> None:
        """What a chain begins with: zeros or learned states, or what comes from other rows."""
        sign = -1.0 if row.backwards else 1.0
        x1 = self._side(row, right=row.backwards) if row.states else 0.0
        for state, letter in enumerate(row.states):
            lane = self._lane(row, state)
            if not row.initial:
                self._arrow([(x1 - sign * 17, lane), (x1, lane)], state)
                self._label(x1 - sign * 23, lane, "0" if row.first == "0" else f"{letter}_0", 11)
                continue
            port = row.initial[state]
            source = self.rows[port.row]
            if port.state is not None:
                (x0, y0), _ = self._exit(source, port.state)
            else:
                x0, y0 = self._leave(source) + self._breadth(source) / 2, self._y(source)
            here = self.left[row.band]
            turn = here - 3 + 7 * state if here > x0 else x0 + 10
            self._arrow([(x0, y0), (turn, y0), (turn, lane), (x1, lane)], state)
            self._label(x1 - sign * 16, lane + self._beside(row, state), f"{letter}_0", 12)

    # Rows

    def _row(self, row: Row) -> None:
        y, columns = self._y(row), self._columns(row)
        if row.kind == "input":
            for step, x in columns:
                self._label(x, y, "…" if step is None else f"{row.letter}_{step}" if row.steps else row.letter, 15)
            return
        self._badge(self.left[row.band] + 16, y - (30 if row.initial else 0), row)
        if row.kind == "whole":
            first, last = columns[0][1], columns[-1][1]
            shapes.box(self.axis, (first + last) / 2, y, last - first + self._breadth(row), 28, OTHER)
            self._label((first + last) / 2, y, row.what, 12 if len(row.what) < 18 else 10)
            return
        for step, x in columns:
            self._box(x, y, row, step)
        self._hand_on(row, columns[::-1] if row.backwards else columns)

    def _box(self, x: float, y: float, row: Row, step: int | None) -> None:
        if step is None:
            self._label(x, y, "…", 15)
        elif not row.number:
            shapes.box(self.axis, x, y, *MEETING, "#FFFFFF", radius=9)
            self._label(x, y, row.what, 11)
        else:
            breadth = self._breadth(row)
            shapes.box(self.axis, x, y, breadth, HEIGHTS[row.kind], CHAIN if row.kind == "chain" else OTHER)
            words = [row.what]
            if len(row.what) > 13:  # LayerNormalization: two lines
                parts = re.findall(r"[A-Z]+[a-z0-9]*", row.what)
                words = ["".join(parts[:-1]), parts[-1]]
            size = min(12.0, (breadth - 6) / (0.66 * max(map(len, words))))
            for i, word in enumerate(words):
                self._label(x, y + (i - (len(words) - 1) / 2) * (size + 1.5), word, size)

    def _hand_on(self, row: Row, order: list[Column]) -> None:
        """The arrows from each box of a chain to the next one."""
        sign = -1.0 if row.backwards else 1.0
        for state, letter in enumerate(row.states):
            lane = self._lane(row, state)
            for (step, x), (after, to) in itertools.pairwise(order):
                start = x + sign * (BOX / 2 if step is not None else 9)
                end = to - sign * (BOX / 2 if after is not None else 9)
                self._arrow([(start, lane), (end, lane)], state)
                if step is not None and after is not None:
                    self._label(
                        start + sign * 10, lane + self._beside(row, state), f"{letter}_{step}", 12, _look(state)[0]
                    )

    def _beside(self, row: Row, state: int) -> float:
        """Where a state's label stands, seen from its arrow."""
        return 11.0 if len(row.states) > 1 and state == 0 else -10.0

    def _output(self, row: Row, letter: str) -> None:
        low = self._y(row) - self._half(row)
        columns = self._columns(row, row.steps) if row.steps else [(1, self._leave(row))]
        for step, x in columns:
            if step is not None:
                self._arrow([(x, low), (x, low - 24)])
            self._label(x, low - 35, "…" if step is None else f"{letter}_{step}" if row.steps else letter, 15)

    def _loop(self, row: Row) -> None:
        """The row before it is unrolled: one box, and its loop; the square is the delay of one step."""
        x, y = EDGE + FOLD * row.band + 54, self._y(row)
        if row.kind == "input":
            self._label(x, y, f"{row.letter}_t", 15)
            return
        for port in row.sources:
            source = self.rows[port.row]
            if source.inside and source.band == row.band:
                self._rise(x, source, row, folded=True)
        self._box(x, y, row, 1)
        if row.states:
            sign = -1.0 if row.backwards else 1.0
            edge, out = x + sign * BOX / 2, x + sign * (BOX / 2 + 17)
            self._arrow([(edge, y - 12), (out, y - 12), (out, y + 12), (edge, y + 12)], 0)
            shapes.box(self.axis, out, y, 7, 7, INK, radius=0.1)
            self._label(out, y + 25, ",".join(row.states), 11, _look(0)[0])
        if any(self.rows[port.row] is row for port in self.outputs):
            high = y - self._half(row)
            self._arrow([(x, high), (x, high - 24)])
            self._label(x, high - 35, "y_t" if row.steps else "y", 15)

    # Below

    def _legend(self) -> list[tuple[Row, list[str]]]:
        """Each row that has a number, with the lines about its weights."""
        characters = int((self.width - 2 * EDGE - 26) / (ADVANCE * 11.5))
        legend = []
        for row in self.rows:
            if row.number:
                shared = "shared by all steps: " if row.inside and row.weights else ""
                words = shared + ", ".join(weight.replace(" ", "\N{NO-BREAK SPACE}") for weight in row.weights)
                note = ["goes backwards: its outputs come last step first"] if row.turned else []
                legend.append((row, [*textwrap.wrap(words, characters), *note]))
        return legend

    def _write(self, legend: list[tuple[Row, list[str]]], y: float) -> None:
        for row, lines in legend:
            self._badge(EDGE + 10, y, row)
            shapes.write(self.axis, EDGE + 26, y + 4.3, row.name, 12, weight="bold", color=INK, parse_math=False)
            for line in lines:
                y += 16
                shapes.write(self.axis, EDGE + 26, y + 5, line, 11.5, color=SOFT, parse_math=False)
            y += 22

    def _badge(self, x: float, y: float, row: Row) -> None:
        if row.number:
            shapes.circle(self.axis, x, y, 9.5)
            self._label(x, y, str(row.number), 11)

    def _label(self, x: float, y: float, text: str, size: float, colour: str = INK) -> None:
        shapes.label(self.axis, x, y, text, size, colour)

    def _arrow(self, points: list[Point], state: int | None = None, head: bool = True) -> None:
        colour, dashes = (SOFT, "-") if state is None else _look(state)
        shapes.arrow(self.axis, points, colour, dashes, head)


def _look(state: int) -> tuple[str, Any]:
    """Colour and dashes of a state's arrows."""
    return LOOKS[min(state, len(LOOKS) - 1)]
