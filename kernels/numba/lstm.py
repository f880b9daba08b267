"""LSTM, compiled by Numba. Equations, shapes and the meaning of each argument are in `reference/lstm.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .activations import FIRST_OF_INPUT, activate, derive
from .common import (
    Array,
    Lengths,
    Mask,
    Packed,
    Tape,
    add,
    copy,
    drop_rows,
    fill,
    gather,
    input_gradients,
    multiply,
    new_tape,
    pack_weights,
    project,
    run_backward,
    run_forward,
    runs,
    scale_in_panels,
    start,
    steps_at_once,
    supports,
)
from .jit import inner, kernel, row
from .products import add_product, add_weights, cube, into_panels, lying, square, tall_panels
from .reading import read_rows


def lstm_supports(dtype: np.dtype[Any], activation: str, recurrent_activation: str) -> bool:
    """True where this backend runs these options: float32 and float64, every activation of the contract."""
    return supports(dtype, activation, recurrent_activation)


def lstm_pack(
    W: Array, U: Array, b: Array | None, activation: str, recurrent_activation: str, backward: bool
) -> Packed:
    """Copy W (I, 4H), U (H, 4H) and b (4H,) or None, and their transposes for backward."""
    bias = np.zeros(W.shape[1], W.dtype) if b is None else np.array(b, order="C")
    return pack_weights(W, U, bias, activation, recurrent_activation, backward=backward)


def lstm_tape(packed: Packed, B: int, T: int) -> Tape:
    """A tape for B rows of T steps; forward fills it, again and again if need be."""
    return new_tape(packed, B, T, 4 * packed.H, states=2)


@inner
def _cell(act: int, rec: int, z: Array, h: Array, c: Array) -> None:
    """One row of one step: pre-activations z (4H,) become gates i f g o; h and c (H,) become the new ones."""
    H = h.size
    activate(rec, z[: 2 * H])
    activate(act, z[2 * H : 3 * H])
    activate(rec, z[3 * H :])
    i, f, g, o = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H :]
    for j in range(H):
        c[j] = f[j] * c[j] + i[j] * g[j]
    copy(c, h)
    activate(act, h)
    for j in range(H):
        h[j] = o[j] * h[j]


@kernel("a3 a3 a1 int int int int v3 mask lengths drop a3 a2 a2 a3 a3 a3 a3")
def _forward(
    W: Array,
    U: Array,
    b: Array,
    act: int,
    rec: int,
    begin: int,
    end: int,
    x: Array,
    mask: Mask,
    lengths: Lengths,
    drop: Array,
    y: Array,
    h: Array,
    c: Array,
    tape_z: Array,
    tape_v: Array,
    tape_h: Array,
    tape_c: Array,
) -> None:
    """Steps begin to end; h and c (B, H): the initial states in, the final ones out.

    tape_h says by its size whether there is a tape.
    """
    B, T = x.shape[:2]
    P, H = b.size, h.shape[1]
    taped, wanted, dropped = tape_h.size > 0, y.size > 0, drop.size > 0
    # of the arguments, all or the candidate's alone
    arguments, alone = tape_v.size > 0, tape_v.shape[2] == H
    hd = square(B, H, W) if dropped else h
    if taped and begin == 0:
        for r in range(B):
            copy(h[r], tape_h[r, 0])
            copy(c[r], tape_c[r, 0])
    chunk = steps_at_once(B, T)
    rows, scratch = square(chunk * B, x.shape[2], W), cube(0 if taped else chunk, B, P, W)
    edge = square(chunk * B, W.shape[2], W)
    for t0 in range(begin, end, chunk):
        n = min(chunk, end - t0)
        z = tape_z[t0 : t0 + n] if taped else scratch[:n]
        project(x, t0, W, b, P, rows, edge, z)
        for s in range(n):
            t = t0 + s
            if dropped:
                drop_rows(drop, h, hd)
            add_product(hd, 0, U, 0, H, z[s], 0, P, edge)
            for r in range(B):
                if runs(mask, lengths, r, t):
                    if arguments:
                        copy(z[s, r, 2 * H : 3 * H] if alone else z[s, r], tape_v[t, r])
                    _cell(act, rec, z[s, r], h[r], c[r])
                if wanted:
                    copy(h[r], y[r, t])
                if taped:
                    copy(h[r], tape_h[r, t + 1])
                    copy(c[r], tape_c[r, t + 1])


def _weights(p: Packed) -> tuple[Any, ...]:
    return (p.W, p.U, p.b, p.act, p.rec)


def lstm_step(packed: Packed, x: Array, h: Array, c: Array) -> None:
    """One step for B rows, in place: x (B, I) in; h and c (B, H) in and out. No tape."""
    p = packed
    run_forward(_forward[p.dtype], p, _weights(p), x[:, None], None, None, None, (p.none3, h, c), 4)


def lstm_forward(
    packed: Packed,
    x: Array,
    h0: Array,
    c0: Array,
    mask: Mask | None,
    lengths: Lengths | None,
    drop: Array | None,
    y: Array | None,
    hT: Array,
    cT: Array,
    tape: Tape | None,
) -> None:
    """Run B sequences of T steps: see `kernels.reference.lstm.lstm_forward`."""
    p = packed
    hT[...], cT[...] = h0, c0
    outputs = (p.none3 if y is None else y, hT, cT)
    run_forward(_forward[p.dtype], p, _weights(p), x, mask, lengths, drop, outputs, 4, tape)


@inner
def _cell_back(
    act: int,
    rec: int,
    z: Array,
    v: Array,
    c_before: Array,
    c: Array,
    dh: Array,
    dc: Array,
    dz: Array,
    a: Array,
    d: Array,
) -> None:
    """One row of one step backwards: dz (4H,) from dh and dc (H,), and dc becomes that of c_before.

    z (4H,): gates; v: their arguments where a derivative asks for them, (4H,) or the candidate's (H,); a, d: scratch.
    """
    H = dh.size
    by_rec = v if rec >= FIRST_OF_INPUT else z
    by_act = z[2 * H : 3 * H] if act < FIRST_OF_INPUT else v if v.size == H else v[2 * H : 3 * H]
    i, f, g, o = z[:H], z[H : 2 * H], z[2 * H : 3 * H], z[3 * H :]
    di, df, dg, do = dz[:H], dz[H : 2 * H], dz[2 * H : 3 * H], dz[3 * H :]
    # h' = o act(c')
    copy(c, a)
    activate(act, a)
    for j in range(H):
        do[j] = dh[j] * a[j]
        d[j] = dh[j] * o[j]
    derive(act, c if act >= FIRST_OF_INPUT else a, d)
    for j in range(H):
        dc[j] += d[j]
    # c' = f c + i g
    for j in range(H):
        di[j] = dc[j] * g[j]
        dg[j] = dc[j] * i[j]
    for j in range(H):
        df[j] = dc[j] * c_before[j]
        dc[j] = dc[j] * f[j]
    # gates = activation(z)
    derive(rec, by_rec[: 2 * H], dz[: 2 * H])
    derive(act, by_act, dg)
    derive(rec, by_rec[3 * H :], do)


@kernel("a3 a3 int int int int v3 mask lengths drop v3 a3 a3 a3 a2 a2 a3 a3 v3 a3 a2 a2 a1")
def _backward(
    Wt: Array,
    Ut: Array,
    act: int,
    rec: int,
    begin: int,
    end: int,
    x: Array,
    mask: Mask,
    lengths: Lengths,
    drop: Array,
    dy: Array,
    dx: Array,
    dhs: Array,
    dcs: Array,
    dh: Array,
    dc: Array,
    tape_z: Array,
    tape_v: Array,
    tape_h: Array,
    tape_c: Array,
    dW: Array,
    dU: Array,
    db: Array,
) -> None:
    """Steps end to begin; dh and dc (B, H): the final states' gradients in, the initial ones' out."""
    B, T = x.shape[:2]
    P, H = tape_z.shape[2], tape_c.shape[2]
    dropped, arguments = drop.size > 0, tape_v.size > 0
    chunk = steps_at_once(B, T)
    # slot s of a chunk is step t1 - 1 - s, so that every sum over rows goes backwards in time whatever the chunk
    dz, dzp = cube(chunk, B, P, Ut), lying(chunk * B, P, Ut)
    rows, before, ad = square(chunk * B, x.shape[2], Ut), square(B, H, Ut), square(2, H, Ut)
    xp, hp = tall_panels(chunk * B, x.shape[2], Ut), tall_panels(chunk * B, H, Ut)
    edge = square(chunk * B, Ut.shape[2], Ut)
    for t1 in range(end, begin, -chunk):
        n = min(chunk, t1 - begin)
        for s in range(n):
            t = t1 - 1 - s
            for r in range(B):
                if dy.size > 0:
                    add(row(dy, r, t), dh[r])
                if dhs.size > 0:
                    copy(dh[r], dhs[r, t])
                if dcs.size > 0:
                    copy(dc[r], dcs[r, t])
                fill(before[r])
                if runs(mask, lengths, r, t):
                    z = tape_z[t, r]
                    v = tape_v[t, r] if arguments else z
                    _cell_back(act, rec, z, v, tape_c[r, t], tape_c[r, t + 1], dh[r], dc[r], dz[s, r], ad[0], ad[1])
                else:
                    fill(dz[s, r])
            # z = b + x W + (drop h) U
            add_product(dz[s], 0, Ut, 0, P, before, 0, H, edge)
            for r in range(B):
                if runs(mask, lengths, r, t):
                    copy(before[r], dh[r])
                    if dropped:
                        multiply(drop[r], dh[r])
        dz2 = dz[:n].reshape(n * B, P)
        into_panels(dz2, 0, P, dzp)
        input_gradients(dz2, dzp, t1, x, mask, lengths, Wt, rows, edge, xp, dx, dW, db, P)
        if dU.size > 0:
            gather(tape_h, mask, lengths, t1, n, hp)
            if dropped:
                for k in range(n * B):
                    scale_in_panels(hp, k, drop[k % B])
            add_weights(hp, dzp, n * B, dU, 0, P)


def lstm_backward(
    packed: Packed,
    tape: Tape,
    dy: Array | None,
    dhT: Array | None,
    dcT: Array | None,
    dx: Array | None,
    dW: Array | None,
    dU: Array | None,
    db: Array | None,
    dh0: Array | None,
    dc0: Array | None,
    dhs: Array | None,
    dcs: Array | None,
) -> None:
    """Gradients of a loss: see `kernels.reference.lstm.lstm_backward`."""
    p, B = packed, tape.x.shape[0]
    dstates = (start(dh0, dhT, p, B), start(dc0, dcT, p, B))
    run_backward(_backward[p.dtype], p, tape, dy, dx, (dhs, dcs), dstates, (dW, dU, db))


def lstm_read(packed: Packed, tape: Tape, gates: Array | None, h: Array | None, c: Array | None) -> None:
    """What a tape keeps of its first rows: see `kernels.reference.lstm.lstm_read`."""
    read_rows(tape, gates, 2, 4, (h, c))
