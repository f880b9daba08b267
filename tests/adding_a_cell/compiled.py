"""LSTM with peepholes, a step in Numba. Equations: `reference.py`."""

from __future__ import annotations

from cellstep.kernels.numba.activations import FIRST_OF_INPUT, activate, derive
from cellstep.kernels.numba.jit import inlined
from cellstep.kernels.numba.layouts import Real1, Rows, Vectors
from cellstep.kernels.numba.rows import Row, Step, apply, copy, gates, pull_back


@inlined
def _forward(row: Row, states: Rows) -> None:
    act, rec = row.codes
    pi, pf, po = row.vectors
    h, c = states
    i, f, g, o = gates(row.z, row, 0), gates(row.z, row, 1), gates(row.z, row, 2), gates(row.z, row, 3)
    for j in range(row.units):
        i[j] += pi[j] * c[j]
        f[j] += pf[j] * c[j]
    apply(rec, row, 0, 2)
    apply(act, row, 2)
    for j in range(row.units):
        c[j] = f[j] * c[j] + i[j] * g[j]
        o[j] += po[j] * c[j]
    apply(rec, row, 3)
    copy(c, h)
    activate(act, h)
    for j in range(row.units):
        h[j] = o[j] * h[j]


@inlined
def _backward(row: Row, before: Rows, after: Rows, dstates: Rows, dz: Real1, dvectors: Vectors) -> None:
    act, rec = row.codes
    pi, pf, po = row.vectors
    (dh, dc), c_before, c = dstates, before[1], after[1]
    i, f, g, o = gates(row.z, row, 0), gates(row.z, row, 1), gates(row.z, row, 2), gates(row.z, row, 3)
    di, df, dg, do = gates(dz, row, 0), gates(dz, row, 1), gates(dz, row, 2), gates(dz, row, 3)
    # h' = o a, a = act(c'); di and df are scratch for a and its gradient
    copy(c, di)
    activate(act, di)
    for j in range(row.units):
        do[j] = dh[j] * di[j]
        df[j] = dh[j] * o[j]
    derive(act, c if act >= FIRST_OF_INPUT else di, df)
    # o = rec(zo + po c')
    pull_back(rec, row, 3, dz)
    for j in range(row.units):
        dc[j] += df[j] + do[j] * po[j]
    # c' = f c + i g
    for j in range(row.units):
        di[j] = dc[j] * g[j]
        dg[j] = dc[j] * i[j]
        df[j] = dc[j] * c_before[j]
        dc[j] = dc[j] * f[j]
    # i = rec(zi + pi c), f = rec(zf + pf c)
    pull_back(rec, row, 0, dz, 2)
    pull_back(act, row, 2, dz)
    for j in range(row.units):
        dc[j] += di[j] * pi[j] + df[j] * pf[j]
    _add_product(di, c_before, dvectors[0])
    _add_product(df, c_before, dvectors[1])
    _add_product(do, c, dvectors[2])


@inlined
def _add_product(d: Real1, c: Real1, total: Real1) -> None:
    """total += d c, if it is wanted."""
    for j in range(total.size):
        total[j] += d[j] * c[j]


_STEP = Step(_forward, _backward)


def step() -> Step:
    """What a step computes besides products."""
    return _STEP
