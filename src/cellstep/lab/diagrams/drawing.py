"""Drawing: the rows of a model on a canvas: boxes, arrows from step to step and from row to row, loops, weights."""

from __future__ import annotations

import itertools
import re

from .layout import ASIDE, BOX, EDGE, FOLD, GAP, HEIGHTS, WIDE, Layout
from .model_rows import Port, Row
from .svg import INK, SOFT, Canvas, Point, wrap

FILLS = {"chain": "#DCEBF7", "pair": "#DCEBF7", "each": "#F4F1E4", "whole": "#F4F1E4", "single": "#F4F1E4"}
H, C = "#B34700", "#0072B2"  # vermillion, darker for text; blue


class Drawing(Layout):
    """Draws what `Layout` places.

    Args:
        rows, outputs, columns, fold: as for Layout.
    """

    def __init__(self, rows: list[Row], outputs: list[Port], columns: int, fold: bool) -> None:
        super().__init__(rows, outputs, columns, fold)
        self.canvas = Canvas()

    def draw(self, title: str, description: str) -> str:
        edges = [(self.rows[port.row], port, row) for row in self.rows for port in row.sources]
        for source, port, row in edges:
            if not self._skips(source, row):
                self._connect(source, port, row)
        for row in self.rows:
            self._hand_over(row)
            self._row(row)
            if self.fold and row.inside:
                self._folded(row)
        for source, port, row in edges:
            if self._skips(source, row):  # over the boxes that they pass
                self._connect(source, port, row)
        for number, port in enumerate(self.outputs):
            self._output(self.rows[port.row], "y" + "′" * number)
        height = self._legend(self.bottom + 16)
        return self.canvas.document(self.width, height, title, description)

    # --- between rows -----------------------------------------------------------------------------------------------

    def _connect(self, source: Row, port: Port, row: Row) -> None:
        low, high = self._y(source) - self._half(source), self._y(row) + self._half(row)
        if port.state is not None:
            self._take_state(source, port.state, row)
        elif source.band != row.band:
            self._cross(source, row, low)
        elif source.steps and row.inside == source.steps:
            for step, x in self._xs(row):
                if step is not None:
                    self._up(x, low, high, source, row)
                    if row.kind == "pair":
                        self._feed_pair(row, x, high)
        elif source.steps:
            for step, x in self._xs(source, source.steps):
                if step is not None:
                    self._up(x, low, high, source, row)
        else:
            self._up(self._leave(source), low, high, source, row)

    def _up(self, x: float, low: float, high: float, source: Row, row: Row) -> None:
        if self._skips(source, row):
            side = x - WIDE / 2 + 4
            self.canvas.arrow([(x, low), (side, low - GAP), (side, high + GAP), (x, high)], curve=True)
        else:
            self.canvas.arrow([(x, low), (x, high)], head=row.kind != "pair")

    def _cross(self, source: Row, row: Row, low: float) -> None:
        """From one band into another: up from its last column, then to the side of the row."""
        x, y = self._leave(source), self._y(row)
        right = self.left[row.band] > self.left[source.band]
        columns = self._xs(row)
        half = self._breadth(row) / 2
        side = columns[0][1] - half if right else columns[-1][1] + half
        if source.steps:
            for step, at in self._xs(source, source.steps):
                if step is not None:
                    self.canvas.arrow([(at, low), (at, y)], head=False)
            x = self._xs(source, source.steps)[0][1]
        self.canvas.arrow([(x, low), (x, y), (side, y)])

    def _exit(self, row: Row, state: int) -> tuple[float, float, float]:
        """Where the last of a state leaves a chain, and in which direction of x."""
        columns = self._xs(row)
        backwards = row.backwards or (row.kind == "pair" and state >= len(row.states))
        aside = 0.0 if row.kind != "pair" else ASIDE if backwards else -ASIDE
        sign = -1.0 if backwards else 1.0
        x = columns[0 if backwards else -1][1] + aside + sign * BOX / 2
        y = self._chain_y(row, "←" if backwards else "→") + self._lane(row, row.states[state % len(row.states)])
        return x, y, sign

    def _take_state(self, source: Row, state: int, row: Row) -> None:
        """A last state that is the input of a layer: out of the chain, up, and to the side of the row's box."""
        x, y, sign = self._exit(source, state)
        letter = source.states[state % len(source.states)]
        colour, dashes = _look(letter)
        columns, half = self._xs(row), self._breadth(row) / 2
        left = x < columns[0][1]
        side = columns[0][1] - half if left else columns[-1][1] + half
        turn = x + sign * (15 + 7 * (state % len(source.states)))
        if not left:
            turn = max(turn, side + 3 + 7 * (state % len(source.states)))
        high = self._y(row) + (6.0 if state % 2 else -6.0)
        self.canvas.arrow([(x, y), (turn, y), (turn, high), (side, high)], colour, dashes)

    def _hand_over(self, row: Row) -> None:
        """The first states that come from other rows."""
        if not row.initial:
            return
        columns = self._xs(row)
        for i, port in enumerate(row.initial):
            source = self.rows[port.row]
            letter = row.states[i % len(row.states)]
            in_pair = row.kind == "pair"
            backwards = row.backwards or (in_pair and i >= len(row.initial) // 2)
            x1 = columns[-1][1] + BOX / 2 if backwards else columns[0][1] - BOX / 2
            if in_pair:
                x1 += ASIDE if backwards else -ASIDE
            y1 = self._chain_y(row, "←" if backwards else "→") + self._lane(row, letter)
            colour, dashes = _look(letter)
            if port.state is not None:
                x0, y0, _ = self._exit(source, port.state)
            else:
                x0, y0 = self._leave(source) + self._breadth(source) / 2, self._y(source)
            turn = self.left[row.band] - 3 + 7 * i if self.left[row.band] > x0 else x0 + 10
            points: list[Point] = [(x0, y0), (turn, y0), (turn, y1), (x1, y1)]
            self.canvas.arrow(points if abs(y0 - y1) > 0.5 else [points[0], points[-1]], colour, dashes)
            self.canvas.text(x1 - 16 if not backwards else x1 + 16, y1 + self._beside(row, letter), f"{letter}_0", 12)

    # --- rows -------------------------------------------------------------------------------------------------------

    def _row(self, row: Row) -> None:
        y, columns = self._y(row), self._xs(row)
        if row.kind == "input":
            for step, x in columns:
                label = "…" if step is None else f"{row.letter}_{step}" if row.steps else row.letter
                self.canvas.text(x, y, label, 15)
            return
        self._badge(self.left[row.band] + 16, y - (30 if row.initial else 0), row)
        if row.kind == "chain":
            self._chain(row, columns, y, "←" if row.backwards else "→", 0.0)
        elif row.kind == "pair":
            self._chain(row, columns, self._chain_y(row, "→"), "→", -ASIDE)
            self._chain(row, columns, self._chain_y(row, "←"), "←", ASIDE)
            self._join(row, columns)
        elif row.kind == "whole":
            first, last = columns[0][1], columns[-1][1]
            self.canvas.box((first + last) / 2, y, last - first + self._breadth(row), 28, FILLS["whole"])
            self.canvas.text((first + last) / 2, y, row.what, 12 if len(row.what) < 18 else 10)
        else:
            for step, x in columns:
                self._box(x, y, row, step, 28)

    def _badge(self, x: float, y: float, row: Row) -> None:
        self.canvas.circle(x, y, 9.5, "#FFFFFF")
        self.canvas.text(x, y, str(row.number), 11)

    def _box(self, x: float, y: float, row: Row, step: int | None, height: float) -> None:
        if step is None:
            self.canvas.text(x, y, "…", 15)
            return
        breadth = self._breadth(row)
        self.canvas.box(x, y, breadth, height, FILLS[row.kind])
        words = [row.what]
        if len(row.what) > 13:  # LayerNormalization: two lines
            words = re.findall(r"[A-Z]+[a-z0-9]*", row.what)
            words = ["".join(words[:-1]), words[-1]]
        size = min(12.0, (breadth - 6) / (0.66 * max(map(len, words))))
        for i, word in enumerate(words):
            self.canvas.text(x, y + (i - (len(words) - 1) / 2) * (size + 1.5), word, size)

    def _beside(self, row: Row, letter: str) -> float:
        """Where a state's label stands, seen from its arrow."""
        return 11.0 if len(row.states) > 1 and letter == row.states[0] else -10.0

    def _chain(self, row: Row, columns: list[tuple[int | None, float]], y: float, way: str, aside: float) -> None:
        """Boxes, and the arrows from each to the next one in the direction of running."""
        places = [(step, x + aside) for step, x in columns]
        for step, x in places:
            self._box(x, y, row, step, 48)
        order = places if way == "→" else places[::-1]
        sign = 1.0 if way == "→" else -1.0
        for letter in row.states:
            lane, beside = y + self._lane(row, letter), self._beside(row, letter)
            colour, dashes = _look(letter)
            if not row.initial:
                x = order[0][1] - sign * BOX / 2
                self.canvas.arrow([(x - sign * 17, lane), (x, lane)], colour, dashes)
                self.canvas.text(x - sign * 23, lane, "0" if row.first == "0" else f"{letter}_0", 11)
            for (step, x), (after, to) in itertools.pairwise(order):
                start = x + sign * (BOX / 2 if step is not None else 9)
                end = to - sign * (BOX / 2 if after is not None else 9)
                self.canvas.arrow([(start, lane), (end, lane)], colour, dashes)
                if step is not None and after is not None:
                    middle = start + sign * 8 if row.kind == "pair" else (start + end) / 2 - sign * 2
                    self.canvas.text(middle, lane + beside, f"{letter}_{step}", 12, colour=colour)

    def _feed_pair(self, row: Row, x: float, low: float) -> None:
        """From below a pair to its two boxes; the one above is reached beside the one below."""
        for aside, way in ((-ASIDE, "→"), (ASIDE + BOX / 2 - 8, "←")):
            top = self._chain_y(row, way) + HEIGHTS["chain"] / 2
            self.canvas.arrow([(x, low), (x + aside, low), (x + aside, top)])

    def _join(self, row: Row, columns: list[tuple[int | None, float]]) -> None:
        """Where the outputs of the two directions meet: at each step, or at the end of both."""
        top = self._y(row) - HEIGHTS["pair"] / 2 + 9
        there, back = (self._chain_y(row, way) - HEIGHTS["chain"] / 2 for way in "→←")
        steps = [x for step, x in columns if step is not None]
        for x in steps if row.sequences else steps[-1:]:
            left = x - ASIDE - BOX / 2 + 7
            self.canvas.arrow([(left, there), (left, top + 3), (x - 16, top + 3)])
            if row.sequences or len(steps) == 1:
                self.canvas.arrow([(x + ASIDE, back), (x + ASIDE, top + 8)])
            else:
                self.canvas.arrow([(steps[0] + ASIDE, back), (steps[0] + ASIDE, top - 4), (x - 16, top - 4)])
            self.canvas.box(x, top, 34, 18, "#FFFFFF", radius=9)
            self.canvas.text(x, top, row.merge, 11)

    def _output(self, row: Row, letter: str) -> None:
        low, high = self._y(row) - self._half(row), self._y(row) - self._half(row) - 24
        columns = self._xs(row, row.steps) if row.steps else [(None, self._leave(row))]
        for step, x in columns:
            if row.steps and step is None:
                self.canvas.text(x, high - 11, "…", 15)
                continue
            self.canvas.arrow([(x, low), (x, high)])
            self.canvas.text(x, high - 11, f"{letter}_{step}" if row.steps else letter, 15)

    # --- beside and below -------------------------------------------------------------------------------------------

    def _folded(self, row: Row) -> None:
        """The row before it is unrolled: one box, and its loop; the square is the delay of one step."""
        x, y = EDGE + FOLD * row.band + 54, self._y(row)
        if row.kind == "input":
            self.canvas.text(x, y, f"{row.letter}_t", 15)
            return
        half = self._half(row) if row.kind != "pair" else 24.0
        source = self.rows[row.sources[0].row]
        if source.inside and source.band == row.band:
            below = self._half(source) if source.kind != "pair" else 24.0
            self.canvas.arrow([(x, self._y(source) - below), (x, y + half)])
        self._box(x, y, row, 1, 2 * half)
        names = ",".join(row.states)
        ways = [(1.0, names)] if row.kind == "chain" else [(1.0, f"{names}→"), (-1.0, f"←{names}")]
        for side, label in ways if row.states else []:
            edge, out = x + side * BOX / 2, x + side * (BOX / 2 + 17)
            self.canvas.arrow([(edge, y - 12), (out, y - 12), (out, y + 12), (edge, y + 12)], H)
            self.canvas.box(out, y, 7, 7, INK, radius=0)
            self.canvas.text(out, y + 25, label, 11, colour=H)
        if any(self.rows[port.row] is row for port in self.outputs):
            self.canvas.arrow([(x, y - half), (x, y - half - 24)])
            self.canvas.text(x, y - half - 35, "y_t" if row.steps else "y", 15)

    def _legend(self, y: float) -> float:
        """Under the drawing: each row's name and weights. The lower end."""
        room = self.width - 2 * EDGE - 26
        for row in (row for row in self.rows if row.kind != "input"):
            self._badge(EDGE + 10, y, row)
            self.canvas.text(EDGE + 26, y, row.name, 12, "start", bold=True, plain=True)
            y += 17
            shared = ["shared by all steps:"] if row.inside and row.weights else []
            note = ["goes backwards: its outputs come last step first"] if row.turned else []
            parts = [part + ("," if i < len(row.weights) - 1 else "") for i, part in enumerate(row.weights)]
            for line in [*wrap([*shared, *parts], room, 11.5), *note]:
                self.canvas.text(EDGE + 26, y, line, 11.5, "start", colour=SOFT, plain=True)
                y += 16
            y += 5
        return y + EDGE - 10


def _look(letter: str) -> tuple[str, str]:
    """Colour and dashes of a state's arrows."""
    return {"h": (H, ""), "c": (C, "5 2.5")}.get(letter, (INK, "2 2"))
