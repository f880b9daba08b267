"""The compiled backend."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from ..cells import Cell
from ..contract import Split
from .arrays import empty
from .chain import Chain

__all__ = [
    "CELLS",
    "Chain",
    "backward",
    "empty",
    "forward",
    "norms",
    "pack",
    "products",
    "read",
    "split_of",
    "step",
    "supports",
    "tape",
    "updates",
]

_MODULES = ("gru", "job", "lstm", "norms", "products", "rnn", "updates")
gru, job, lstm, norms, products, rnn, updates = (import_module(f".{name}", __package__) for name in _MODULES)

CELLS: dict[str, Any] = {"rnn": rnn, "lstm": lstm, "gru": gru}


def pack(cell: Cell, weights: Sequence[Any], options: Sequence[Any], backward: bool) -> Any:
    return getattr(CELLS[cell.name], f"{cell.name}_pack")(*weights, *options, backward)


def _function(packed: Any, name: str) -> Any:
    cell = packed.maker.__name__.removesuffix("_pack")
    return getattr(CELLS[cell], f"{cell}_{name}")


def tape(packed: Any, B: int, T: int) -> Any:
    return _function(packed, "tape")(packed, B, T)


def step(packed: Any, x: Any, states: Sequence[Any]) -> None:
    _function(packed, "step")(packed, x, *states)


def forward(
    packed: Any,
    x: Any,
    first: Sequence[Any],
    mask: Any,
    lengths: Any,
    resets: Any,
    drop: Any,
    y: Any,
    last: Sequence[Any],
    tape: Any,
) -> None:
    if resets is not None:
        raise NotImplementedError("expected resets to be None, as this backend has none yet, got an array")
    _function(packed, "forward")(packed, x, *first, mask, lengths, drop, y, *last, tape)


def backward(
    packed: Any,
    tape: Any,
    dy: Any,
    dlast: Sequence[Any],
    dx: Any,
    dweights: Sequence[Any],
    dfirst: Sequence[Any],
    traces: Sequence[Any],
) -> None:
    _function(packed, "backward")(packed, tape, dy, *dlast, dx, *dweights, *dfirst, *traces)


def read(packed: Any, tape: Any, gates: Any, states: Sequence[Any]) -> None:
    _function(packed, "read")(packed, tape, gates, *states)


def supports(cell: Cell, dtype: Any, options: Sequence[Any]) -> bool:
    if cell.name not in CELLS:
        return False
    return bool(getattr(CELLS[cell.name], f"{cell.name}_supports")(dtype, *options))


def split_of(packed: Any, shape: tuple[int, int, int], backward: bool = False) -> Split:
    """How a call for x of this shape (B, T, I) would be shared now."""
    return Split(*job.split_of(packed, shape, backward))
