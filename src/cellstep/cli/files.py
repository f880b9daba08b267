"""`cellstep convert` and `cellstep inspect`: files of models and weights."""

from __future__ import annotations

import argparse
from typing import Any


def add_parsers(commands: Any) -> None:
    """The arguments of both commands."""
    formats = "a .keras, .h5, .weights.h5, .safetensors, .onnx or .pt file"
    convert = commands.add_parser(
        "convert",
        help="write a model of one format in another, and check that it computes the same",
        description="Read a model and write it in the format that the name of OUT says. What is written is read again "
        "and must give for random inputs what the model gives; else nothing is written, and the exit code is 2.",
    )
    convert.add_argument("source", metavar="IN", help=formats)
    convert.add_argument("target", metavar="OUT", help=formats)
    convert.add_argument("--like", metavar="MODEL", help="for weights alone: a file with the model they belong to")
    convert.add_argument(
        "--map",
        metavar="PREFIX=LAYER[,LAYER...]",
        action="append",
        help="for tensors of PyTorch's: the layers that those with this prefix belong to; once for each",
    )
    convert.add_argument("--keep", action="store_true", help="do not replace an OUT that is there")
    inspect = commands.add_parser(
        "inspect",
        help="what a file of a model or weights holds, and whether it would load",
        description="Print what a file holds, without reading its arrays or running anything in it. The exit code is 0 "
        "where it would load, else 1.",
    )
    inspect.add_argument("file", metavar="FILE", help=formats)
    for command in (convert, inspect):
        command.add_argument("--max-bytes", type=int, metavar="N", help="the most memory that reading may take")


def run_convert(args: argparse.Namespace) -> int:
    """Convert a file, and print its tensors."""
    from ..bridges.conversion import convert
    from ..bridges.inspection import layers_of, table

    mapping = None
    if args.map:
        for pair in args.map:
            if "=" not in pair:
                raise ValueError(f"--map must be PREFIX=LAYER, got {pair!r}")
        mapping = {prefix: names.split(",") for prefix, _, names in (pair.rpartition("=") for pair in args.map)}
    model = convert(
        args.source,
        args.target,
        like=args.like,
        mapping=mapping,
        overwrite=not args.keep,
        max_bytes=args.max_bytes,
    )
    print(f"{args.source}: {layers_of(model)}")
    print("\n".join(table([(weight.path, str(weight.dtype), weight.shape) for weight in model.weights])))
    print(f"{args.target}: written; read again, it gives for random inputs what the model gives")
    return 0


def run_inspect(args: argparse.Namespace) -> int:
    """Print what a file holds."""
    from ..bridges.inspection import inspect

    found = inspect(args.file, args.max_bytes)
    print(found)
    return 1 if found.problem else 0
