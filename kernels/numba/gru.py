"""GRU, compiled by Numba. Equations, shapes and the meaning of each argument are in `reference/gru.py`.

A row of pre-activations is (xz + hz, xr + hr, xh, q) with reset_after, P = 4H, and (xz + hz, xr + hr, xh) without,
P = 3H; a row of their gradients has the same columns. So the first 3H columns are always those of x W.
"""

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
    add_columns,
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
from .jit import kernel, row
from .products import add_product, add_weights, cube, into_panels, lying, square, tall_panels
from .reading import read_rows


def gru_supports(dtype: np.dtype[Any], activation: str, recurrent_activation: str, reset_after: bool) -> bool:
    """True where this backend runs these options: float32 and float64, every activation of the contract."""
    return supports(dtype, activation, recurrent_activation)


def gru_pack(
    W: Array,
    U: Array,
    b: Array | None,
    activation: str,
    recurrent_activation: str,
    reset_after: bool,
    backward: bool,
) -> Packed:
    """Copy W (I, 3H), U (H, 3H) and b, (2, 3H) with reset_after and (3H,) without, or None; transposes for backward."""
    H = U.shape[0]
    bias = np.zeros((4 if reset_after else 3) * H, W.dtype)
    if b is not None:
        bias[: 3 * H] = b[0] if reset_after else b
        if reset_after:
            # z and r see only the sum of the two biases
            bias[: 2 * H] += b[1, : 2 * H]
            bias[3 * H :] = b[1, 2 * H :]
    return pack_weights(W, U, bias, activation, recurrent_activation, backward=backward, gates=2 * H)


def gru_tape(packed: Packed, B: int, T: int) -> Tape:
    """A tape for B rows of T steps; forward fills it, again and again if need be."""
    return new_tape(packed, B, T, packed.b.size, states=1)


@kernel("a3 a3 a3 a1 int int int int v3 mask lengths drop a3 a2 a3 a3 a3")
def _forward(
    W: Array,
    U: Array,
    Uh: Array,
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
    tape_z: Array,
    tape_v: Array,
    tape_h: Array,
) -> None:
    """Steps begin to end; h (B, H): the initial state in, the final one out.

    tape_h says by its size whether there is a tape.
    """
    B, T = x.shape[:2]
    P, H = b.size, h.shape[1]
    reset_after = P == 4 * H
    one = W.dtype.type(1)
    taped, wanted, dropped = tape_h.size > 0, y.size > 0, drop.size > 0
    # of the arguments, all or the candidate's alone
    arguments, alone = tape_v.size > 0, tape_v.shape[2] == H
    hd = square(B, H, W) if dropped else h
    if taped:
        for i in range(B):
            copy(h[i], tape_h[i, 0])
    chunk = steps_at_once(B, T)
    rows, rh = square(chunk * B, x.shape[2], W), square(B, H, W)
    scratch = cube(0 if taped else chunk, B, P, W)
    edge = square(chunk * B, W.shape[2], W)
    for t0 in range(begin, end, chunk):
        n = min(chunk, end - t0)
        z = tape_z[t0 : t0 + n] if taped else scratch[:n]
        project(x, t0, W, b, 3 * H, rows, edge, z)
        for s in range(n):
            t = t0 + s
            if dropped:
                drop_rows(drop, h, hd)
            add_product(hd, 0, U, 0, H, z[s], 0, 2 * H, edge)
            if reset_after:
                add_product(hd, 0, Uh, 0, H, z[s], 3 * H, H, edge)
            for i in range(B):
                if runs(mask, lengths, i, t):
                    if arguments and not alone:
                        copy(z[s, i, : 2 * H], tape_v[t, i, : 2 * H])
                    activate(rec, z[s, i, : 2 * H])
                    r, xh = z[s, i, H : 2 * H], z[s, i, 2 * H : 3 * H]
                    if reset_after:
                        q = z[s, i, 3 * H :]
                        for j in range(H):
                            xh[j] += r[j] * q[j]
                    else:
                        for j in range(H):
                            rh[i, j] = r[j] * hd[i, j]
            if not reset_after:
                add_product(rh, 0, Uh, 0, H, z[s], 2 * H, H, edge)
            for i in range(B):
                hi = h[i]
                if runs(mask, lengths, i, t):
                    zi, hh = z[s, i, :H], z[s, i, 2 * H : 3 * H]
                    if arguments:
                        copy(hh, tape_v[t, i] if alone else tape_v[t, i, 2 * H : 3 * H])
                    activate(act, hh)
                    for j in range(H):
                        hi[j] = zi[j] * hi[j] + (one - zi[j]) * hh[j]
                if wanted:
                    copy(hi, y[i, t])
                if taped:
                    copy(hi, tape_h[i, t + 1])


