"""Calls timed one by one, in the conditions in which programs make them: with gaps, after other libraries, beside
busy processes.

A condition says what lies between two calls (nothing, a sleep, a call of another library) and which processors busy
processes hold. Contenders take turns, a block of calls each; every block begins with a rest, in which the threads of
the others go to sleep, and with calls that do not count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Run = Callable[[], Any]
BUSY = "import os\nos.sched_setaffinity(0, {{{}}})\nwhile True: pass"


@dataclass(frozen=True)
class Condition:
    """gap: seconds between calls. after: the library called before each. busy: "one core", "each core" or ""."""

    gap: float = 0.0
    after: str = ""
    busy: str = ""

    def __str__(self) -> str:
        beside = f"busy process on {self.busy}" if self.busy else ""
        gap = f"every {1e3 * self.gap:.0f} ms" if self.gap else ""
        after = f"after {self.after}" if self.after else ""
        return ", ".join(filter(None, (beside, gap, after))) or "back to back"


class Pace(NamedTuple):
    """Of blocks: seconds of calls, the least and the most calls, rounds of all contenders, rest before each block."""

    seconds: float = 0.35
    least: int = 6
    most: int = 300
    rounds: int = 3
    rest: float = 0.03


class Contender(NamedTuple):
    """run: what is timed. prepare: before each block, the number of threads."""

    run: Run
    prepare: Run


class Calls:
    """Seconds of every call, by round."""

    def __init__(self, rounds: Sequence[Sequence[float]]) -> None:
        self.rounds = [np.array(calls) for calls in rounds]

    def quantile(self, q: float) -> float:
        """Of all calls."""
        return float(np.quantile(np.concatenate(self.rounds), q))

    @property
    def median(self) -> float:
        return self.quantile(0.5)

    def times_faster(self, than: Calls) -> float:
        """Other / this, of the medians of a round; the median over the rounds."""
        pairs = zip(self.rounds, than.rounds, strict=True)
        return float(np.median([np.median(b) / np.median(a) for a, b in pairs]))

    def as_dict(self) -> dict[str, Any]:
        """For JSON, in seconds."""
        calls = int(sum(map(len, self.rounds)))
        medians = [float(np.median(r)) for r in self.rounds]
        figures = {name: self.quantile(q) for name, q in (("median", 0.5), ("90th", 0.9), ("99th", 0.99))}
        return figures | {"calls": calls, "medians of rounds": medians}


def processors() -> list[int]:
    """Those that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))


@contextmanager
def neighbours(where: Sequence[int]) -> Iterator[None]:
    """A busy process on each of these processors."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY.format(i)]) for i in where]
    try:
        if busy:
            time.sleep(0.3)
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def measure(
    contenders: Mapping[str, Contender], condition: Condition, pace: Pace, before: Run | None = None
) -> dict[str, Calls]:
    """Time every call of every contender.

    Args:
        before: what runs just before each call, and is not timed.
    """
    where = {"": [], "one core": processors()[-1:], "each core": processors()}[condition.busy]
    seen: dict[str, list[list[float]]] = {name: [] for name in contenders}
    with neighbours(where):
        for r in range(pace.rounds):
            for name in list(contenders)[:: -1 if r % 2 else 1]:
                contenders[name].prepare()
                seen[name].append(_block(contenders[name].run, condition.gap, pace, before))
    return {name: Calls(rounds) for name, rounds in seen.items()}


def _block(run: Run, gap: float, pace: Pace, before: Run | None) -> list[float]:
    time.sleep(pace.rest)
    took: list[float] = []
    until = 0.0
    # the first two do not count
    while len(took) < pace.least + 2 or (time.perf_counter() < until and len(took) < pace.most + 2):
        if gap:
            time.sleep(gap)
        if before is not None:
            before()
        start = time.perf_counter()
        run()
        end = time.perf_counter()
        took.append(end - start)
        if len(took) == 2:
            until = end + pace.seconds
    return took[2:]
