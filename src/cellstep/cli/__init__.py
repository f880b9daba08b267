"""The command line: `python -m cellstep demo`, `bench`, `lab`, `convert`, `inspect` and `info`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..benchmarks import arguments as bench
from . import files, lab
from .arguments import positive, seed


def parser() -> argparse.ArgumentParser:
    """The program's arguments."""
    program = argparse.ArgumentParser(prog="cellstep", description="Fast recurrent cells for CPUs.")
    program.add_argument("--version", action="version", version=f"cellstep {__version__}")
    commands = program.add_subparsers(dest="command", required=True)
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
    bench.add_parser(commands)
    lab.add_parser(commands)
    files.add_parsers(commands)
    commands.add_parser("info", help="versions, backend, instruction set, threads")
    return program


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, or 2 where arguments, environment, data or an answer were wrong; of `bench`
    1 where a row that was asked for is slower than the best peer, of `inspect` 1 where the file would not load;
    and 141, as a shell has it, where what reads the output ended first.

    Args:
        argv: the arguments after the program's name; those of the process where None.
    """
    args = parser().parse_args(argv)
    try:
        code = _run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still writes at its end
        return 141
    except (ImportError, OSError, TypeError, ValueError) as error:
        print(f"cellstep: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    # a command imports what it needs: `--help` answers without NumPy or a backend
    from .. import kernels  # noqa: F401 - chooses the backend, or says why it cannot

    if args.command == "info":
        from ..config import show_config

        show_config()
    elif args.command == "bench":
        from ..benchmarks import command

        return command.run(args)
    elif args.command == "convert":
        return files.run_convert(args)
    elif args.command == "inspect":
        return files.run_inspect(args)
    elif args.command == "lab":
        lab.run_lab(args)
    else:
        from . import demo

        demo.run_demo(args.data, args.seed, args.epochs)
    return 0
