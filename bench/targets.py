"""What we ask of ourselves, and what this machine gives: `python bench/targets.py [--markdown FILE] [--json FILE]`.

A line for each target: the best peer's time over ours in one run for the kernels, the same calls with gaps between
them, a whole fit against Keras, a new process, the Numba kernels against the compiled ones, and how much a busy process
on every processor costs. Every contender has 30 ms of rest before its block of calls. `--parts` and `--rows` pick some.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import conditions
import in_use
import numpy as np
from conditions import Condition, Contender, measure, neighbours, processors
from fit_process import MOST, worker
from fit_worker import OPTIONS

from cellstep import layers
from cellstep.benchmarks import compare, limits, peers, picture, shapes, threads
from cellstep.benchmarks.compare import Row, Work
from cellstep.benchmarks.interleaved import Pace
from cellstep.benchmarks.ours import layer_level
from cellstep.benchmarks.peers import keras_layers
from cellstep.benchmarks.problem import Problem
from cellstep.benchmarks.shapes import FITS, RAGGED, SEQUENCES, STEPS, TRAINING, parse

#: At least so many times the best peer, in the order of the shapes of the table; nowhere slower.
STEP = (1.0,) * len(STEPS)
SEQUENCE = {"lstm": (1.8, 1.6, 1.4, 1.4, 1.15, 1.05), "gru": (1.8, 1.6, 1.3, 1.5, 1.3, 1.15)}
TRAIN = {"lstm": (4.0, 1.8, 1.5, 1.4, 1.3), "gru": (4.0, 3.0, 2.6, 1.6, 1.3), "rnn": (1.0, 1.0, 2.2, 1.0, 1.0)}
#: Keras's time over ours: the shape, the mode of the worker, the least.
FIT = (
    (parse("20x32x4x16"), "", 2.0),
    (parse("50x32x8x32"), "bidirectional", 2.0),
    *((shape, "", asked) for shape, asked in zip(FITS, (3.0, 3.2), strict=True)),
)
#: Seconds between calls; at most so many times the time back to back, and so many seconds more.
GAPS, TIMES, MORE = (0.01, 0.1), 1.25, 150e-6
START = "import numpy as np, cellstep; cellstep.layers.LSTM(64)(np.zeros((1, 20, 16), 'float32'))"


@dataclass
class Line:
    """One target. asked: the least, or with `most` the most, that `measured` may be; None where nothing is asked."""

    what: str
    measured: float
    asked: float | None = None
    most: bool = False
    us: float | None = None
    peer: str = ""
    fraction: float | None = None

    @property
    def met(self) -> str:
        """yes or no, or nothing where nothing was asked."""
        if self.asked is None:
            return ""
        return "yes" if (self.measured <= self.asked if self.most else self.measured >= self.asked) else "no"

    def cells(self) -> list[str]:
        """As a row of a table."""
        asked = "" if self.asked is None else f"{'<=' if self.most else '>='} {self.asked:.4g}"
        us = "" if self.us is None else f"{self.us:,.3g}" if self.us < 100 else f"{self.us:,.0f}"
        part = "" if self.fraction is None else f"{100 * self.fraction:.0f}"
        return [self.what, asked, f"{self.measured:.2f}", self.met, us, self.peer, part]


HEAD = ["what", "asked", "measured", "met", "us", "best peer", "% limit"]


def of_row(row: Row, asked: float) -> Line:
    """A row of the table against its best peer."""
    name = f"{row.what.cell} {row.what.work} {row.what.shape}"
    us = 1e6 * row.times[row.main].median
    if row.ratio is None:
        return Line(name, float("nan"), us=us, fraction=row.fraction)
    return Line(name, row.ratio, asked, us=us, peer=row.best_peer or "", fraction=row.fraction)


def asked_of_rows() -> dict[Work, float]:
    """Steps on one thread; sequences and training on all that are compared."""
    asked: dict[Work, float] = {}
    for cell in ("lstm", "gru"):
        asked |= {Work("step", cell, shape, 1): want for shape, want in zip(STEPS, STEP, strict=True)}
    for cell, wants in SEQUENCE.items():
        asked |= {Work("forward", cell, shape, MOST): want for shape, want in zip(SEQUENCES, wants, strict=True)}
    for cell, wants in TRAIN.items():
        asked |= {Work("train", cell, shape, MOST): want for shape, want in zip(TRAINING, wants, strict=True)}
    return asked


def chosen(works: Iterable[Work], rows: Sequence[str]) -> list[Work]:
    """Those that have one of these texts in their names; all where there is none."""
    names = {w: f"{w.cell} {w.work} {w.shape}" for w in works}
    return [w for w, name in names.items() if not rows or any(text in name for text in rows)]


def against_peers(present: dict[str, peers.Peer], pace: Pace, seen: list[Row], only: Sequence[str]) -> Iterator[Line]:
    """Each row against the best peer; ragged batches also against what padding costs."""
    asked = asked_of_rows()
    machine = {n: limits.measure(n) for n in {w.threads for w in asked}}
    for row in compare.rows(chosen(asked, only), present, (), machine, pace):
        seen.append(row)
        yield of_row(row, asked[row.what])
    ragged = [Work(work, cell, RAGGED[0], MOST) for work in ("ragged", "ragged_train") for cell in ("lstm", "gru")]
    for row in compare.rows(chosen(ragged, only), present, ("padded",), machine, pace):
        seen.append(row)
        yield of_row(row, 1.0)
        name, ours = f"{row.what.cell} {row.what.work} {row.what.shape}", row.times[row.main]
        yield Line(f"{name}, our own padded time", ours.times_faster(row.times["padded"]), 1.7)
        if row.what.cell == "lstm" and "torch" in row.times:
            want = 3.0 if row.what.work == "ragged" else 6.0
            yield Line(f"{name}, PyTorch's packed sequence", ours.times_faster(row.times["torch"]), want)


def numba_lines(pace: Pace) -> Iterator[Line]:
    """The Numba kernels' time over the compiled ones', where those take 20 microseconds; and what a call costs."""
    works = [
        Work(work, cell, shape, n)
        for n in threads.choices()
        for work in ("step", "forward", "train")
        for cell in shapes.cells()
        for shape in shapes.TABLE[work]
    ]
    machine = {n: limits.measure(n) for n in threads.choices()}
    for row in compare.rows(works, {}, ("cython", "numba"), machine, pace):
        compiled, numba = row.times["cython"], row.times["numba"]
        name = f"numba / cython, {row.what.cell} {row.what.work} {row.what.shape}, {row.what.threads} thread(s)"
        if compiled.median > 20e-6:
            yield Line(name, numba.median / compiled.median, 3.0, most=True, us=1e6 * numba.median)
        elif row.what.shape == STEPS[0] and row.what.threads == 1:
            yield Line(f"numba, us of a {row.what.cell} step of 16 units", 1e6 * numba.median, 5.0, most=True)


def gap_lines(only: Sequence[str]) -> Iterator[Line]:
    """The median of every row with gaps between its calls: it may be that of calls back to back, and a little more."""
    for work in chosen(asked_of_rows(), only):
        p = Problem(work.cell, work.work, work.shape)
        run = compare.contender(compare.main_name(work.work), p, work.threads, {}).run
        ours = {"ours": Contender(run, partial(in_use.limited, work.threads))}
        pace = conditions.Pace(seconds=0.2, rounds=2)
        whole = measure(ours, Condition(), pace)["ours"].median
        for gap in GAPS:
            condition = Condition(gap)
            us = 1e6 * measure(ours, condition, pace)["ours"].median
            most = 1e6 * (TIMES * whole + MORE)
            yield Line(f"{work.cell} {work.work} {work.shape}, {condition}: us", us, most, most=True, us=us)
    in_use.limited(MOST)


def fit_lines(rounds: int, only: Sequence[str]) -> Iterator[Line]:
    """One epoch, the processes in turn; the ratio is taken within a round."""
    backends = keras_layers.backends()
    for shape, mode, asked in FIT:
        what = " ".join(filter(None, ("fit", str(shape), mode)))
        if only and not any(text in what for text in only):
            continue
        with ExitStack() as stack:
            names = ["cellstep", *(f"keras-{name}" for name in backends)]
            epochs = {name: stack.enter_context(worker(name, shape, *filter(None, (mode,)))) for name in names}
            took: dict[str, list[float]] = {name: [] for name in names}
            for i in range(rounds + 1):
                for name, epoch in epochs.items():
                    time.sleep(0.03)
                    seconds = _seconds(epoch)
                    if i:
                        took[name].append(seconds)
        ours = took.pop("cellstep")
        best = min(took, key=lambda name: statistics.median(took[name]), default="")
        ratio = statistics.median(b / a for a, b in zip(ours, took[best], strict=True)) if best else float("nan")
        yield Line(what, ratio, asked, us=1e6 * statistics.median(ours), peer=best)


def option_lines(rounds: int) -> Iterator[Line]:
    """An option switched on: our time for the work over the plain layer's, and the ratio to Keras beside it."""
    keras = [f"keras-{name}" for name in keras_layers.backends()][:1]
    for shape in FITS:
        with ExitStack() as stack:
            runs = [(name, mode) for mode in ("", *OPTIONS) for name in ("cellstep", *keras)]
            epochs = {key: stack.enter_context(worker(key[0], shape, *filter(None, key[1:]))) for key in runs}
            took: dict[tuple[str, str], list[float]] = {key: [] for key in epochs}
            for i in range(rounds + 1):
                for key, epoch in epochs.items():
                    seconds = _seconds(epoch)
                    if i:
                        took[key].append(seconds)
        for mode in OPTIONS:
            ours, work = took["cellstep", mode], 2 if mode == "bidirectional" else 1
            cost = statistics.median(a / b for a, b in zip(ours, took["cellstep", ""], strict=True)) / work
            us = 1e6 * statistics.median(ours)
            yield Line(f"fit {shape}, {mode}: the plain layer's time per work", cost, 1.3, most=True, us=us)
            for name in keras:
                ratio = statistics.median(b / a for a, b in zip(ours, took[name, mode], strict=True))
                yield Line(f"fit {shape}, {mode}", ratio, 1.0, us=us, peer=name)


