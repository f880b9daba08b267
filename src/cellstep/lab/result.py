"""What every result of the lab can do: tell itself in words, as a table, and as a picture."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from .. import atomic
from ..core import check_path
from . import style
from .html_parts import prose, table_of
from .html_report import report
from .tables import Table, text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Result:
    """Base of the results. A subclass writes `summary` and `_figure`, and `table` where one makes sense."""

    #: What a page calls it.
    title: str

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
            path: a file to write it to as well; `.png`, `.svg` or `.pdf`; or `.html`, a page with the summary and the
                tables too (`report`).

        Returns:
            a matplotlib Figure, which belongs to no pyplot window.

        Raises:
            ImportError: matplotlib is missing.
            ValueError: another ending.
        """
        page = path is not None and check_path("path", path).suffix.lower() in (".html", ".htm")
        if path is not None and not page:
            style.ending(path)  # an error before the work
        with style.context():
            figure = self._figure()
        if path is not None and page:
            report(self, path, self.title)
        elif path is not None and style.ending(path) == "svg":
            atomic.write(path, style.svg(figure, self.title, self.summary()))
        elif path is not None:
            style.save(figure, path)
        return figure
