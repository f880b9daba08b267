"""Progbar: how far a loop of the user's has come, and the means of what it reports."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..callbacks.progress import duration
from ..callbacks.progress import values as written
from ..core import check_count


class Progbar:
    """Prints how far a loop has come: a line that changes on a terminal, and one at the end everywhere else.

    Args:
        target: how many steps there will be; None where it is not known.
        width: taken for Keras's sake; there is no bar to draw.
        verbose: 0 prints nothing; 1 and 2 as Keras has them, 2 at the end alone.
        interval: seconds between two lines on a terminal.
        stateful_metrics: names of values that are shown as they are; of others it shows the means.
        unit_name: what a step is called.

    Example:
        >>> progress = Progbar(2, verbose=0)
        >>> for step in range(2):
        ...     progress.update(step + 1, [("loss", 0.5)])
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        self.target = None if target is None else check_count("target", target)
        self.width, self.verbose, self.interval, self.unit_name = width, verbose, interval, unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        self._sums: dict[str, tuple[float, int]] = {}
        self._seen, self._start, self._drawn = 0, time.perf_counter(), 0.0

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Show that `current` steps are done.

        Args:
            current: how many steps. values: pairs of a name and a number, of the steps since the last call.
            finalize: whether that is all; None where `current` has reached `target`.
        """
        steps = max(current - self._seen, 1)
        for name, value in values or ():
            number = float(np.mean(value))
            total, count = (0.0, 0) if name in self.stateful_metrics else self._sums.get(name, (0.0, 0))
            self._sums[name] = (number, 1) if name in self.stateful_metrics else (total + number * steps, count + steps)
        self._seen, now = current, time.perf_counter()
        last = self.target is not None and current >= self.target if finalize is None else finalize
        terminal = self.verbose == 1 and sys.stdout.isatty()
        if not self.verbose or not (last or (terminal and now - self._drawn >= self.interval)):
            return
        self._drawn, seconds = now, now - self._start
        means = written({name: total / count for name, (total, count) in self._sums.items()})
        done = f"{current}/{self.target or (current if last else '?')}"
        parts = [done, f"{seconds:.0f}s", f"{duration(seconds / max(current, 1))}/{self.unit_name}", means]
        print("\r" * terminal + " - ".join(filter(None, parts)), end="\n" if last else "", flush=True)

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that n more steps are done."""
        self.update(self._seen + n, values)
