"""Rows of the table, timed: ours against peers, interleaved, each answer checked first."""

from __future__ import annotations

import gc
import importlib.util
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import __version__, config, kernels
from . import interleaved, ours, threads
from .answers import WrongAnswer, check
from .interleaved import Pace, Timing
from .limits import Limits
from .peers import Peer
from .problem import Problem, Runner
from .shapes import Shape

#: Contenders of ours besides the kernels of each backend.
LEVELS = {"stream": ours.stream_level, "layers": ours.layer_level, "padded": ours.padded}
#: Kernels of a backend, by the contender's name: the NumPy backend is not the peer that is NumPy by hand.
BACKENDS = {"cython": "cython", "numba": "numba", "reference": "numpy"}
#: The names of both.
OURS = (*BACKENDS, *LEVELS)
#: Those of `LEVELS` that have one kind of work only.
ONLY = {"stream": "step", "padded": "ragged"}


class Work(NamedTuple):
    """One row to be timed."""

    work: str
    cell: str
    shape: Shape
    threads: int


@dataclass
class Row:
    """One row as measured.

    Attributes:
        times: by contender; ours first. main: the one of ours that ratios are about.
        peers: the names in `times` that are not ours.
        limit: seconds, the least that this machine could take.
        out: contenders that had to be left out, and why; those that do not have this work at all are not named.
    """

    what: Work
    times: dict[str, Timing]
    main: str
    peers: tuple[str, ...]
    limit: float
    out: dict[str, str] = field(default_factory=dict)

    @property
    def best_peer(self) -> str | None:
        """The peer with the least median, or None where there is no peer."""
        return min(self.peers, key=lambda name: self.times[name].median, default=None)

    @property
    def ratio(self) -> float | None:
        """How many times faster ours is than the best peer: the median over the rounds."""
        best = self.best_peer
        return None if best is None else self.times[self.main].times_faster(self.times[best])

    @property
    def fraction(self) -> float:
        """The part of the limit that ours reaches, by its median."""
        return self.limit / self.times[self.main].median

    def as_dict(self) -> dict[str, Any]:
        """For JSON: seconds, ratios of ours to every peer, the fraction of the limit of every contender."""
        main = self.times[self.main]
        return {
            **self.what._asdict(),
            "shape": str(self.what.shape),
            "ours": self.main,
            "median": {name: t.median for name, t in self.times.items()},
            "best": {name: t.best for name, t in self.times.items()},
            "ratio": {name: main.times_faster(self.times[name]) for name in self.times if name != self.main},
            "best_peer": self.best_peer,
            "ratio_to_best_peer": self.ratio,
            "limit": self.limit,
            "fraction_of_limit": {name: self.limit / t.median for name, t in self.times.items()},
            "left_out": self.out,
        }


def main_name(work: str) -> str:
    """The contender of ours that ratios are about: what a user calls who wants this work done fast."""
    return "stream" if work == "step" else "layers"


def names(work: str, cell: str, peers: Mapping[str, Peer], wanted: Sequence[str] = ()) -> list[str]:
    """The contenders that have this work and this cell: the main one of ours, the others wanted, then the peers."""
    row = kernels.CELLS[cell]
    mine = [
        name
        for name in dict.fromkeys([main_name(work), *wanted])
        if work.startswith(ONLY.get(name, "")) and (name not in BACKENDS or cell in kernels.load(BACKENDS[name]).cells)
    ]
    return [*mine, *(name for name, peer in peers.items() if work in peer.WORK and peer.has(row))]


def contender(name: str, p: Problem, n: int, peers: Mapping[str, Peer]) -> Runner:
    """A contender that has the work of p, with n threads; they must have been set.

    Raises:
        ValueError: there is none of this name.
    """
    if name in peers:
        return peers[name].runner(p, n)
    if name in LEVELS:
        return LEVELS[name](p)
    if name not in BACKENDS:
        raise ValueError(f"contender must be one of {', '.join([*OURS, *peers])}, got {name!r}")
    return ours.kernel_level(p, kernels.load(BACKENDS[name]))


def measure(what: Work, peers: Mapping[str, Peer], wanted: Sequence[str], limits: Limits, pace: Pace) -> Row:
    """One row. The threads must have been set before.

    Raises:
        WrongAnswer: one of ours is wrong. A peer that is wrong is left out, and the row says so.
    """
    p = Problem(what.cell, what.work, what.shape)
    runners, out = {}, {}
    for name in names(what.work, what.cell, peers, wanted):
        runner = contender(name, p, what.threads, peers)
        try:
            check(p, name, runner)
            runners[name] = runner
        except WrongAnswer as error:
            if name not in peers:
                raise
            out[name] = str(error)
    times = interleaved.compare({name: r.run for name, r in runners.items()}, pace)
    del runners
    gc.collect()
    return Row(what, times, main_name(what.work), tuple(n for n in times if n in peers), limits.seconds(p), out)


def rows(
    works: Iterable[Work],
    peers: Mapping[str, Peer],
    wanted: Sequence[str],
    limits: Mapping[int, Limits],
    pace: Pace,
) -> Iterator[Row]:
    """Measure rows one after the other; the numbers of threads of all contenders are set whenever they change.

    Args:
        works: put those of one number of threads together: to change it may be slow.
        peers: from `peers.find`.
        wanted: contenders of ours besides the main one, of `BACKENDS` and `LEVELS`.
        limits: by number of threads.
        pace: of the timing.
    """
    now = None
    with threads.restored():
        for what in works:
            if what.threads != now:
                now = what.threads
                threads.set_everywhere(now, peers.values(), {BACKENDS[name] for name in wanted if name in BACKENDS})
            yield measure(what, peers, wanted, limits[now], pace)


def processor() -> str:
    """The processor's name as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def about(peers: Mapping[str, Peer], absent: Mapping[str, str]) -> dict[str, Any]:
    """What was compared, and where: for the head of the table and of the JSON."""
    blas_is_limited = importlib.util.find_spec("threadpoolctl") is not None
    return {
        "cellstep": f"{__version__}, {kernels.active().name}, {config.isa()}",
        "machine": f"{processor()}, {threads.cpus()} processors for us",
        "numpy": np.__version__,
        "peers": {name: peer.version() for name, peer in peers.items()},
        "absent": dict(absent),
        "threads of NumPy's BLAS": "limited" if blas_is_limited else "not limited: threadpoolctl is not installed",
    }