def _weights(p: Packed) -> tuple[Any, ...]:
    return (p.W, p.U, p.Uh, p.b, p.act, p.rec)


def gru_step(packed: Packed, x: Array, h: Array) -> None:
    """One step for B rows, in place: x (B, I) in; h (B, H) in and out. No tape."""
    p = packed
    run_forward(_forward[p.dtype], p, _weights(p), x[:, None], None, None, None, (p.none3, h), 3)


def gru_forward(
    packed: Packed,
    x: Array,
    h0: Array,
    mask: Mask | None,
    lengths: Lengths | None,
    drop: Array | None,
    y: Array | None,
    hT: Array,
    tape: Tape | None,
) -> None:
    """Run B sequences of T steps: see `kernels.reference.gru.gru_forward`."""
    p = packed
    hT[...] = h0
    outputs = (p.none3 if y is None else y, hT)
    run_forward(_forward[p.dtype], p, _weights(p), x, mask, lengths, drop, outputs, 3, tape)


@kernel("a3 a3 int int int int v3 mask lengths drop v3 a3 a3 a2 a3 a3 v3 a2 a2 a1")
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
    dh: Array,
    tape_z: Array,
    tape_v: Array,
    tape_h: Array,
    dW: Array,
    dU: Array,
    db: Array,
) -> None:
    """Steps end to begin; dh (B, H): the final state's gradient in, the initial one's out."""
    B, T = x.shape[:2]
    P, H = tape_z.shape[2], tape_h.shape[2]
    reset_after = P == 4 * H
    one = Ut.dtype.type(1)
    dropped = drop.size > 0
    by_act, by_rec = (tape_v if act >= FIRST_OF_INPUT else tape_z), (tape_v if rec >= FIRST_OF_INPUT else tape_z)
    candidate = 0 if by_act.shape[2] == H else 2 * H
    chunk = steps_at_once(B, T)
    # slot s of a chunk is step t1 - 1 - s, so that every sum over rows goes backwards in time whatever the chunk
    dz, dzp, dqp = cube(chunk, B, P, Ut), lying(chunk * B, 3 * H, Ut), lying(chunk * B, H, Ut)
    rows, before, ds = square(chunk * B, x.shape[2], Ut), square(B, H, Ut), square(B, H, Ut)
    xp, hp = tall_panels(chunk * B, x.shape[2], Ut), tall_panels(chunk * B, H, Ut)
    edge = square(chunk * B, Ut.shape[2], Ut)
    for t1 in range(end, begin, -chunk):
        n = min(chunk, t1 - begin)
        for s in range(n):
            t = t1 - 1 - s
            for i in range(B):
                z, r, hh, d = tape_z[t, i, :H], tape_z[t, i, H : 2 * H], tape_z[t, i, 2 * H : 3 * H], dh[i]
                di, dr, dxh, back = dz[s, i, :H], dz[s, i, H : 2 * H], dz[s, i, 2 * H : 3 * H], before[i]
                if dy.size > 0:
                    add(row(dy, i, t), d)
                if dhs.size > 0:
                    copy(d, dhs[i, t])
                fill(ds[i])
                fill(back)
                h = row(tape_h, i, t)
                if not runs(mask, lengths, i, t):
                    fill(dz[s, i])
                    continue
                # h' = z h + (1 - z) hh
                for j in range(H):
                    di[j] = d[j] * (h[j] - hh[j])
                for j in range(H):
                    dxh[j] = d[j] * (one - z[j])
                    d[j] = d[j] * z[j]
                derive(rec, by_rec[t, i, :H], di)
                derive(act, by_act[t, i, candidate : candidate + H], dxh)
                if reset_after:
                    # hh = act(xh + r q)
                    q, dq = tape_z[t, i, 3 * H :], dz[s, i, 3 * H :]
                    for j in range(H):
                        dr[j] = dxh[j] * q[j]
                        dq[j] = dxh[j] * r[j]
                    derive(rec, by_rec[t, i, H : 2 * H], dr)
                else:
                    fill(dr)
            if not reset_after:
                # hh = act(xh + (r h) Uh)
                add_product(dz[s], 2 * H, Ut, 2 * H, H, ds, 0, H, edge)
                for i in range(B):
                    if runs(mask, lengths, i, t):
                        r, dr, h = tape_z[t, i, H : 2 * H], dz[s, i, H : 2 * H], row(tape_h, i, t)
                        for j in range(H):
                            dr[j] = ds[i, j] * h[j]
                            before[i, j] += ds[i, j] * r[j]
                        if dropped:
                            multiply(drop[i], dr)
                        derive(rec, by_rec[t, i, H : 2 * H], dr)
            # hz, hr and q
            add_product(dz[s], 0, Ut, 0, 2 * H, before, 0, H, edge)
            if reset_after:
                add_product(dz[s], 3 * H, Ut, 2 * H, H, before, 0, H, edge)
            for i in range(B):
                if runs(mask, lengths, i, t):
                    if dropped:
                        multiply(drop[i], before[i])
                    add(before[i], dh[i])
        dz2 = dz[:n].reshape(n * B, P)
        into_panels(dz2, 0, 3 * H, dzp)
        input_gradients(dz2, dzp, t1, x, mask, lengths, Wt, rows, edge, xp, dx, dW, db, 3 * H)
        if dU.size > 0:
            gather(tape_h, mask, lengths, t1, n, hp)
            if dropped:
                for k in range(n * B):
                    scale_in_panels(hp, k, drop[k % B])
            add_weights(hp, dzp, n * B, dU, 0, 2 * H)
            if not reset_after:
                for s in range(n):
                    for i in range(B):
                        if runs(mask, lengths, i, t1 - 1 - s):
                            scale_in_panels(hp, s * B + i, tape_z[t1 - 1 - s, i, H : 2 * H])
            into_panels(dz2, P - H, H, dqp)
            add_weights(hp, dqp, n * B, dU, 2 * H, H)
        if db.size > 0 and reset_after:
            add_columns(dz2, 0, db, 3 * H, 2 * H)
            add_columns(dz2, 3 * H, db, 5 * H, H)


def gru_backward(
    packed: Packed,
    tape: Tape,
    dy: Array | None,
    dhT: Array | None,
    dx: Array | None,
    dW: Array | None,
    dU: Array | None,
    db: Array | None,
    dh0: Array | None,
    dhs: Array | None,
) -> None:
    """Gradients of a loss: see `kernels.reference.gru.gru_backward`."""
    p, B = packed, tape.x.shape[0]
    dstates = (start(dh0, dhT, p, B),)
    run_backward(_backward[p.dtype], p, tape, dy, dx, (dhs,), dstates, (dW, dU, None if db is None else db.reshape(-1)))


def gru_read(packed: Packed, tape: Tape, gates: Array | None, h: Array | None) -> None:
    """What a tape keeps of its first rows: see `kernels.reference.gru.gru_read`."""
    read_rows(tape, gates, 2, 3, (h,))
