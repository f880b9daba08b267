"""What `python -m cellstep bench` takes. `--help` answers without NumPy or a backend, so neither is imported here."""

from __future__ import annotations

import argparse
from typing import Any

from ..cli.arguments import positive

_EXAMPLES = """
examples:
  cellstep bench
  cellstep bench --threads 1 2                            the whole table; hours with all peers
  cellstep bench --peers numpy --work step --cells lstm   ours against NumPy by hand, one step
  cellstep bench --work train --threads 2 --ours cython numba layers --json train.json
"""


def add_parser(commands: Any) -> None:
    """Add `bench` to the commands of the program."""
    bench = commands.add_parser(
        "bench",
        help="time this machine's steps, sequences and training passes against every peer that is installed",
        description="Time batch-1 steps, sequences and training passes against NumPy by hand and against every peer "
        "that is installed, each answer checked first. Prints a table and draws a picture; takes about a minute. With "
        "rows of your own choice it takes as long as they need, draws only where --picture says, and ends with 1 if "
        "cellstep is slower than the best peer in any of them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.add_argument("--peers", nargs="*", metavar="PEER", help="only these; default: all that are installed")
    bench.add_argument("--picture", metavar="FILE", help="a batch-1 step against H (default cellstep-bench.png)")
    bench.add_argument("--no-picture", action="store_true", help="draw none")
    bench.add_argument(
        "--seconds", type=positive, help="begin no more rows after that, and name those left out (default 60)"
    )
    bench.add_argument("--json", metavar="FILE", help="write all figures there too")
    bench.add_argument("--ours", nargs="*", metavar="NAME", help="ours too: cython, numba, reference, layers, ...")
    bench.add_argument("--over", metavar="NAME", help="also print how many times as long as this one others take")
    rows = bench.add_argument_group("rows of your own choice, in place of the short form's")
    rows.add_argument("--work", nargs="+", help="step, forward, train, ragged, ragged_train (default all)")
    rows.add_argument("--cells", nargs="+", metavar="NAME", help="by their short names (default all)")
    rows.add_argument("--shapes", nargs="+", metavar="TxBxIxH", help="default: the table's")
    rows.add_argument("--threads", nargs="+", type=positive, help="default: 1 and 2")
    rows.add_argument("--rounds", type=positive, help="of the contenders, in turn (default 7)")
    rows.add_argument("--limits", action="store_true", help="no rows: what this machine can do at best")
