"""How far a long study has come, on one line of standard error."""

from __future__ import annotations

import sys
import time

from ...callbacks.progress import duration


class Progress:
    """Counts runs of about the same length, and says how long the others will take.

    Args:
        total: how many runs there will be. verbose: None for "if standard error is a terminal".
    """

    def __init__(self, total: int, verbose: bool | None) -> None:
        self.total, self.runs, self.began = total, 0, time.perf_counter()
        self.terminal = sys.stderr.isatty()
        self.verbose = self.terminal if verbose is None else verbose

    def done(self, what: str) -> None:
        """One run more. On a terminal the line changes in place, and goes at the end."""
        self.runs += 1
        if not self.verbose:
            return
        left = (time.perf_counter() - self.began) / self.runs * (self.total - self.runs)
        line = f"{self.runs} of {self.total} runs ({what}), about {duration(left)} to go"
        if self.terminal:
            line = f"\r\033[K{line if self.runs < self.total else ''}"
        sys.stderr.write(line if self.terminal else f"{line}\n")
        sys.stderr.flush()
