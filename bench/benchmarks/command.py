"""`python -m cellstep bench`: the short form, under a minute, or rows of the table that are asked for."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from .. import atomic, core, kernels
from . import compare, limits, peers, picture, screen, threads
from .interleaved import Pace
from .shapes import SHORT, TABLE, cells, parse

#: Of the short form: rounds are few and short.
PACE = Pace(pause=0.01, warm=0.005, block=0.015, rounds=3)


def works() -> list[compare.Work]:
    """The rows of the short form: steps on one thread, the rest on as many as are compared."""
    most = threads.choices()[-1]
    first, *_ = cells()
    rows = [
        compare.Work(work, cell, shape, 1 if work == "step" else most)
        for work, many, few in SHORT
        for cell in cells()
        for shape in (many if cell == first else few)
    ]
    return sorted(rows, key=lambda w: w.threads)


def chosen(args: argparse.Namespace) -> list[compare.Work]:
    """The rows that the command line asks for.

    Raises:
        ValueError: work, a cell or a shape is none.
    """
    kinds = [core.check_choice("--work", work, list(TABLE)) for work in args.work or TABLE]
    names = [core.check_choice("--cells", cell, cells()) for cell in args.cells or cells()]
    shapes = [parse(text) for text in args.shapes or ()]
    return [
        compare.Work(work, cell, shape, n)
        for n in args.threads or threads.choices()
        for work in kinds
        for cell in names
        for shape in shapes or TABLE[work]
    ]


def run(args: argparse.Namespace) -> int:
    """The command; 1 where a row that was asked for is slower than the best peer, else 0."""
    if args.limits:
        for n in args.threads or threads.choices():
            show_limits(limits.measure(n))
        return 0
    own = any((args.work, args.cells, args.shapes, args.threads, args.rounds))
    ours = ["layers"] if args.ours is None else [core.check_choice("--ours", name, compare.OURS) for name in args.ours]
    if own and args.ours is None:
        ours += [name for name, backend in compare.BACKENDS.items() if backend == kernels.active().name]
    rows = run_benchmark(
        args.peers,
        None if args.no_picture else args.picture or (None if own else "cellstep-bench.png"),
        args.json,
        chosen(args) if own else None,
        Pace(rounds=args.rounds or 7) if own else PACE,
        ours,
        args.seconds or (float("inf") if own else 60),
    )
    if args.over:
        show_over(rows, args.over)
    slower = [row for row in rows if row.ratio is not None and row.ratio < 1]
    if own:
        print(f"rows in which cellstep is slower than the best peer: {len(slower)}")
    return int(own and bool(slower))


def show_limits(machine: limits.Limits) -> None:
    """The peak of multiply-adds, and the bandwidth of reading by size."""
    print(f"threads {machine.threads}: {machine.peak / 1e9:.0f} GFLOP/s in a float32 product")
    for size, rate in machine.bandwidth.items():
        print(f"{size >> 10:8} KB {rate / 1e9:6.0f} GB/s")


def show_over(rows: Sequence[compare.Row], base: str) -> None:
    """Times as long as the contender `base`, the median over the rounds, of each other one and row that has both."""
    print(f"\ntimes as long as {base}:")
    for row in rows:
        if base in row.times:
            others = (f"{name} {row.times[base].times_faster(t):.2f}" for name, t in row.times.items() if name != base)
            what, us = row.what, row.times[base].median * 1e6
            print(f"{what.cell} {what.work} {what.shape}, {what.threads} threads, {us:.1f} us: {', '.join(others)}")


def run_benchmark(
    names: Sequence[str] | None = None,
    drawing: str | None = "cellstep-bench.png",
    record: str | None = None,
    rows: Sequence[compare.Work] | None = None,
    pace: Pace = PACE,
    ours: Sequence[str] = ("layers",),
    seconds: float = float("inf"),
) -> list[compare.Row]:
    """Measure, print the table, draw the picture, write the record.

    Args:
        names: of peers; all that are installed where None.
        drawing: where the picture goes; None for none.
        record: where the JSON goes; None for none.
        rows: what to measure; the short form where None.
        pace: of the timing.
        ours: contenders besides the main one of each row.
        seconds: begin no more rows after that; those left out are named.
    """
    began = time.perf_counter()
    rows = works() if rows is None else rows
    present, absent = peers.find(None if names is None else list(names))
    facts = compare.about(present, absent)
    screen.show_about(facts)
    no_picture = picture.why_not() if drawing else ""
    if no_picture:
        print(no_picture)
    machine = {n: limits.measure(n) for n in sorted({w.threads for w in rows})}
    for limit in machine.values():
        print(f"limits, {limit}")
    print()
    measured = []
    with screen.Screen([*ours, *present]) as lines:
        for row in compare.rows(rows, present, ours, machine, pace):
            lines.add(row)
            measured.append(row)
            if time.perf_counter() - began > seconds:
                break
    if len(measured) < len(rows):
        left = ", ".join(f"{w.cell} {w.work} {w.shape}" for w in rows[len(measured) :])
        print(f"left out, as {seconds:.0f} s are over (--seconds N gives more): {left}")
    if record:
        save(record, facts, machine, measured)
        print(f"record: {record}")
    if drawing and not no_picture and any(w.work == "step" for w in rows):
        picture.draw(measured, drawing, f"cellstep {facts['cellstep']}; {facts['machine']}")
        print(f"picture: {drawing}")
    print(f"{len(measured)} rows in {time.perf_counter() - began:.0f} s")
    return measured


def save(path: str, facts: dict[str, Any], machine: dict[int, limits.Limits], measured: Sequence[compare.Row]) -> None:
    """Write everything that was measured as JSON."""
    whole = {
        "about": facts,
        "limits": [m.as_dict() for m in machine.values()],
        "rows": [r.as_dict() for r in measured],
    }
    atomic.write(path, json.dumps(whole, indent=1) + "\n")
