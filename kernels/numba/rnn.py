"""Simple recurrent net, compiled by Numba. Equations, shapes and the meaning of each argument: `reference/rnn.py`."""

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
from .jit import kernel, row
from .products import add_product, add_weights, cube, into_panels, lying, square, tall_panels
from .reading import read_rows


def rnn_supports(dtype: np.dtype[Any], activation: str) -> bool:
    """True where this backend runs these options: float32 and float64, every activation of the contract."""
    return supports(dtype, activation)


def rnn_pack(W: Array, U: Array, b: Array | None, activation: str, backward: bool) -> Packed:
    """Copy W (I, H), U (H, H) and b (H,) or None, and the transposes for backward."""
    bias = np.zeros(W.shape[1], W.dtype) if b is None else np.array(b, order="C")
    return pack_weights(W, U, bias, activation, backward=backward)


def rnn_tape(packed: Packed, B: int, T: int) -> Tape:
    """A tape for B rows of T steps; forward fills it, again and again if need be. The outputs are all it keeps."""
    return new_tape(packed, B, T, 0, states=1)


@kernel("a3 a3 a1 int int int v3 mask lengths drop a3 a2 a3 a3")
def _forward(
    W: Array,
    U: Array,
    b: Array,
    act: int,
    begin: int,
    end: int,
    x: Array,
    mask: Mask,
    lengths: Lengths,
    drop: Array,
    y: Array,
    h: Array,
    tape_v: Array,
    tape_h: Array,
) -> None:
    """Steps begin to end; h (B, H): the initial state in, the final one out.

    tape_h says by its size whether there is a tape.
    """
    B, T = x.shape[:2]
    H = b.size
    taped, wanted, dropped = tape_h.size > 0, y.size > 0, drop.size > 0
    arguments = tape_v.size > 0
    hd = square(B, h.shape[1], W) if dropped else h
    if taped and begin == 0:
        for r in range(B):
            copy(h[r], tape_h[r, 0])
    chunk = steps_at_once(B, T)
    rows, z = square(chunk * B, x.shape[2], W), cube(chunk, B, H, W)
    edge = square(chunk * B, W.shape[2], W)
    for t0 in range(begin, end, chunk):
        n = min(chunk, end - t0)
        project(x, t0, W, b, H, rows, edge, z[:n])
        for s in range(n):
            t = t0 + s
            if dropped:
                drop_rows(drop, h, hd)
            add_product(hd, 0, U, 0, H, z[s], 0, H, edge)
            for r in range(B):
                if runs(mask, lengths, r, t):
                    if arguments:
                        copy(z[s, r], tape_v[t, r])
                    copy(z[s, r], h[r])
                    activate(act, h[r])
                if wanted:
                    copy(h[r], y[r, t])
                if taped:
                    copy(h[r], tape_h[r, t + 1])


def _weights(p: Packed) -> tuple[Any, ...]:
    return (p.W, p.U, p.b, p.act)


def rnn_step(packed: Packed, x: Array, h: Array) -> None:
    """One step for B rows, in place: x (B, I) in; h (B, H) in and out. No tape."""
    p = packed
    run_forward(_forward[p.dtype], p, _weights(p), x[:, None], None, None, None, (p.none3, h), 2)


def rnn_forward(
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
    """Run B sequences of T steps: see `kernels.reference.rnn.rnn_forward`."""
    p = packed
    hT[...] = h0
    outputs = (p.none3 if y is None else y, hT)
    run_forward(_forward[p.dtype], p, _weights(p), x, mask, lengths, drop, outputs, 2, tape)


@kernel("a3 a3 int int int int v3 mask lengths drop v3 a3 a3 a2 a3 v3 a2 a2 a1")
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
    tape_v: Array,
    tape_h: Array,
    dW: Array,
    dU: Array,
    db: Array,
) -> None:
    """Steps end to begin; dh (B, H): the final state's gradient in, the initial one's out."""
    B, T = x.shape[:2]
    H = tape_h.shape[2]
    dropped = drop.size > 0
    chunk = steps_at_once(B, T)
    # slot s of a chunk is step t1 - 1 - s, so that every sum over rows goes backwards in time whatever the chunk
    dz, dzp = cube(chunk, B, H, Ut), lying(chunk * B, H, Ut)
    rows, before = square(chunk * B, x.shape[2], Ut), square(B, H, Ut)
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
                fill(before[r])
                if runs(mask, lengths, r, t):
                    # h' = act(z)
                    copy(dh[r], dz[s, r])
                    derive(act, tape_v[t, r] if act >= FIRST_OF_INPUT else row(tape_h, r, t + 1), dz[s, r])
                else:
                    fill(dz[s, r])
            # z = b + x W + (drop h) U
            add_product(dz[s], 0, Ut, 0, H, before, 0, H, edge)
            for r in range(B):
                if runs(mask, lengths, r, t):
                    copy(before[r], dh[r])
                    if dropped:
                        multiply(drop[r], dh[r])
        dz2 = dz[:n].reshape(n * B, H)
        into_panels(dz2, 0, H, dzp)
        input_gradients(dz2, dzp, t1, x, mask, lengths, Wt, rows, edge, xp, dx, dW, db, H)
        if dU.size > 0:
            gather(tape_h, mask, lengths, t1, n, hp)
            if dropped:
                for k in range(n * B):
                    scale_in_panels(hp, k, drop[k % B])
            add_weights(hp, dzp, n * B, dU, 0, H)


def rnn_backward(
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
    """Gradients of a loss: see `kernels.reference.rnn.rnn_backward`."""
    p, B = packed, tape.x.shape[0]
    dstates = (start(dh0, dhT, p, B),)
    run_backward(_backward[p.dtype], p, tape, dy, dx, (dhs,), dstates, (dW, dU, db))


def rnn_read(packed: Packed, tape: Tape, gates: Array | None, h: Array | None) -> None:
    """What a tape keeps of its first rows: see `kernels.reference.rnn.rnn_read`."""
    read_rows(tape, gates, 1, 1, (h,))
