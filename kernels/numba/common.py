"""What the three compiled cells share: loops over rows and steps, packed weights and tapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ACTIVATIONS
from .jit import inner, row
from .products import add_product, add_weights, aligned, panels

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Lengths = NDArray[np.int32]

#: Rows (a step of a batch row) whose projections or gradients are held at a time: enough to reuse each weight that is
#: loaded, few enough to stay in cache.
ROWS = 256


@inner
def runs(mask: Mask, lengths: Lengths, row: int, t: int) -> bool:
    """Does this row run at step t? At the other steps its states are carried."""
    if lengths.size > 0:
        return bool(t < lengths[row])
    if mask.size > 0:
        return bool(mask[row, t])
    return True


@inner
def steps_at_once(B: int, T: int) -> int:
    """How many steps of B rows to hold at a time."""
    return max(1, min(T, ROWS // max(1, B)))


@inner
def project(x: Array, t0: int, W: Array, b: Array, N: int, rows: Array, z: Array) -> None:
    """z (n, B, P) = b (P,) and, in its first N columns, + x W, for the n steps of x (B, T, I) from t0.

    W (I, N) lies in panels; rows (at least n B, I) is scratch.
    """
    n, B, P = z.shape
    for s in range(n):
        for i in range(B):
            copy(row(x, i, t0 + s), rows[s * B + i])
            copy(b, z[s, i])
    add_product(rows, 0, W, 0, rows.shape[1], z.reshape(n * B, P), 0, N)


@inner
def gather(x: Array, mask: Mask, lengths: Lengths, t1: int, n: int, out: Array) -> None:
    """out, panels of `TALL` columns of n B rows: the n steps of x (B, T, I) that end before t1, the last first.

    Zeros where the row is masked: x may hold anything there, NaN too.
    """
    B, I, tall = x.shape[0], x.shape[2], out.shape[2]  # noqa: E741
    zero = out.dtype.type(0)
    for s in range(n):
        t = t1 - 1 - s
        for i in range(B):
            run, values = runs(mask, lengths, i, t), row(x, i, t)
            for p in range(out.shape[0]):
                to = out[p, s * B + i]
                if run and (p + 1) * tall <= I:
                    for j in range(tall):
                        to[j] = values[p * tall + j]
                else:
                    for j in range(tall):
                        to[j] = values[p * tall + j] if run and p * tall + j < I else zero


@inner
def drop_rows(h: Array, drop: Array, hd: Array) -> None:
    """hd (B, H) = drop h, for products with U; nothing where drop has no elements, as hd then is h itself."""
    if drop.size > 0:
        for i in range(h.shape[0]):
            for j in range(h.shape[1]):
                hd[i, j] = drop[i, j] * h[i, j]


@inner
def drop_gathered(h: Array, drop: Array, n: int) -> None:
    """h, as `gather` leaves n steps of states, times drop (B, H); nothing where drop has no elements."""
    tall, (B, H) = h.shape[2], drop.shape
    if drop.size > 0:
        for s in range(n):
            for i in range(B):
                for j in range(H):
                    h[j // tall, s * B + i, j % tall] *= drop[i, j]


@inner
def hand_on(dhd: Array, drop: Array, i: int, dh: Array) -> None:
    """dh (H,) = drop dhd for row i: the gradient of h from that of what products saw of it."""
    for j in range(dh.size):
        dh[j] = dhd[j] if drop.size == 0 else drop[i, j] * dhd[j]


@inner
def add_columns(dz: Array, c: int, db: Array, b: int, N: int) -> None:
    """db[b : b + N] += the sum over the rows of dz[:, c : c + N]."""
    out = db[b : b + N]
    for i in range(dz.shape[0]):
        row = dz[i, c : c + N]
        for j in range(N):
            out[j] += row[j]


@inner
def input_gradients(
    dz: Array,
    dzp: Array,
    t1: int,
    x: Array,
    mask: Mask,
    lengths: Lengths,
    Wt: Array,
    rows: Array,
    xp: Array,
    dx: Array,
    dW: Array,
    db: Array,
    N: int,
) -> None:
    """What b + x W passes back: n steps of dx (B, T, I), and what these steps add to dW (I, N) and db (at least N,).

    dz (n B, at least N): the gradients of pre-activations, the step before t1 first; its first N columns count, and
    dzp has them in panels. Wt (N, I) lies in panels. An output without elements is not wanted. rows (at least n B, I)
    and xp, panels of `TALL` columns of x, are scratch.
    """
    B = x.shape[0]
    n = dz.shape[0] // max(1, B)
    if dx.size > 0:
        for i in range(n * B):
            fill(rows[i])
        add_product(dz, 0, Wt, 0, N, rows[: n * B], 0, rows.shape[1])
        for s in range(n):
            for i in range(B):
                copy(rows[s * B + i], dx[i, t1 - 1 - s])
    if dW.size > 0:
        gather(x, mask, lengths, t1, n, xp)
        add_weights(xp, dzp, n * B, dW, 0, N)
    if db.size > 0:
        add_columns(dz, 0, db, 0, N)


@inner
def copy(source: Array, target: Array) -> None:
    """target = source, both of one shape with one axis."""
    for j in range(target.size):
        target[j] = source[j]


@inner
def add(source: Array, target: Array) -> None:
    """target += source, both of one shape with one axis."""
    for j in range(target.size):
        target[j] += source[j]


@inner
def fill(target: Array) -> None:
    """target (n,) = 0."""
    zero = target.dtype.type(0)
    for j in range(target.size):
        target[j] = zero


def supports(dtype: np.dtype[Any], *activations: str) -> bool:
    """True for float32 and float64 with any activations of the contract."""
    return np.dtype(dtype).char in "fd" and all(activation in ACTIVATIONS for activation in activations)


@dataclass(frozen=True)
class Packed:
    """Weights as the kernels read them, made by `pack_weights`. Nobody writes to them.

    W (I, N), U (H, N) and, of a GRU, Uh, the rest of U, in panels; b (P,) one value for each pre-activation of a row,
    zeros where the cell has no bias; Wt and Ut the transposes of all of W and U, for backward alone, else without
    elements. act, rec: codes of the activations. none1, none2 and none3 stand for absent arrays.
    """

    I: int  # noqa: E741 - the contract's letter
    H: int
    dtype: np.dtype[Any]
    W: Array
    U: Array
    Uh: Array
    b: Array
    Wt: Array
    Ut: Array
    act: int
    rec: int
    none1: Array
    none2: Array
    none3: Array


def pack_weights(
    W: Array,
    U: Array,
    b: Array,
    activation: str,
    recurrent_activation: str = "linear",
    *,
    backward: bool,
    gates: int | None = None,
) -> Packed:
    """Copy W and U; b (P,) is kept as it is. Columns of U from `gates` on go to Uh."""
    none1, none2, none3 = _NONE[W.dtype]
    return Packed(
        I=W.shape[0],
        H=U.shape[0],
        dtype=W.dtype,
        W=panels(W),
        U=panels(U[:, :gates]),
        Uh=none3 if gates is None else panels(U[:, gates:]),
        b=b,
        Wt=panels(W.T) if backward else none3,
        Ut=panels(U.T) if backward else none3,
        act=ACTIVATIONS.index(activation),
        rec=ACTIVATIONS.index(recurrent_activation),
        none1=none1,
        none2=none2,
        none3=none3,
    )


_NONE = {np.dtype(c): tuple(np.empty((0,) * axes, c) for axes in (1, 2, 3)) for c in "fd"}
NO_MASK = np.empty((0, 0), np.bool_)
NO_LENGTHS = np.empty(0, np.int32)


@dataclass
class Tape:
    """What one forward pass keeps for one or more backward passes.

    z (T, B, P) is the gates and what else a step computed; h and c (B, T + 1, H) start with the initial state. x, mask,
    lengths and drop are the caller's arrays, not copies: they must not change before backward.
    """

    z: Array
    h: Array
    c: Array
    x: Array
    mask: Mask
    lengths: Lengths
    drop: Array


def new_tape(p: Packed, B: int, T: int, P: int, states: int) -> Tape:
    """A tape for B rows of T steps with P values a step, of a cell with one or two states."""
    h = aligned((B, T + 1, p.H), p.dtype)
    c = aligned(h.shape, p.dtype) if states == 2 else p.none3
    return Tape(aligned((T, B, P), p.dtype), h, c, p.none3, NO_MASK, NO_LENGTHS, p.none2)


def start(into: Array | None, gradient: Array | None, p: Packed, B: int) -> Array:
    """A (B, H) array for the gradient of a state, `into` if that is wanted, with the final state's gradient in it."""
    d = np.empty((B, p.H), p.dtype) if into is None else into
    d[...] = 0 if gradient is None else gradient
    return d
