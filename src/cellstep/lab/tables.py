"""Tables and numbers in plain characters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

#: A header, and rows of the same length; cells are text, ready to be read.
Table = tuple[Sequence[str], Sequence[Sequence[str]]]

#: Rows of a table that a summary shows; of more the first and the last ones.
MOST_ROWS = 30

#: Columns of a terminal that a table in plain characters fits into.
WIDTH = 80


def rounded(value: Any, digits: int = 3) -> str:
    """A number in a sentence or a table, to so many significant digits."""
    value = float(value)
    if not np.isfinite(value):
        return str(value)
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{digits}g}"


def text_table(table: Table) -> str:
    """A table in plain characters, the first column to the left, the others to the right.

    Of a long one the middle is left out. One wider than `WIDTH` has its headings broken and its columns closer
    together; if that is not enough, its columns are told in parts one below the other, each of which begins with
    the columns that tell the rows apart.
    """
    header, rows = table
    key = next((k for k in range(1, len(header)) if len({tuple(row[:k]) for row in rows}) == len(rows)), 1)
    left_out = len(rows) - MOST_ROWS // 2 * 2 if len(rows) > MOST_ROWS else 0
    if left_out:
        rows = [*rows[: MOST_ROWS // 2], *rows[-(MOST_ROWS // 2) :]]
    columns = [Column([head], [row[i] for row in rows]) for i, head in enumerate(header)]
    parts = [columns]
    if _width(columns, 2) > WIDTH:
        columns = [column.narrowed() for column in columns]
        parts = [columns[:key]]
        for column in columns[key:]:
            if len(parts[-1]) > key and _width([*parts[-1], column], 1) > WIDTH:
                parts.append(columns[:key])
            parts[-1] = [*parts[-1], column]
    return "\n\n".join(_drawn(part, 2 if _width(part, 2) <= WIDTH else 1, left_out) for part in parts)


class Column(NamedTuple):
    """The lines of a heading, and the cells below it."""

    head: list[str]
    body: list[str]

    @property
    def width(self) -> int:
        return max(map(len, [*self.head, *self.body]))

    def narrowed(self) -> Column:
        """The heading broken at its spaces and after slashes, where it is what makes the column wide."""
        wide = len(self.head[0]) > max(map(len, self.body), default=0)
        return Column(re.split(r"\s+|(?<=/)", self.head[0]), self.body) if wide else self


def _width(columns: list[Column], gap: int) -> int:
    return sum(column.width for column in columns) + gap * (len(columns) - 1)


def _drawn(columns: list[Column], gap: int, left_out: int) -> str:
    """Columns as lines of text, headings at the bottom of their lines."""
    high = max(len(column.head) for column in columns)
    cells = zip(*([*[""] * (high - len(c.head)), *c.head, *c.body] for c in columns), strict=True)
    lines = []
    for line in cells:
        padded = [
            f"{cell:>{c.width}}" if i else f"{cell:<{c.width}}"
            for i, (cell, c) in enumerate(zip(line, columns, strict=True))
        ]
        lines.append((" " * gap).join(padded).rstrip())
    if left_out:
        lines.insert(high + MOST_ROWS // 2, f"... {left_out} more: table()")
    return "\n".join([*lines[:high], "-" * _width(columns, gap), *lines[high:]])
