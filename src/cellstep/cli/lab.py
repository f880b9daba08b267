"""`cellstep lab`: the lab from the command line; prints what a result says, and draws it into a file or a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from .arguments import positive, seed

_FILES = (
    "Data: CSV with a column for each feature and a row for each step, names in the first line allowed; or .npy of "
    "shape (steps,), (steps, features) or (sequences, steps, features). Without: noisy waves, made from the seed."
)


class Command(NamedTuple):
    """One command: what `--help` says, and its options, each its flag and the keywords of `add_argument`."""

    help: str
    description: str
    examples: tuple[str, ...]
    options: dict[str, dict[str, Any]]


#: A net made here, or one from a file; and the sequences that it sees.
_CELL = {"--cell": {"metavar": "NAME", "default": "LSTM", "help": "recurrent layer of a net made here (default LSTM)"}}
_SOURCE: dict[str, dict[str, Any]] = {
    "--units": {"type": positive, "default": 32, "help": "of a net made here (default 32)"},
    "--steps": {"type": positive, "default": 40, "help": "of a sequence cut from the data (default 40)"},
    "--data": {"metavar": "FILE", "help": _FILES},
    "--model": {"metavar": "FILE", "help": "a trained net, .keras, in place of one made here; needs --data"},
}
_LAYER: dict[str, dict[str, Any]] = {
    "--layer": {"help": "name of the recurrent layer (default: the first)"},
    "--row": {"type": int, "default": 0, "help": "which sequence is drawn (default 0)"},
}

COMMANDS: dict[str, Command] = {
    "gradient-flow": Command(
        "how gradients vanish or explode on their way back in time",
        "Norms of gradients over time, at several scales of the recurrent weights; the memory horizon; Lyapunov "
        "exponents.",
        ("--out flow.html", "--cells LSTM GRU --steps 100 --out flow.png", "--clipnorm 1 --scales 1 2"),
        {
            "--cells": {"nargs": "+", "metavar": "NAME", "help": "recurrent layers of nets made here (default all)"},
            **_SOURCE,
            "--scales": {
                "nargs": "+",
                "type": float,
                "default": [0.5, 1.0, 1.5],
                "help": "factors of recurrent weights",
            },
            "--clipnorm": {"type": float, "help": "a bound, to show what clipping by norm does"},
        },
    ),
    "bptt": Command(
        "each weight's gradient, split by the time step that it came from",
        "Back-propagation through time, step by step: a net made here predicts the step after each sequence; one from "
        "a file needs --targets.",
        ("--cell GRU --steps 12 --out bptt.html", "--model net.keras --data x.npy --targets y.npy"),
        {**_CELL, **_SOURCE, "--targets": {"metavar": "FILE", "help": ".npy, the targets of --data for --model"}},
    ),
    "gates": Command(
        "what a cell keeps, stores and tells over a sequence",
        "Gates, cell state and hidden state over a sequence.",
        ("--cell LSTM --out gates.png", "--model net.keras --data heart.csv --layer lstm_1 --out gates.html"),
        {
            **_CELL,
            **_SOURCE,
            **_LAYER,
        },
    ),
    "unroll": Command(
        "a net drawn unrolled in time",
        "A column for each step, a row for each layer, arrows for what goes from step to step.",
        (
            "--cell LSTM --steps 5 --out unrolled.svg",
            "--cell GRU --layers 2 --bidirectional --sequences --fold",
            "--model net.keras --steps 20 --out net.html",
        ),
        {
            **_CELL,
            "--units": {"type": positive, "default": 8, "help": "of a net made here (default 8)"},
            "--features": {"type": positive, "default": 3, "help": "of its inputs (default 3)"},
            "--layers": {"type": positive, "default": 1, "help": "recurrent ones, of a net made here (default 1)"},
            "--bidirectional": {"action": "store_true", "help": "each in both directions of time"},
            "--sequences": {"action": "store_true", "help": "an output at every step, not at the last one alone"},
            "--model": {"metavar": "FILE", "help": "a net, .keras, in place of one made here"},
            "--steps": {
                "nargs": "+",
                "type": positive,
                "help": "of each input sequence (default 5, or the net's own)",
            },
            "--fold": {"action": "store_true", "help": "with the loop beside it"},
            "--columns": {"type": positive, "help": "at most, for each sequence (default 6, or 4 of longer ones)"},
        },
    ),
    "diagram": Command(
        "a figure of a lecture: a cell, feedback, unrolling, patterns, the way back of a gradient",
        "Draw a figure: feedback, unrolling, patterns, one to one, one to many, many to one, many to many, backprop, "
        "bptt, or a cell by its name. With --numbers or --model it has the numbers of a real step in it.",
        (
            "lstm --out lstm.svg",
            "many to one",
            "--numbers gru --step 3 --out gru.html",
            "bptt --model net.keras --data x.npy --targets y.npy --out order.svg",
        ),
        {
            "figure": {
                "metavar": "FIGURE",
                "nargs": "+",
                "help": "what to draw, as above; cell for whatever --model has",
            },
            "--numbers": {"action": "store_true", "help": "those of a net made here"},
            **_CELL,
            **_SOURCE,
            "--units": {"type": positive, "default": 4, "help": "of a net made here (default 4)"},
            "--steps": {"type": positive, "default": 5, "help": "of a sequence cut from the data (default 5)"},
            **_LAYER,
            "--targets": {"metavar": "FILE", "help": ".npy, the targets of --data for bptt of --model"},
            "--step": {"type": positive, "help": "which step, from 1 on (default: the last)"},
            "--unit": {"type": int, "default": 0, "help": "which unit of the layer (default 0)"},
        },
    ),
    "compare": Command(
        "recurrent layers compared: which is better on a task, if any is",
        "Train cells of equal size, or for equal time, over several seeds; scores with 95 % intervals against memory "
        "length and time.",
        (
            "--task adding --out adding.html",
            "--task digits --seeds 3 --budget 300",
            "--data x.npy --targets y.npy --match time --budget 10",
        ),
        {
            "--task": {"choices": ("adding", "copy", "parity", "digits"), "help": "(default adding)"},
            "--data": {"metavar": "FILE", "help": ".npy (n, steps, features), in place of a task; needs --targets"},
            "--targets": {"metavar": "FILE", "help": ".npy (n,) classes or numbers"},
            "--cells": {"nargs": "+", "metavar": "NAME", "help": "recurrent layers (default all)"},
            "--match": {"choices": ("parameters", "time"), "default": "parameters", "help": "what is equal"},
            "--budget": {"type": float, "help": "updates of each run (default 1500), or seconds (default 5)"},
            "--seeds": {"type": positive, "default": 5, "help": "how many (default 5)"},
            "--units": {"type": positive, "default": 24, "help": "of a GRU, which sets the size (default 24)"},
            "--lengths": {"nargs": "+", "type": positive, "help": "memory lengths (default: the task's own)"},
        },
    ),
}


def add_parser(commands: Any) -> None:
    """Add `lab` and its own commands to the commands of the program."""
    lab = commands.add_parser(
        "lab",
        help="see how gradients flow, what gates do, a net unrolled, or which cell is better on a task",
        description="See how a recurrent net carries a signal forward and a gradient back, and compare cells. Each "
        "command prints what it finds; --out draws it into a picture (.png, .svg, .pdf) or a page (.html).",
    )
    kinds = lab.add_subparsers(dest="kind", required=True)
    for name, command in COMMANDS.items():
        parser = kinds.add_parser(
            name,
            help=command.help,
            description=command.description,
            epilog="\n".join(["examples:", *(f"  cellstep lab {name} {example}" for example in command.examples)]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--out", metavar="FILE", help="where to draw it: .png, .svg, .pdf or .html")
        parser.add_argument("--seed", type=seed, default=0, help="of weights and generated data (default 0)")
        for flag, settings in command.options.items():
            parser.add_argument(flag, **settings)


def run_lab(args: argparse.Namespace) -> None:
    """Compute, print the summary, and draw.

    Raises:
        ValueError, TypeError, OSError, ImportError: arguments or files that do not fit; nothing is drawn then.
    """
    from .. import lab
    from . import lab_nets

    _check_ending(args.kind, args.out)
    result = lab_nets.RESULTS[args.kind](args)
    print(result.summary())
    if args.out is None:
        return
    if Path(args.out).suffix.lower() == ".html":
        lab.report(result, args.out, title=result.title)
    else:
        result.draw(args.out)
    print(f"\nDrawn into {args.out}.")


def _check_ending(kind: str, out: str | None) -> None:
    """Before the work is done, not after."""
    if out is None:
        return
    endings = (".svg", ".html") if kind == "diagram" else (".png", ".svg", ".pdf", ".html")
    if Path(out).suffix.lower() not in endings:
        raise ValueError(f"--out must end in {', '.join(endings[:-1])} or .html, got {out!r}")
    if not Path(out).parent.is_dir():
        raise ValueError(f"--out must be in a folder that exists, got {out!r}")
    if kind == "diagram":
        return
    from ..lab import style

    with style.context():  # says at once if matplotlib is missing
        pass
