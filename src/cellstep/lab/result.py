"""What every result of the lab can do: tell itself in words, as a table, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import atomic
from . import style
from .html_parts import prose, table_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: A header, and rows of the same length; cells are text, ready to be read.
Table = tuple[Sequence[str], Sequence[Sequence[str]]]


class Result:
    """Base of the results. A subclass writes `summary` and `_figure`, and `table` where one makes sense."""

    #: What a page calls it.
    title: str = "Result"

    def summary(self) -> str:
        """A few plain sentences, and a small table."""
        raise NotImplementedError(f"{type(self).__name__} has no summary")

    def table(self) -> Table | None:
        """A header and rows, or None where no table makes sense."""
        return None

    def tables(self) -> list[Table]:
        """All tables of the summary, in order."""
        table = self.table()
        return [] if table is None else [table]

    def _repr_html_(self) -> str:
        """For notebooks: the title, the sentences of the summary, and its tables."""
        tables = self.tables()
        text = "".join(f"<p>{escape(each)}</p>" for each in prose(self.summary(), map(text_table, tables)))
        return f"<h3>{escape(self.title)}</h3>{text}{''.join(table_of(table, self.title) for table in tables)}"

    def _figure(self) -> Figure:
        """The picture, made with `style.figure`; called inside `style.context()`."""
        raise NotImplementedError(f"{type(self).__name__} has no picture")

    def draw(self, path: str | Path | None = None) -> Figure:
        """The picture.

        Args:
            path: a file to write it to as well; `.png`, `.svg` or `.pdf`.

        Returns:
            a matplotlib Figure, which belongs to no pyplot window.

        Raises:
            ImportError: matplotlib is missing.
            ValueError: another ending.
        """
        if path is not None:
            style.ending(path)  # an error before the work
        with style.context():
            figure = self._figure()
        if path is not None and style.ending(path) == "svg":
            atomic.write(path, style.svg(figure, self.title, self.summary()))
        elif path is not None:
            style.save(figure, path)
        return figure


def rounded(value: Any, digits: int = 3) -> str:
    """A number in a sentence or a table, to so many significant digits."""
    value = float(value)
    if not np.isfinite(value):
        return str(value)
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{digits}g}"


def text_table(table: Table) -> str:
    """A table in plain characters: first column to the left, the others to the right."""
    header, rows = table
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    padded = [
        "  ".join(f"{cell:>{w}}" if i else f"{cell:<{w}}" for i, (cell, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    return "\n".join(line.rstrip() for line in [padded[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *padded[1:]])
