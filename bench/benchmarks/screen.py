"""Rows on the screen as they come: a table of rich on a terminal, if rich is installed, and plain lines elsewhere."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from .compare import Row

HEAD = ("row", "threads", "ours", "us", "ratio", "best peer", "% limit")
LEGEND = (
    "us: median microseconds a call. ratio: best peer / ours, the median over rounds; above 1 we are faster.\n"
    "% limit: the least time that this machine's cache bandwidth and arithmetic allow / ours. - : not offered."
)


def microseconds(seconds: float) -> str:
    """At least three figures."""
    us = seconds * 1e6
    return f"{us:.2f}" if us < 10 else f"{us:.1f}" if us < 100 else f"{us:.0f}"


def cells_of(row: Row, names: Sequence[str]) -> list[str]:
    """The texts of one row: HEAD, then the median of each of the other contenders named."""
    what, main = row.what, row.times[row.main]
    return [
        f"{what.cell} {what.work} {what.shape}",
        str(what.threads),
        row.main,
        microseconds(main.median),
        "-" if row.ratio is None else f"{row.ratio:.2f}",
        row.best_peer or "-",
        f"{100 * row.fraction:.0f}",
        *(microseconds(row.times[n].median) if n in row.times and n != row.main else "-" for n in names),
    ]


class Screen:
    """A context manager; `add` shows one more row.

    Args:
        names: the contenders that get a column of their own.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._live: Any = None
        self._table: Any = None
        if sys.stdout.isatty() and importlib.util.find_spec("rich") is not None:
            self._table = importlib.import_module("rich.table").Table(box=importlib.import_module("rich.box").SIMPLE)
            for number, head in enumerate([*HEAD, *names]):
                self._table.add_column(head, justify="left" if number in (0, 2, 5) else "right")
            self._live = importlib.import_module("rich.live").Live(self._table, auto_refresh=False)

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        else:
            self._line([*HEAD, *self.names])
        return self

    def add(self, row: Row) -> None:
        """Show a row, and below it what had to be left out of it."""
        texts = cells_of(row, self.names)
        if self._live is not None:
            style = "bold" if row.ratio is None or row.ratio >= 1 else "bold red"
            self._table.add_row(*texts, style=None if style == "bold" else style)
            self._live.refresh()
        else:
            self._line(texts)
        for reason in row.out.values():
            self._say(f"  left out: {reason}")

    def _say(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, markup=False)
        else:
            print(text, flush=True)

    def _line(self, texts: Sequence[str]) -> None:
        widths = (33, 8, 8, 9, 8, 13, 8)
        left = {0, 2, 5}
        parts = [
            f"{t:<{w}}" if i in left else f"{t:>{w}} "
            for i, (t, w) in enumerate(zip(texts, [*widths, *[12] * len(self.names)], strict=True))
        ]
        print("".join(parts).rstrip(), flush=True)

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()
        print(LEGEND)


def show_about(facts: Mapping[str, Any]) -> None:
    """The head: one line a subject; peers that are absent are named with the reason."""
    for name, value in facts.items():
        if name == "peers":
            value = ", ".join(value.values()) or "none"
        elif name == "absent":
            value = "; ".join(value.values()) or "none"
        print(f"{name + ':':25}{value}")
