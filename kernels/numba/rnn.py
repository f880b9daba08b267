"""Simple recurrent net, a step in Numba. Equations: `reference/rnn.py`."""

from __future__ import annotations

from .jit import inlined
from .layouts import Real1, Rows, Vectors
from .rows import Row, Step, apply, copy, pull_back


@inlined
def _forward(row: Row, states: Rows) -> None:
    (act,) = row.codes
    apply(act, row, 0)
    copy(row.z, states[0])


@inlined
def _backward(row: Row, before: Rows, after: Rows, dstates: Rows, dz: Real1, dvectors: Vectors) -> None:
    (act,) = row.codes
    copy(dstates[0], dz)
    pull_back(act, row, 0, dz)


_STEP = Step(_forward, _backward)


def step() -> Step:
    """What a step computes besides products."""
    return _STEP
