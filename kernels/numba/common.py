"""What the three compiled cells share: products and other loops, packed weights and tapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ACTIVATIONS
from .jit import inner

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Lengths = NDArray[np.int32]

#: Rows (a step of a batch row) whose projections or gradients are held at a time: enough to reuse each weight that is
#: loaded, few enough to stay in cache.
ROWS = 256
#: Columns of a product that are held at a time: eight rows of weights fit into the first cache.
COLUMNS = 512


@inner
def runs(mask: Mask, lengths: Lengths, row: int, t: int) -> bool:
    """Does this row run at step t? At the other steps its states are carried."""
    if lengths.size > 0:
        return bool(t < lengths[row])
    if mask.size > 0:
        return bool(mask[row, t])
    return True


@inner
def add_product(A: Array, a: int, B: Array, b: int, C: Array, c: int, N: int) -> None:
    """C[:, c : c + N] += A[:, a : a + K] @ B[:, b : b + N], where B has K rows.

    Each element sums in the order of K into one accumulator, whatever the number of rows. Lanes are columns. Eight
    rows of B go by at a time, so that an element of C is loaded and stored once for eight sums; all rows of C use
    them while they are in the first cache.
    """
    K = B.shape[0]
    eights = K - K % 8
    for n0 in range(0, N, COLUMNS):
        n = min(COLUMNS, N - n0)
        lo, hi = b + n0, b + n0 + n
        for k in range(0, eights, 8):
            # one name for each row: indexed as one array, they were not vectorised
            b0, b1, b2, b3 = B[k, lo:hi], B[k + 1, lo:hi], B[k + 2, lo:hi], B[k + 3, lo:hi]
            b4, b5, b6, b7 = B[k + 4, lo:hi], B[k + 5, lo:hi], B[k + 6, lo:hi], B[k + 7, lo:hi]
            for m in range(C.shape[0]):
                a0, a1, a2, a3 = A[m, a + k], A[m, a + k + 1], A[m, a + k + 2], A[m, a + k + 3]
                a4, a5, a6, a7 = A[m, a + k + 4], A[m, a + k + 5], A[m, a + k + 6], A[m, a + k + 7]
                z = C[m, c + n0 : c + n0 + n]
                for j in range(n):
                    s = z[j]
                    s += a0 * b0[j]
                    s += a1 * b1[j]
                    s += a2 * b2[j]
                    s += a3 * b3[j]
                    s += a4 * b4[j]
                    s += a5 * b5[j]
                    s += a6 * b6[j]
                    s += a7 * b7[j]
                    z[j] = s
        for k in range(eights, K):
            b0 = B[k, lo:hi]
            for m in range(C.shape[0]):
                a0 = A[m, a + k]
                z = C[m, c + n0 : c + n0 + n]
                for j in range(n):
                    z[j] += a0 * b0[j]


@inner
def steps_at_once(B: int, T: int) -> int:
    """How many steps of B rows to hold at a time."""
    return max(1, min(T, ROWS // max(1, B)))


@inner
def project(x: Array, t0: int, W: Array, b: Array, rows: Array, z: Array) -> None:
    """z (n, B, P) = b (P,) and, in the columns of W (I, N), + x W, for the n steps of x (B, T, I) from t0.

    rows (at least n B, I) is scratch.
    """
    n, B, P = z.shape
    for s in range(n):
        for i in range(B):
            row, out = rows[s * B + i], z[s, i]
            for j in range(row.size):
                row[j] = x[i, t0 + s, j]
            for j in range(P):
                out[j] = b[j]
    add_product(rows, 0, W, 0, z.reshape(n * B, P), 0, W.shape[1])


@inner
def gather(x: Array, mask: Mask, lengths: Lengths, t1: int, n: int, out: Array) -> None:
    """out (I, n B): the n steps of x (B, T, I) that end before t1, the last first, one column for a row and step.

    Zeros where the row is masked: x may hold anything there, NaN too.
    """
    B = x.shape[0]
    zero = out.dtype.type(0)
    for s in range(n):
        t = t1 - 1 - s
        for i in range(B):
            run = runs(mask, lengths, i, t)
            for j in range(out.shape[0]):
                out[j, s * B + i] = x[i, t, j] if run else zero


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
    t1: int,
    x: Array,
    mask: Mask,
    lengths: Lengths,
    Wt: Array,
    rows: Array,
    xt: Array,
    dx: Array,
    dW: Array,
    db: Array,
) -> None:
    """What b + x W passes back: n steps of dx (B, T, I), and what these steps add to dW (I, N) and db (at least N,).

    dz (n B, at least N): the gradients of pre-activations, the step before t1 first; its first N columns count. An
    output without elements is not wanted. rows (at least n B, I) and xt (I, at least n B) are scratch.
    """
    N, B = Wt.shape[0], x.shape[0]
    n = dz.shape[0] // max(1, B)
    if dx.size > 0:
        for i in range(n * B):
            fill(rows[i])
        add_product(dz, 0, Wt, 0, rows[: n * B], 0, Wt.shape[1])
        for s in range(n):
            for i in range(B):
                copy(rows[s * B + i], dx[i, t1 - 1 - s])
    if dW.size > 0:
        gather(x, mask, lengths, t1, n, xt)
        add_product(xt, 0, dz, 0, dW, 0, N)
    if db.size > 0:
        add_columns(dz, 0, db, 0, N)


@inner
def copy(source: Array, target: Array) -> None:
    """target = source, both of one shape with one axis."""
    for j in range(target.size):
        target[j] = source[j]


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

    W (I, G*H) and U (H, G*H) as they came; b (P,) one value for each pre-activation of a row, zeros where the cell has
    no bias; Wt and Ut the transposes, for backward alone, else without elements. act, rec: codes of the activations.
    none1, none2 and none3 stand for absent arrays.
    """

    I: int  # noqa: E741 - the contract's letter
    H: int
    dtype: np.dtype[Any]
    W: Array
    U: Array
    b: Array
    Wt: Array
    Ut: Array
    act: int
    rec: int
    none1: Array
    none2: Array
    none3: Array


