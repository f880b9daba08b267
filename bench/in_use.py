"""Calls as programs make them: `python bench/in_use.py [--rows N ...] [--quick] [--markdown FILE] [--json FILE]`.

Each row is timed back to back, with gaps between the calls, after calls of other libraries in the process, and beside
busy processes: ours on one thread and on two, and in the same run the library that is fastest back to back. Printed are
microseconds, the median, the 90th and the 99th percentile of all calls. At the end stands what we ask of ourselves.
`--list` prints the rows by number. All of them take about ten minutes, with `--quick` three.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from conditions import Calls, Condition, Contender, Pace, measure
from fit_process import MOST, worker
from two_lstms import Net

from cellstep import config
from cellstep.benchmarks import compare, peers, threads
from cellstep.benchmarks.answers import check
from cellstep.benchmarks.problem import Problem, Runner
from cellstep.benchmarks.shapes import Shape, fit_samples, parse

PEERS = ("torch", "onnxruntime", "jax")
ALONE = Condition()
GAPS = (Condition(0.001), Condition(0.01), Condition(0.1))
AFTER = tuple(Condition(after=name) for name in PEERS)
BUSY = (Condition(busy="one core"), Condition(busy="each core"))
#: A loop that steps does so in time.
BUSY_STEPS = tuple(Condition(0.01, busy=c.busy) for c in BUSY)
CONDITIONS = (ALONE, *GAPS, *AFTER, *BUSY_STEPS, *BUSY)
KEPT = 10.0  # the 99th percentile over the median of steps


@dataclass
class Row:
    """One line of the table. threads: the most that a contender has. mode: of `fit_worker`, for the rows of fit."""

    what: str
    work: str
    shape: Shape
    threads: int = MOST
    mode: str = ""
    seen: dict[Condition, dict[str, Calls]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.what} {self.work} {self.shape}" + (", one thread" if self.threads == 1 else "")

    def has(self, condition: Condition) -> bool:
        """Whether it is timed in this condition."""
        if self.work == "fit":
            return condition == ALONE
        return self.work == "step" or condition not in BUSY_STEPS

    @property
    def ours(self) -> str:
        """Our contender with the most threads."""
        return name_of(self.threads)

    def peer(self, condition: Condition) -> str | None:
        """The fastest of the others in this condition."""
        calls = self.seen[condition]
        others = [name for name in calls if not name.startswith("ours")]
        return min(others, key=lambda name: calls[name].median, default=None)

    def ratio(self, condition: Condition = ALONE) -> float:
        """The best peer's time over ours."""
        peer, calls = self.peer(condition), self.seen[condition]
        return calls[self.ours].times_faster(calls[peer]) if peer else float("nan")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        seen = {str(c): {name: x.as_dict() for name, x in calls.items()} for c, calls in self.seen.items()}
        return {"row": str(self), "threads": self.threads, "seconds": seen}


def name_of(n: int) -> str:
    return f"ours, {n} thread" + ("s" if n > 1 else "")


ROWS = [
    # those of one thread first: to change the number of JAX's threads ends what it has compiled
    Row("lstm", "forward", parse("100x1x64x64"), 1),
    Row("lstm", "forward", parse("100x1x512x512")),
    Row("lstm", "train", parse("100x32x256x256")),
    *(Row("lstm", "step", Shape(1, 1, n, n)) for n in (256, 512, 1024)),
    Row("lstm", "forward", parse("100x8x128x128")),
    Row("lstm", "train", parse("100x32x64x64")),
    Row("lstm", "train", parse("20x32x4x16")),
    Row("stack", "forward", parse("1000x1x128x128")),
    Row("stack", "train", parse("1000x1x128x128")),
    Row("both ways", "forward", parse("200x1x64x64")),
    Row("both ways", "forward", parse("200x8x64x64")),
    Row("both ways", "train", parse("200x8x64x64")),
    Row("lstm", "fit", parse("20x32x4x16")),
    Row("both ways", "fit", parse("50x32x8x32"), mode="bidirectional"),
]


def limited(n: int) -> None:
    """Let ours use n threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        config.set_num_threads(n)


def runners(row: Row, present: dict[str, peers.Peer]) -> dict[str, Runner]:
    """Every contender's, its answer checked; ours has the name "ours"."""
    if row.what != "lstm":
        net = Net(row.what, row.shape, row.work == "train")
        return {name: net.runner(name, row.threads) for name in ("ours", *present) if net.has(name)}
    p = Problem(row.what, row.work, row.shape)
    main = compare.main_name(row.work)
    made = {}
    for name in compare.names(row.work, row.what, present):
        made["ours" if name == main else name] = runner = compare.contender(name, p, row.threads, present)
        check(p, name, runner)
    return made


