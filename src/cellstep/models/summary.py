"""The table that `summary` prints."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

HEAD = ("Layer (type)", "Output Shape", "Param #")


def rows(model: Any) -> list[tuple[str, str, str]]:
    """Name and class, output shape, number of parameters of each layer; ? and 0 (unbuilt) where not known yet."""
    shapes = model.shapes()[1:] if model.input_shape is not None else [None] * len(model.layers)
    return [
        (
            f"{layer.name} ({type(layer).__name__})",
            "?" if shape is None else str(tuple(shape)),
            f"{layer.count_params():,}" if layer.built else "0 (unbuilt)",
        )
        for layer, shape in zip(model.layers, shapes, strict=True)
    ]


def totals(model: Any) -> list[str]:
    """The three lines under the table."""
    named = {
        "Total": model.weights,
        "Trainable": model.trainable_weights,
        "Non-trainable": model.non_trainable_weights,
    }
    return [
        f"{name} params: {sum(w.size for w in weights):,} ({size(sum(w.size * w.dtype.itemsize for w in weights))})"
        for name, weights in named.items()
    ]


def size(bytes_: float) -> str:
    """512.00 B, 1.50 KB, ..."""
    for unit in ("B", "KB", "MB"):
        if bytes_ < 1024:
            return f"{bytes_:.2f} {unit}"
        bytes_ /= 1024
    return f"{bytes_:.2f} GB"


def text(model: Any, line_length: int | None) -> str:
    """The table in plain characters; columns as wide as they need, the last one to the right."""
    table = [HEAD, *rows(model)]
    widths = [max(len(row[i]) for row in table) for i in range(3)]
    if line_length is not None:
        widths[1] += max(0, line_length - sum(widths) - 4)
    rule = "-" * (sum(widths) + 4)
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in table]
    return "\n".join([f'Model: "{model.name}"', rule, lines[0], rule, *lines[1:], rule, *totals(model)])


def print_summary(model: Any, line_length: int | None, print_fn: Callable[[str], Any] | None) -> None:
    """Print the table, or give it to `print_fn`."""
    if print_fn is None and sys.stdout.isatty() and importlib.util.find_spec("rich"):
        from rich.console import Console
        from rich.table import Table

        table = Table(title=f'Model: "{model.name}"', title_justify="left", width=line_length)
        for name in HEAD:
            table.add_column(name, justify="right" if name == HEAD[-1] else "left")
        for row in rows(model):
            table.add_row(*row)
        Console().print(table, *totals(model), sep="\n", markup=False)
    else:
        (print_fn or print)(text(model, line_length))