def pack_weights(
    W: Array, U: Array, b: Array, activation: str, recurrent_activation: str = "linear", *, backward: bool
) -> Packed:
    """Copy W and U; b (P,) is kept as it is."""
    none1, none2, none3 = (np.empty((0,) * axes, W.dtype) for axes in (1, 2, 3))
    return Packed(
        I=W.shape[0],
        H=U.shape[0],
        dtype=W.dtype,
        W=np.array(W, order="C"),
        U=np.array(U, order="C"),
        b=b,
        Wt=np.array(W.T, order="C") if backward else none2,
        Ut=np.array(U.T, order="C") if backward else none2,
        act=ACTIVATIONS.index(activation),
        rec=ACTIVATIONS.index(recurrent_activation),
        none1=none1,
        none2=none2,
        none3=none3,
    )


NO_MASK = np.empty((0, 0), np.bool_)
NO_LENGTHS = np.empty(0, np.int32)


@dataclass
class Tape:
    """What one forward pass keeps for one or more backward passes.

    z (T, B, P) is the gates and what else a step computed; h and c (B, T + 1, H) start with the initial state. x, mask
    and lengths are the caller's arrays, not copies: they must not change before backward.
    """

    z: Array
    h: Array
    c: Array
    x: Array
    mask: Mask
    lengths: Lengths


def new_tape(p: Packed, B: int, T: int, P: int, states: int) -> Tape:
    """A tape for B rows of T steps with P values a step, of a cell with one or two states."""
    h = np.empty((B, T + 1, p.H), p.dtype)
    c = np.empty_like(h) if states == 2 else p.none3
    return Tape(np.empty((T, B, P), p.dtype), h, c, p.none3, NO_MASK, NO_LENGTHS)


def start(into: Array | None, gradient: Array | None, p: Packed, B: int) -> Array:
    """A (B, H) array for the gradient of a state, `into` if that is wanted, with the final state's gradient in it."""
    d = np.empty((B, p.H), p.dtype) if into is None else into
    d[...] = 0 if gradient is None else gradient
    return d
