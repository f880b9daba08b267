"""LSTM, a step in Numba. Equations: `reference/lstm.py`."""

from __future__ import annotations

from .activations import FIRST_OF_INPUT, activate, derive
from .jit import inlined
from .layouts import Real1, Rows, Vectors
from .rows import Row, Step, apply, copy, gates, pull_back


@inlined
def _forward(row: Row, states: Rows) -> None:
    act, rec = row.codes
    h, c = states
    apply(rec, row, 0, 2)
    apply(act, row, 2)
    apply(rec, row, 3)
    i, f, g, o = gates(row.z, row, 0), gates(row.z, row, 1), gates(row.z, row, 2), gates(row.z, row, 3)
    for j in range(row.units):
        c[j] = f[j] * c[j] + i[j] * g[j]
    copy(c, h)
    activate(act, h)
    for j in range(row.units):
        h[j] = o[j] * h[j]


@inlined
def _backward(row: Row, before: Rows, after: Rows, dstates: Rows, dz: Real1, dvectors: Vectors) -> None:
    act, rec = row.codes
    dh, dc = dstates
    c_before, c = before[1], after[1]
    i, f, g, o = gates(row.z, row, 0), gates(row.z, row, 1), gates(row.z, row, 2), gates(row.z, row, 3)
    di, df, dg, do = gates(dz, row, 0), gates(dz, row, 1), gates(dz, row, 2), gates(dz, row, 3)
    # h' = o a, a = act(c'); di and df are scratch for a and its gradient
    copy(c, di)
    activate(act, di)
    for j in range(row.units):
        do[j] = dh[j] * di[j]
        df[j] = dh[j] * o[j]
    derive(act, c if act >= FIRST_OF_INPUT else di, df)
    for j in range(row.units):
        dc[j] += df[j]
    # c' = f c + i g
    for j in range(row.units):
        di[j] = dc[j] * g[j]
        dg[j] = dc[j] * i[j]
    for j in range(row.units):
        df[j] = dc[j] * c_before[j]
        dc[j] = dc[j] * f[j]
    # gates = activation(z)
    pull_back(rec, row, 0, dz, 2)
    pull_back(act, row, 2, dz)
    pull_back(rec, row, 3, dz)


_STEP = Step(_forward, _backward)


def step() -> Step:
    """What a step computes besides products."""
    return _STEP
