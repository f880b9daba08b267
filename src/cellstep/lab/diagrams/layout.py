"""Layout: where the rows of a model lie: bands of columns side by side, levels on top of each other."""

from __future__ import annotations

from .model_rows import Port, Row

WIDE, NARROW = 84.0, 48.0  # between columns; where steps are left out
BEFORE, AFTER = 60.0, 30.0  # room of a band for the first states and for what leaves the last column
BOX, GAP, EDGE, FOLD = 54.0, 38.0, 14.0, 124.0
HEIGHTS = {"input": 26.0, "chain": 48.0, "pair": 158.0, "each": 28.0, "whole": 28.0, "single": 28.0}
#: A box of a pair stands this far from the middle of its column, so that arrows pass beside the other one.
ASIDE = 13.0


def shown(steps: int, columns: int) -> list[int | None]:
    """The steps that are drawn; None for those left out."""
    if steps <= columns:
        return list(range(1, steps + 1))
    return [*range(1, columns - 1), None, steps]


class Layout:
    """Where everything lies, in units of the drawing, from its upper left corner.

    Args:
        rows: as `Reader` gives them. outputs: ports of the model's outputs.
        columns: at most so many a band. fold: with the loop beside each band.
    """

    def __init__(self, rows: list[Row], outputs: list[Port], columns: int, fold: bool) -> None:
        self.rows, self.outputs, self.fold = rows, outputs, fold
        bands = range(max(row.band for row in rows) + 1)
        self.columns = min(columns, 4 if len(bands) == 1 else 3) if columns == 4 else columns
        self.left: list[float] = []
        self.right: list[float] = []
        at = EDGE + (FOLD * len(bands) if fold else 0.0)
        for band in bands:
            most = max([self._width(row.inside) for row in rows if row.band == band and row.inside] or [0.0])
            self.left.append(at)
            back = any(row.kind == "pair" or row.backwards for row in rows if row.band == band)
            at = self.left[-1] + BEFORE + max(most, BOX) + AFTER + (20.0 if back else 0.0)
            self.right.append(at)
        self.width = max(at + EDGE, 340.0)
        levels = range(max(row.level for row in rows) + 1)
        heights = [max([HEIGHTS[row.kind] for row in rows if row.level == level] or [0.0]) for level in levels]
        self.top = EDGE + 16
        bottom = self.top + sum(heights) + GAP * len(heights)
        self.level_y: list[float] = []
        y = bottom
        for height in heights:
            y -= height + GAP
            self.level_y.append(y + GAP + height / 2)
        self.bottom = bottom + 10

    def _width(self, steps: int) -> float:
        return sum(NARROW if step is None else WIDE for step in shown(steps, self.columns)) - (WIDE - BOX)

    def _y(self, row: Row) -> float:
        return self.level_y[row.level]

    def _xs(self, row: Row, steps: int | None = None) -> list[tuple[int | None, float]]:
        """Step and middle of each column of a row; the one place of a row outside of time."""
        start = self.left[row.band] + BEFORE + BOX / 2
        n = steps or row.inside
        if n is None:
            return [(1, self._end(row))]
        found: list[tuple[int | None, float]] = []
        x = start
        for i, step in enumerate(shown(n, self.columns)):
            if i:
                x += (WIDE + NARROW) / 2 if None in (step, shown(n, self.columns)[i - 1]) else WIDE
            found.append((step, x))
        return found

    def _end(self, row: Row) -> float:
        """Where a row outside of time stands: above what it reads."""
        for port in row.sources:
            source = self.rows[port.row]
            if source.band == row.band:
                return self._leave(source)
        most = max([other.inside for other in self.rows if other.band == row.band and other.inside] or [1])
        return self._xs(row, most)[-1][1]

    def _leave(self, row: Row) -> float:
        """Where the one output of a row leaves it."""
        columns = self._xs(row)
        return columns[0][1] if row.kind == "chain" and row.backwards else columns[-1][1]

    def _half(self, row: Row) -> float:
        return HEIGHTS[row.kind] / 2

    def _breadth(self, row: Row) -> float:
        """How wide a box of a row is: as its word needs, as far as columns allow."""
        return max(BOX, min(6.9 * len(row.what) + 10, WIDE - 6)) if row.kind not in ("chain", "pair") else BOX

    def _chain_y(self, row: Row, way: str) -> float:
        if row.kind != "pair":
            return self._y(row)
        return self._y(row) + (42 if way == "→" else -18)

    def _lane(self, row: Row, letter: str) -> float:
        """How far above (-) or below the middle of a box a state's arrow runs: c above, h below, as in textbooks."""
        if len(row.states) == 1:
            return 0.0
        place = row.states[::-1].index(letter)
        return -13.0 + 26.0 * place / (len(row.states) - 1)

    def _skips(self, source: Row, row: Row) -> bool:
        return row.level - source.level > 1 and source.band == row.band
