"""Ours against peers, interleaved in one run: `python bench/compare.py --peers numpy torch`; `--help` has the rest.

Contenders take turns, and a ratio is taken within a round, so it stands on a machine that others use too. Each answer
is first held against the float64 reference. What the columns mean is in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cellstep.benchmarks import command, compare, peers, shapes, threads
from cellstep.benchmarks.interleaved import Pace


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", nargs="+", default=list(shapes.TABLE), choices=shapes.TABLE)
    parser.add_argument("--cells", nargs="+", default=shapes.cells(), choices=shapes.cells())
    parser.add_argument("--shapes", nargs="+", metavar="TxBxIxH", type=shapes.parse, help="default: the table's")
    parser.add_argument("--threads", nargs="+", type=int, default=threads.choices(), help="default: 1 and 2")
    parser.add_argument("--peers", nargs="*", choices=peers.MODULES, help="default: all that are installed")
    parser.add_argument(
        "--ours",
        nargs="*",
        default=["cython", "layers"],
        choices=[*compare.BACKENDS, *compare.LEVELS],
        help="contenders of ours besides the main one of each row (default: cython layers)",
    )
    parser.add_argument("--over", metavar="NAME", help="also print how many times as long as this one others take")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--picture", metavar="FILE", help="draw the batch-1 steps")
    return parser


def _show_over(rows: Sequence[compare.Row], base: str) -> None:
    """Times as long as the contender `base`, the median over the rounds, of each other one and row that has both."""
    print(f"\ntimes as long as {base}:")
    for row in rows:
        if base in row.times:
            others = (f"{name} {row.times[base].times_faster(t):.2f}" for name, t in row.times.items() if name != base)
            what, us = row.what, row.times[base].median * 1e6
            print(f"{what.cell} {what.work} {what.shape}, {what.threads} threads, {us:.1f} us: {', '.join(others)}")


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 if any row of ours was slower than the best peer, else 0."""
    args = _parser().parse_args(argv)
    works = [
        compare.Work(work, cell, shape, n)
        for n in args.threads
        for work in args.work
        for cell in args.cells
        for shape in args.shapes or shapes.TABLE[work]
    ]
    rows = command.run_benchmark(args.peers, args.picture, args.json, works, Pace(rounds=args.rounds), args.ours)
    if args.over:
        _show_over(rows, args.over)
    slower = [row for row in rows if row.ratio is not None and row.ratio < 1]
    print(f"rows in which cellstep is slower than the best peer: {len(slower)}")
    return int(bool(slower))


if __name__ == "__main__":
    sys.exit(main())
