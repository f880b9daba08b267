"""Bars that move while a run goes on: rich's on a terminal, HTML that is displayed anew in a notebook."""

from __future__ import annotations

import importlib.util
import sys
import time
from html import escape
from typing import Any, Protocol


class Bar(Protocol):
    """What is on the screen until `stop`."""

    def update(self, seen: int, text: str) -> None: ...
    def stop(self) -> None: ...


_hinted = False


def started(total: int | None) -> Bar | None:
    """A bar over `total` steps, where output is watched; else none. Of a terminal without rich the first one is a line
    that says what would draw it."""
    global _hinted
    display = _display()
    if display is not None:
        return NotebookBar(display, total)
    if not sys.stdout.isatty():
        return None
    if importlib.util.find_spec("rich") is not None:
        return terminal_bar(total)
    if not _hinted:
        _hinted = True
        print('A bar that moves: pip install "rich>=13".', flush=True)
    return None


def _display() -> Any:
    """IPython's display, where this runs in a notebook."""
    ipython = sys.modules.get("IPython")  # which a notebook has imported
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display


class NotebookBar:
    """A bar in the output of a notebook's cell, as HTML: nothing but IPython is needed."""

    def __init__(self, display: Any, total: int | None) -> None:
        self.total, self.start = total, time.perf_counter()
        self._html = ""
        self._handle = display(self, display_id=True)

    def __repr__(self) -> str:
        return ""  # a notebook kept as text has the line

    def _repr_html_(self) -> str:
        return self._html

    def _show(self, html: str) -> None:
        self._html = html
        self._handle.update(self)

    def update(self, seen: int, text: str) -> None:
        """Show that `seen` steps are done, what the rest may take, and the text."""
        of, left = "", ""
        if self.total:
            of = f"/{self.total}"
            rest = (time.perf_counter() - self.start) / seen * (self.total - seen)
            left = f" {int(rest) // 60}:{int(rest) % 60:02d} left"
        size = f' value="{seen}" max="{self.total}"' if self.total else ""
        self._show(f"{seen}{of} <progress{size}></progress>{left} {escape(text)}")

    def stop(self) -> None:
        self._show("")


class TerminalBar:
    """rich's, which goes when it stops."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task

    def update(self, seen: int, text: str) -> None:
        self._bar.update(self._task, completed=seen, logs=text)

    def stop(self) -> None:
        self._bar.stop()


def terminal_bar(total: int | None) -> TerminalBar | None:
    """None where another bar is on the screen, as when a callback of fit calls predict: older versions of rich refuse
    a second one. The line at the end is enough."""
    from rich.errors import LiveError
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (MofNCompleteColumn(), BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[logs]}"))
    bar = Progress(*columns, transient=True)
    task = bar.add_task("", total=total, logs="")
    try:
        bar.start()
    except LiveError:
        return None
    return TerminalBar(bar, task)