def run(
    row: Row, present: dict[str, peers.Peer], pace: Pace, conditions: Sequence[Condition] = CONDITIONS
) -> Iterator[Condition]:
    """Measure a row, condition by condition; the first must be `ALONE`, which says which peer is the best."""
    if row.work == "fit":
        row.seen[ALONE] = fits(row, pace)
        yield ALONE
        return
    threads.set_everywhere(row.threads, present.values())
    made = runners(row, present)
    ours = {name_of(n): Contender(made["ours"].run, partial(limited, n)) for n in sorted({1, row.threads})}
    others = {name: Contender(r.run, lambda: None) for name, r in made.items() if name != "ours"}
    for condition in filter(row.has, conditions):
        if condition.after:
            if condition.after in present:
                before = (made.get(condition.after) or neighbour(row, condition.after, present)).run
                row.seen[condition] = measure(ours, condition, pace, before)
                yield condition
            continue
        best = row.peer(ALONE) if row.seen else None
        beside = {name: c for name, c in others.items() if best in (None, name)}
        row.seen[condition] = measure(ours | beside, condition, pace)
        yield condition


def neighbour(row: Row, name: str, present: dict[str, peers.Peer]) -> Runner:
    """What a library that does not have the work of a row does in its place: the forward pass of the same shape."""
    if row.what != "lstm":
        return Net(row.what, row.shape, False).runner(name, row.threads)
    return present[name].runner(Problem(row.what, "forward", row.shape), row.threads)


def fits(row: Row, pace: Pace) -> dict[str, Calls]:
    """Seconds a batch of whole epochs, each library in a process of its own."""
    batches = fit_samples(row.shape) // row.shape.B
    names = {row.ours: "cellstep", "keras-jax": "keras-jax"}
    mode = (row.mode,) if row.mode else ()
    with worker(names[row.ours], row.shape, *mode) as mine, worker(names["keras-jax"], row.shape, *mode) as theirs:

        def quiet() -> None:
            time.sleep(pace.rest)

        epochs = {row.ours: Contender(mine, quiet), "keras-jax": Contender(theirs, quiet)}
        calls = measure(epochs, ALONE, pace._replace(least=2, most=5))
    return {name: Calls([r / batches for r in c.rounds]) for name, c in calls.items()}


@dataclass
class Line:
    """One thing that is asked: `asked` is the most that `found` may be, or with `least` the least."""

    what: str
    asked: float
    found: float
    least: bool = False

    @property
    def met(self) -> bool:
        return self.found >= self.asked if self.least else self.found <= self.asked

    def cells(self) -> list[str]:
        sign = ">=" if self.least else "<="
        return [self.what, f"{sign} {self.asked:,.4g}", f"{self.found:,.4g}", "yes" if self.met else "no"]


def asked(row: Row) -> Iterator[Line]:
    """What is asked of a row; microseconds are those of two virtual cores of an Intel Xeon with AVX-512, 2 MB of L2."""

    def us(condition: Condition, most: float, q: float = 0.5, n: int = row.threads) -> Iterator[Line]:
        if condition in row.seen:
            name = {0.5: "median", 0.9: "90th percentile"}[q]
            found = 1e6 * row.seen[condition][name_of(n)].quantile(q)
            yield Line(f"{row}, {condition}: us, {name}", most, found)

    def ratio(least: float) -> Iterator[Line]:
        yield Line(f"{row}: the best peer's time over ours", least, row.ratio(), True)

    every, rare = Condition(0.01), Condition(0.1)
    key = str(row)
    if key == "lstm forward 100x1x512x512":
        yield from us(ALONE, 3600)
        yield from us(ALONE, 3600, 0.9)
        yield from us(every, 4000)
        yield from us(rare, 4000)
        for condition in AFTER:
            yield from us(condition, 5000)
    elif key == "lstm train 100x32x256x256":
        yield from us(rare, 38_000)
    elif row.work == "step":
        most = {512: 340.0, 1024: 1000.0}.get(row.shape.H)
        if most:
            yield from us(every, most)
        for condition in filter(row.seen.__contains__, (every, *BUSY_STEPS)):
            calls = row.seen[condition][row.ours]
            yield Line(f"{row}, {condition}: 99th percentile over median", KEPT, calls.quantile(0.99) / calls.median)
        if every in row.seen:
            slower = row.seen[every][row.ours].median / row.seen[every][name_of(1)].median
            yield Line(f"{row}, {every}: {MOST} threads' time over one's", 1.0, slower)
    elif key == "lstm forward 100x8x128x128":
        yield from us(every, 1100)
    elif key == "lstm forward 100x1x64x64, one thread":
        yield from us(ALONE, 55)
    elif key == "lstm train 100x32x64x64":
        yield from us(ALONE, 2400)
    elif key == "lstm train 20x32x4x16":
        yield from us(ALONE, 100)
    elif row.work == "fit":
        yield from ratio(2.0)
    else:
        calls = row.seen[ALONE]
        faster = calls[row.ours].times_faster(calls[name_of(1)])
        yield Line(f"{row}: 1 thread's time over ours", 1.6, faster, True)


