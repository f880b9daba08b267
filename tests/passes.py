"""One pass through a layer or a model, as models run it."""

from __future__ import annotations

from typing import Any, NamedTuple

from cellstep.layers.context import Context
from cellstep.layers.penalties import run_layer


class Pass(NamedTuple):
    """What came of it."""

    y: Any
    mask: Any
    pullback: Any
    penalties: tuple[float, ...]


def run(
    layer: Any,
    x: Any,
    mask: Any = None,
    training: bool = False,
    tape: bool = True,
    padding: bool = False,
    rows: int | None = None,
    resets: Any = None,
    **options: Any,
) -> Pass:
    """`run_layer`, with the penalties that it collects."""
    penalties: list[float] = []
    context = Context(training, tape, padding, penalties, rows, resets=resets)
    return Pass(*run_layer(layer, x, mask, context, **options), tuple(penalties))
