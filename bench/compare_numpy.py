"""Ours against NumPy by hand, interleaved in one run: `python bench/compare_numpy.py --help`.

Each row first checks the answers of all contenders against float64, then times them in turn. The last column is the
median over rounds of NumPy's time divided by ours: above 1 we are faster.
"""

from __future__ import annotations

import argparse
import os
import sys


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cells, passes = ["lstm", "gru", "rnn"], ["step", "forward", "train"]
    parser.add_argument("--cells", nargs="+", default=cells, choices=cells)
    parser.add_argument("--passes", nargs="+", default=passes, choices=passes)
    parser.add_argument("--shapes", nargs="+", metavar="TxBxIxH", help="only these shapes of the table")
    parser.add_argument("--levels", nargs="+", default=["kernels"], choices=["kernels", "layers"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, help="threads for us and for NumPy's BLAS; default: what each takes")
    parser.add_argument("--backend", choices=["cython", "numba", "numpy"], help="default: the one that cellstep picks")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 if any row of ours was slower than NumPy by hand, else 0."""
    args = _arguments(argv)
    # before NumPy and the kernels are imported: both read these once
    if args.threads:
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "CELLSTEP_NUM_THREADS"):
            os.environ[name] = str(args.threads)
    if args.backend:
        os.environ["CELLSTEP_BACKEND"] = args.backend

    import numpy as np
    from interleaved import compare
    from runners import LEVELS, Problem, by_hand, check
    from shapes import TABLE

    from cellstep import kernels

    active = kernels.active()
    threads = args.threads or "each side's default"
    print(f"cellstep on {active.name} ({active.why}); NumPy {np.__version__}; float32; threads: {threads}")
    print("median / best microseconds a call; last column above 1: cellstep is faster")
    width = 24
    ours = [f"cellstep {level}" for level in args.levels]
    print(f"{'':30}{'NumPy by hand':>{width}}" + "".join(f"{name:>{width}}{'ratio':>8}" for name in ours))
    slower = 0
    for cell in args.cells:
        for what in args.passes:
            for shape in TABLE[what]:
                if args.shapes and str(shape) not in args.shapes:
                    continue
                problem = Problem(cell, what, shape)
                runners = {"numpy": by_hand(problem)} | {lv: LEVELS[lv](problem) for lv in args.levels}
                check(problem, *runners.values())
                times = compare({name: r.run for name, r in runners.items()}, args.rounds)
                row = f"{problem!s:30}"
                for name, timing in times.items():
                    row += f"{f'{timing.median * 1e6:.2f} / {timing.best * 1e6:.2f}':>{width}}"
                    if name != "numpy":
                        ratio = timing.times_faster(times["numpy"])
                        slower += ratio < 1
                        row += f"{ratio:8.2f}"
                print(row, flush=True)
    print(f"rows in which cellstep is slower: {slower}")
    return int(slower > 0)


if __name__ == "__main__":
    sys.exit(main())