def start_lines() -> Iterator[Line]:
    """From a new process to the first prediction."""
    took = [_seconds(lambda: subprocess.run([sys.executable, "-c", START], check=True)) for _ in range(9)]
    yield Line("seconds to the first prediction of an LSTM(64)", statistics.median(took), 0.35, most=True)


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _calls(run: Callable[[], Any], seconds: float) -> Any:
    until, took = time.perf_counter() + seconds, []
    while time.perf_counter() < until:
        took.append(_seconds(run))
    return np.array(took)


def contention_lines() -> Iterator[Line]:
    """The 99th percentile of steps over their median, and training over its quiet time, beside busy neighbours."""
    for shape in STEPS:
        stream = layers.LSTM(shape.H, return_sequences=True)
        stream.build((1, None, shape.I))
        step, x, y = stream.stream(1).step, np.ones((1, shape.I), np.float32), np.empty((1, shape.H), np.float32)
        with neighbours(processors()):
            took = _calls(lambda step=step, x=x, y=y: step(x, out=y), 1.5)  # type: ignore[misc]
        middle = float(np.median(took))
        what = f"step of {shape.H} units beside busy processes: 99th percentile over median"
        yield Line(what, float(np.quantile(took, 0.99)) / middle, 20.0, most=True, us=1e6 * middle)
    for shape in TRAINING[:4]:
        run = layer_level(Problem("lstm", "train", shape)).run
        run()
        quiet = float(np.median(_calls(run, 1.5)))
        with neighbours(processors()):
            busy = float(np.median(_calls(run, 3.0)))
        yield Line(
            f"lstm train {shape} beside busy processes: its quiet time", busy / quiet, 3.0, most=True, us=1e6 * busy
        )


