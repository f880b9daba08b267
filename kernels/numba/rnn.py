"""Simple recurrent net, compiled by Numba. Equations, shapes and the meaning of each argument: `reference/rnn.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .activations import activate, derive
from .common import (
    NO_LENGTHS,
    NO_MASK,
    Array,
    Lengths,
    Mask,
    Packed,
    Tape,
    add,
    copy,
    drop_gathered,
    drop_rows,
    fill,
    gather,
    hand_on,
    input_gradients,
    new_tape,
    pack_weights,
    project,
    runs,
    start,
    steps_at_once,
    supports,
)
from .jit import kernel, row
from .products import add_product, add_weights, cube, into_panels, lying, square, tall_panels


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


@kernel("a3 a3 a1 int v3 mask lengths r2 a3 a2 a3")
def _forward(
    W: Array,
    U: Array,
    b: Array,
    act: int,
    x: Array,
    mask: Mask,
    lengths: Lengths,
    drop: Array,
    y: Array,
    h: Array,
    tape_h: Array,
) -> None:
    """h (B, H): the initial state in, the final one out. tape_h says by its size whether there is a tape."""
    B, T = x.shape[:2]
    H = b.size
    taped, wanted = tape_h.size > 0, y.size > 0
    if taped:
        for r in range(B):
            copy(h[r], tape_h[r, 0])
    hd = h if drop.size == 0 else square(B, h.shape[1], W)
    chunk = steps_at_once(B, T)
    rows, z = square(chunk * B, x.shape[2], W), cube(chunk, B, H, W)
    for t0 in range(0, T, chunk):
        n = min(chunk, T - t0)
        project(x, t0, W, b, H, rows, z[:n])
        for s in range(n):
            t = t0 + s
            drop_rows(h, drop, hd)
            add_product(hd, 0, U, 0, H, z[s], 0, H)
            for r in range(B):
                if runs(mask, lengths, r, t):
                    copy(z[s, r], h[r])
                    activate(act, h[r])
                if wanted:
                    copy(h[r], y[r, t])
                if taped:
                    copy(h[r], tape_h[r, t + 1])


def rnn_step(packed: Packed, x: Array, h: Array) -> None:
    """One step for B rows, in place: x (B, I) in; h (B, H) in and out. No tape."""
    p = packed
    _forward[p.dtype](p.W, p.U, p.b, p.act, x[:, None], NO_MASK, NO_LENGTHS, p.none2, p.none3, h, p.none3)


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
    mask, lengths = NO_MASK if mask is None else mask, NO_LENGTHS if lengths is None else lengths
    drop = p.none2 if drop is None else drop
    out, kept = p.none3 if y is None else y, p.none3
    if tape is not None:
        tape.x, tape.mask, tape.lengths, tape.drop = x, mask, lengths, drop
        kept = tape.h
    _forward[p.dtype](p.W, p.U, p.b, p.act, x, mask, lengths, drop, out, hT, kept)


@kernel("a3 a3 int v3 mask lengths r2 v3 v3 a3 a2 a2 a1 a2")
def _backward(
    Wt: Array,
    Ut: Array,
    act: int,
    x: Array,
    mask: Mask,
    lengths: Lengths,
    drop: Array,
    tape_h: Array,
    dy: Array,
    dx: Array,
    dW: Array,
    dU: Array,
    db: Array,
    dh: Array,
) -> None:
    """dh (B, H): the final state's gradient in, the initial one's out."""
    B, T = x.shape[:2]
    H = tape_h.shape[2]
    chunk = steps_at_once(B, T)
    # slot s of a chunk is step t1 - 1 - s, so that every sum over rows goes backwards in time whatever the chunk
    dz, dzp = cube(chunk, B, H, Ut), lying(chunk * B, H, Ut)
    rows, before = square(chunk * B, x.shape[2], Ut), square(B, H, Ut)
    xp, hp = tall_panels(chunk * B, x.shape[2], Ut), tall_panels(chunk * B, H, Ut)
    for t1 in range(T, 0, -chunk):
        n = min(chunk, t1)
        for s in range(n):
            t = t1 - 1 - s
            for r in range(B):
                if dy.size > 0:
                    add(row(dy, r, t), dh[r])
                fill(before[r])
                if runs(mask, lengths, r, t):
                    # h' = act(z)
                    copy(dh[r], dz[s, r])
                    derive(act, row(tape_h, r, t + 1), dz[s, r])
                else:
                    fill(dz[s, r])
            # z = b + x W + h U
            add_product(dz[s], 0, Ut, 0, H, before, 0, H)
            for r in range(B):
                if runs(mask, lengths, r, t):
                    hand_on(before[r], drop, r, dh[r])
        dz2 = dz[:n].reshape(n * B, H)
        into_panels(dz2, 0, H, dzp)
        input_gradients(dz2, dzp, t1, x, mask, lengths, Wt, rows, xp, dx, dW, db, H)
        if dU.size > 0:
            gather(tape_h, mask, lengths, t1, n, hp)
            drop_gathered(hp, drop, n)
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
) -> None:
    """Gradients of a loss: see `kernels.reference.rnn.rnn_backward`."""
    p = packed
    none1, none2, none3 = p.none1, p.none2, p.none3
    _backward[p.dtype](
        *(p.Wt, p.Ut, p.act, tape.x, tape.mask, tape.lengths, tape.drop, tape.h),
        *(none3 if dy is None else dy, none3 if dx is None else dx),
        *(none2 if dW is None else dW, none2 if dU is None else dU, none1 if db is None else db),
        start(dh0, dhT, p, tape.x.shape[0]),
    )
