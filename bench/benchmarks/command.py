"""`python -m cellstep bench`: the short form, under a minute."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from .. import atomic
from . import compare, limits, peers, picture, screen, threads
from .interleaved import Pace
from .shapes import SHORT, cells

#: Rounds are few and short: the long form is in `bench/` of the repository.
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
