"""The command line: `python -m cellstep demo`, `bench`, `lab` and `info`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import lab
from .arguments import positive, seed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cellstep", description="Fast recurrent cells for CPUs.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="train a small GRU to predict the next result of a team, and time one step",
        description="Train a small GRU on the histories of teams, hold it against simple rules on games that it has "
        "not seen, and measure what one step costs.",
    )
    demo.add_argument(
        "--data",
        metavar="FILE",
        help="CSV with the columns team, date, opponent, goals_for, goals_against; default: a generated league",
    )
    demo.add_argument("--seed", type=seed, default=0, help="of the generated league and the weights (default 0)")
    demo.add_argument("--epochs", type=positive, default=None, help="passes over the training games")
    bench = commands.add_parser(
        "bench",
        help="time this machine's steps, sequences and training passes against every peer that is installed",
        description="Time batch-1 steps, sequences and training passes against NumPy by hand and against every peer "
        "that is installed, each answer checked first. Prints a table and draws a picture; takes about a minute.",
    )
    bench.add_argument("--peers", nargs="*", metavar="PEER", help="only these; default: all that are installed")
    bench.add_argument(
        "--picture",
        metavar="FILE",
        default="cellstep-bench.png",
        help="a batch-1 step against H (default cellstep-bench.png; needs matplotlib)",
    )
    bench.add_argument("--no-picture", dest="picture", action="store_const", const=None, help="draw none")
    bench.add_argument(
        "--seconds",
        type=positive,
        default=60,
        help="begin no more rows after that, and name those left out (default 60)",
    )
    bench.add_argument("--json", metavar="FILE", help="write all figures there too")
    lab.add_parser(commands)
    commands.add_parser("info", help="versions, backend, instruction set, threads")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, or 2 where arguments, environment, data or an answer were wrong.

    Args:
        argv: the arguments after the program's name; those of the process where None.
    """
    args = _parser().parse_args(argv)
    try:
        _run(args)
    except (ImportError, OSError, TypeError, ValueError) as error:
        print(f"cellstep: {error}", file=sys.stderr)
        return 2
    return 0


def _run(args: argparse.Namespace) -> None:
    # a command imports what it needs: `--help` answers without NumPy or a backend
    from .. import kernels  # noqa: F401 - chooses the backend, or says why it cannot

    if args.command == "info":
        from ..config import show_config

        show_config()
    elif args.command == "bench":
        from ..benchmarks import command

        command.run_benchmark(args.peers, args.picture, args.json, seconds=args.seconds)
    elif args.command == "lab":
        lab.run_lab(args)
    else:
        from . import demo

        demo.run_demo(args.data, args.seed, args.epochs)
