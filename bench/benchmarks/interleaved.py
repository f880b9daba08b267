"""Time several callables against each other on a machine that others use too.

Blocks alternate: all contenders run once in each round, in turn, so that a slow minute hits all of them, and a ratio
is taken within a round. A block starts with a pause, in which the threads that the other contender's library left
spinning go to sleep, and with calls that are not counted, which wake its own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Pace(NamedTuple):
    """How long a block lasts, in seconds, and how many rounds there are."""

    pause: float = 0.03
    warm: float = 0.02
    block: float = 0.06
    rounds: int = 9


@dataclass
class Timing:
    """Seconds a call: the medians by round, and the best of all."""

    rounds: list[float]
    best: float

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def times_faster(self, than: Timing) -> float:
        """The median over the rounds of other / this: above 1 where this one is faster."""
        return statistics.median(b / a for a, b in zip(self.rounds, than.rounds, strict=True))


def calls(run: Callable[[], Any], n: int) -> float:
    """Seconds a call, over n calls."""
    start = time.perf_counter()
    for _ in range(n):
        run()
    return (time.perf_counter() - start) / n


def _block(run: Callable[[], Any], chunk: int, pace: Pace) -> tuple[float, float]:
    """One block: the median and the least of its chunks, in seconds a call."""
    time.sleep(pace.pause)
    until = time.perf_counter() + pace.warm
    while time.perf_counter() < until:
        run()
    chunks: list[float] = []
    until = time.perf_counter() + pace.block
    while not chunks or time.perf_counter() < until:
        chunks.append(calls(run, chunk))
    return statistics.median(chunks), min(chunks)


def compare(contenders: Mapping[str, Callable[[], Any]], pace: Pace = Pace()) -> dict[str, Timing]:  # noqa: B008
    """Time every contender in turn, in `pace.rounds` rounds; the order is turned round in every second one.

    Args:
        contenders: by name, a callable without arguments.
        pace: how long and how often.
    """
    # a chunk takes about a millisecond, so that the clock's own cost does not show
    chunk = {name: max(1, int(1e-3 / max(calls(run, 3), 1e-7))) for name, run in contenders.items()}
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for r in range(pace.rounds):
        names = list(contenders) if r % 2 == 0 else list(contenders)[::-1]
        for name in names:
            seen[name].append(_block(contenders[name], chunk[name], pace))
    return {name: Timing([m for m, _ in blocks], min(b for _, b in blocks)) for name, blocks in seen.items()}
