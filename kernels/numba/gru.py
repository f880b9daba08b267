"""GRU, a step in Numba. Equations: `reference/gru.py`."""

from __future__ import annotations

from .jit import inlined
from .layouts import Real1, Rows, Vectors
from .rows import Operand, Row, Step, apply, gates, multiply, pull_back


@inlined
def _begin(row: Row) -> None:
    """z and r."""
    apply(row.codes[1], row, 0, 2)


@inlined
def _finish(row: Row, states: Rows) -> None:
    """hh, and h' = z h + (1 - z) hh."""
    apply(row.codes[0], row, 2)
    (h,) = states
    z, hh = gates(row.z, row, 0), gates(row.z, row, 2)
    one = h.dtype.type(1)
    for j in range(row.units):
        h[j] = z[j] * h[j] + (one - z[j]) * hh[j]


@inlined
def _finish_backward(row: Row, before: Rows, after: Rows, dstates: Rows, dz: Real1, dvectors: Vectors) -> None:
    """dh becomes z dh; dz of z and hh."""
    act, rec = row.codes
    (h,), (dh,) = before, dstates
    z, hh, di, dhh = gates(row.z, row, 0), gates(row.z, row, 2), gates(dz, row, 0), gates(dz, row, 2)
    one = h.dtype.type(1)
    for j in range(row.units):
        di[j] = dh[j] * (h[j] - hh[j])
    for j in range(row.units):
        dhh[j] = dh[j] * (one - z[j])
        dh[j] = dh[j] * z[j]
    pull_back(rec, row, 0, dz)
    pull_back(act, row, 2, dz)


@inlined
def _after_forward(row: Row, states: Rows) -> None:
    """hh = act(xh + r q)."""
    _begin(row)
    r, xh, q = gates(row.z, row, 1), gates(row.z, row, 2), gates(row.z, row, 3)
    for j in range(row.units):
        xh[j] += r[j] * q[j]
    _finish(row, states)


@inlined
def _after_backward(row: Row, before: Rows, after: Rows, dstates: Rows, dz: Real1, dvectors: Vectors) -> None:
    _finish_backward(row, before, after, dstates, dz, dvectors)
    r, q, dr, dhh, dq = (
        gates(row.z, row, 1),
        gates(row.z, row, 3),
        gates(dz, row, 1),
        gates(dz, row, 2),
        gates(dz, row, 3),
    )
    for j in range(row.units):
        dr[j] = dhh[j] * q[j]
        dq[j] = dhh[j] * r[j]
    pull_back(row.codes[1], row, 1, dz)


@inlined
def _begin_rh(row: Row, states: Rows, h: Real1) -> None:
    _begin(row)


@inlined
def _rh(row: Row, h: Real1, out: Real1) -> None:
    r = gates(row.z, row, 1)
    for j in range(row.units):
        out[j] = r[j] * h[j]


@inlined
def _rh_backward(
    row: Row, before: Rows, after: Rows, hd: Real1, drop: Real1, d: Real1, dz: Real1, dstates: Rows, dh: Real1
) -> None:
    (h,), r, dr = before, gates(row.z, row, 1), gates(dz, row, 1)
    for j in range(row.units):
        dr[j] = d[j] * h[j]
        dh[j] += d[j] * r[j]
    if drop.size > 0:
        multiply(drop, dr)
    pull_back(row.codes[1], row, 1, dz)


_AFTER = Step(_after_forward, _after_backward, carries=True)
_BEFORE = Step(_finish, _finish_backward, carries=True, operands=(Operand(_begin_rh, _rh, _rh_backward),))


def step(reset_after: bool) -> Step:
    """What a step computes besides products."""
    return _AFTER if reset_after else _BEFORE