PARTS = ("peers", "gaps", "fit", "options", "start", "numba", "contention")


def main(argv: Sequence[str] | None = None) -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rows", nargs="+", default=(), metavar="TEXT", help="parts of names; of peers, gaps and fit")
    parser.add_argument("--peers", nargs="*", choices=peers.MODULES, help="default: all that are installed")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--markdown", metavar="FILE", help="write the table there")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--picture", metavar="FILE", help="draw the batch-1 steps")
    args = parser.parse_args(argv)
    present, absent = peers.find(args.peers)
    facts: dict[str, Any] = {"date": str(date.today())} | compare.about(present, absent)
    pace, seen, lines = Pace(rounds=args.rounds), [], []
    parts: dict[str, Callable[[], Iterator[Line]]] = {
        "peers": lambda: against_peers(present, pace, seen, args.rows),
        "gaps": lambda: gap_lines(args.rows),
        "fit": lambda: fit_lines(args.rounds, args.rows),
        "options": lambda: option_lines(3),
        "start": start_lines,
        "numba": lambda: numba_lines(Pace(rounds=3)),
        "contention": contention_lines,
    }
    for name in args.parts:
        for line in parts[name]():
            lines.append(line)
            print(" | ".join(line.cells()), flush=True)
    table = [HEAD, ["---"] * len(HEAD), *(line.cells() for line in lines)]
    if args.markdown:
        text = "\n".join(f"| {' | '.join(cells)} |" for cells in table)
        Path(args.markdown).write_text(text + "\n", encoding="utf-8")
    if args.json:
        machine = {n: limits.measure(n).as_dict() for n in threads.choices()} if seen else {}
        whole = {"about": facts, "limits": list(machine.values()), "rows": [row.as_dict() for row in seen]}
        whole["lines"] = [asdict(line) | {"met": line.met, "cells": line.cells()} for line in lines]
        Path(args.json).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    if args.picture and seen:
        picture.draw(seen, args.picture, f"cellstep {facts['cellstep']}; {facts['machine']}")
    print(f"met: {sum(line.met == 'yes' for line in lines)} of {sum(line.met != '' for line in lines)}")


if __name__ == "__main__":
    main()