def figures(calls: Calls | None) -> str:
    """The median and the two percentiles, in microseconds."""
    if calls is None:
        return "-"
    us = [1e6 * calls.quantile(q) for q in (0.5, 0.9, 0.99)]
    return " ".join(f"{t:.3g}" if t < 100 else f"{t:,.0f}" for t in us)


ASKED = ["what", "asked", "measured", "met"]
HEAD = ["row", "condition", "ours, 1 thread", "ours, 2 threads", "best peer", "its time", "ratio"]


def cells(row: Row, condition: Condition) -> list[str]:
    """A line of the table."""
    calls, peer = row.seen[condition], row.peer(condition)
    ratio = f"{row.ratio(condition):.2f}" if peer else "-"
    mine = [figures(calls.get(name_of(n))) for n in (1, 2)]
    return [str(row), str(condition), *mine, peer or "-", figures(calls.get(peer or "")), ratio]


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)) + "\n"


def about(names: Sequence[str]) -> tuple[dict[str, peers.Peer], dict[str, Any]]:
    """The peers that are here; the date, the processor and the versions, printed too."""
    present, absent = peers.find(list(names))
    facts: dict[str, Any] = {"date": str(date.today())} | compare.about(present, absent)
    for key, value in facts.items():
        print(f"{key}: {', '.join(value.values()) if isinstance(value, dict) else value}")
    return present, facts


def selected(rows: Sequence[Row], wanted: Sequence[str] | None) -> list[Row]:
    """Those with one of these numbers, or one of these texts in their names; all where None."""
    return [
        row
        for number, row in enumerate(rows)
        if wanted is None or any(w == str(number) or (not w.isdigit() and w in str(row)) for w in wanted)
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="numbers, or parts of names")
    parser.add_argument("--conditions", nargs="+", metavar="TEXT", help="parts of names; back to back is always there")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--list", action="store_true", help="print the rows and the conditions")
    parser.add_argument("--quick", action="store_true", help="one round, fewer calls")
    parser.add_argument("--seconds", type=float, help="of a block of calls (default 0.35)")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write both tables there")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures there")
    return parser.parse_args()


def main() -> None:
    """See above."""
    args = arguments()
    if args.list:
        print(*(f"{number:3}  {row}" for number, row in enumerate(ROWS)), sep="\n")
        print("conditions:", "; ".join(map(str, CONDITIONS)))
        return
    pace = Pace(seconds=0.2, least=4, rounds=1) if args.quick else Pace()
    pace = pace._replace(seconds=args.seconds or pace.seconds)
    present, facts = about(args.peers)
    wanted = [c for c in CONDITIONS if c == ALONE or not args.conditions or any(t in str(c) for t in args.conditions)]
    rows = selected(ROWS, args.rows)
    table = []
    print(" | ".join(HEAD))
    for row in rows:
        for condition in run(row, present, pace, wanted):
            table.append(cells(row, condition))
            print(" | ".join(table[-1]), flush=True)
    limited(MOST)
    lines = [line for row in rows for line in asked(row)]
    print("\nasked")
    for line in lines:
        print(" | ".join(line.cells()))
    print(f"met: {sum(line.met for line in lines)} of {len(lines)}")
    if args.markdown:
        args.markdown.write_text(
            markdown(HEAD, table) + "\n" + markdown(ASKED, [x.cells() for x in lines]), encoding="utf-8"
        )
    if args.json:
        whole = {"about": facts, "rows": [row.as_dict() for row in rows], "asked": [asdict(line) for line in lines]}
        whole |= {"head": HEAD, "cells": table, "asked_cells": [line.cells() for line in lines]}
        args.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
