"""Tables and numbers in plain characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: A header, and rows of the same length; cells are text, ready to be read.
Table = tuple[Sequence[str], Sequence[Sequence[str]]]

#: Rows of a table that a summary shows; of more the first and the last ones.
MOST_ROWS = 30


def rounded(value: Any, digits: int = 3) -> str:
    """A number in a sentence or a table, to so many significant digits."""
    value = float(value)
    if not np.isfinite(value):
        return str(value)
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{digits}g}"


def text_table(table: Table) -> str:
    """A table in plain characters: first column to the left, the others to the right; the middle of a long one is left
    out."""
    header, rows = table
    if len(rows) > MOST_ROWS:
        ends = MOST_ROWS // 2
        gap = [f"... {len(rows) - 2 * ends} more: table()", *[""] * (len(header) - 1)]
        rows = [*rows[:ends], gap, *rows[-ends:]]
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    padded = [
        "  ".join(f"{cell:>{w}}" if i else f"{cell:<{w}}" for i, (cell, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    return "\n".join(line.rstrip() for line in [padded[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *padded[1:]])
