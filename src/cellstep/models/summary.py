"""The table that `summary` prints."""

from __future__ import annotations

import importlib.util
import sys
from collections import defaultdict
from collections.abc import Callable
from html import escape
from typing import Any

HEAD = ("Layer (type)", "Output Shape", "Param #")


def table(model: Any, expand_nested: bool = False, show_trainable: bool = False) -> list[tuple[str, ...]]:
    """The head, then a row for each layer: name and class, output shape, number of parameters, ? and 0 (unbuilt) where
    not known yet; what it is connected to where the model has branches."""
    wired = is_wired(model)
    extra = (*(("Connected to",) if wired else ()), *(("Trainable",) if show_trainable else ()))
    return [(*HEAD, *extra), *_rows(model, wired, expand_nested, show_trainable, "")]


def is_wired(model: Any) -> bool:
    """Whether the model is made of tensors, so that its layers need not follow one another."""
    return getattr(model, "_graph", None) is not None and model.wired


def _rows(model: Any, wired: bool, expand: bool, show_trainable: bool, indent: str) -> list[tuple[str, ...]]:
    shapes, sources = _shapes(model), _sources(model) if is_wired(model) else {}
    rows = []
    for layer in model.operations:
        row = [
            f"{indent}{layer.name} ({layer.keras_name})",
            shapes.get(id(layer), "?"),
            f"{layer.count_params():,}" if layer.built else "0 (unbuilt)",
        ]
        if wired:
            row.append(", ".join(sources.get(id(layer), ())) or "-")
        if show_trainable:
            row.append("Y" if layer.trainable_weights else "N" if layer.weights else "-")
        rows.append(tuple(row))
        if expand and hasattr(layer, "layers"):
            rows += _rows(layer, wired, expand, show_trainable, indent + "  ")
    return rows


def _shapes(model: Any) -> dict[int, str]:
    """The output shape of each layer at its first call; of several outputs in a list."""
    graph, inputs = model._graph, model.input_shapes
    if graph is None or inputs is None:
        return {}
    shapes = graph.shapes(inputs)
    texts = {id(head): str(tuple(head.batch_shape)) for head in model._signature.heads}
    for step in graph.steps:
        outputs = [str(tuple(shapes[place])) for place in step.places]
        texts.setdefault(id(step.layer), outputs[0] if step.single else f"[{', '.join(outputs)}]")
    return texts


def _sources(model: Any) -> dict[int, list[str]]:
    """What each layer is called on, as Keras writes it: name[call][output]."""
    graph = model._graph
    origins = graph.origins(model._signature.heads)
    sources: dict[int, list[str]] = defaultdict(list)
    for step in graph.steps:
        sources[id(step.layer)] += ["{}[{}][{}]".format(*origins[place]) for place in step.needs]
    return sources


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


def text(model: Any, line_length: int | None, expand_nested: bool = False, show_trainable: bool = False) -> str:
    """The table in plain characters; columns as wide as they need, numbers to the right."""
    rows = table(model, expand_nested, show_trainable)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    gaps = 2 * (len(widths) - 1)
    if line_length is not None:
        widths[1] += max(0, line_length - sum(widths) - gaps)
    rule = "-" * (sum(widths) + gaps)
    lines = [
        "  ".join(
            f"{cell:>{w}}" if i == 2 else f"{cell:<{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(
        line.rstrip() for line in [f'Model: "{model.name}"', rule, lines[0], rule, *lines[1:], rule, *totals(model)]
    )


def html(model: Any) -> str:
    """The table for notebooks."""
    head, *rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in table(model))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    head = head.replace("td>", "th>")
    totals_ = "<br>".join(map(escape, totals(model)))
    grid = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<p>Model: {escape(model.name)}</p>{grid}<p>{totals_}</p>"


def print_summary(
    model: Any,
    line_length: int | None,
    print_fn: Callable[[str], Any] | None,
    expand_nested: bool = False,
    show_trainable: bool = False,
) -> None:
    """Print the table, or give it to `print_fn`."""
    if print_fn is None and sys.stdout.isatty() and importlib.util.find_spec("rich"):
        from rich.console import Console
        from rich.table import Table

        rows = table(model, expand_nested, show_trainable)
        grid = Table(title=f'Model: "{model.name}"', title_justify="left", width=line_length)
        for name in rows[0]:
            grid.add_column(name, justify="right" if name == HEAD[-1] else "left")
        for row in rows[1:]:
            grid.add_row(*row)
        Console().print(grid, *totals(model), sep="\n", markup=False)
    else:
        (print_fn or print)(text(model, line_length, expand_nested, show_trainable))
