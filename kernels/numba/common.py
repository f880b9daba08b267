"""What the three compiled cells share: loops over rows and steps, packed weights and tapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..cells import ACTIVATIONS, OF_INPUT
from . import team
from .jit import inner, row
from .products import add_product, add_weights, aligned, panels

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Lengths = NDArray[np.int32]

#: Rows (a step of a batch row) whose projections or gradients are held at a time: enough to reuse each weight that is
#: loaded, few enough to stay in cache.
ROWS = 256
#: Multiply-adds of a slice of a long call.
SLICE = 1 << 29


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
def project(x: Array, t0: int, W: Array, b: Array, N: int, rows: Array, edge: Array, z: Array) -> None:
    """z (n, B, P) = b (P,) and, in its first N columns, + x W, for the n steps of x (B, T, I) from t0.

    W (I, N) lies in panels; rows (at least n B, I) and edge (at least n B, width) are scratch.
    """
    n, B, P = z.shape
    for s in range(n):
        for i in range(B):
            copy(row(x, i, t0 + s), rows[s * B + i])
            copy(b, z[s, i])
    add_product(rows, 0, W, 0, rows.shape[1], z.reshape(n * B, P), 0, N, edge)


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
    edge: Array,
    xp: Array,
    dx: Array,
    dW: Array,
    db: Array,
    N: int,
) -> None:
    """What b + x W passes back: n steps of dx (B, T, I), and what these steps add to dW (I, N) and db (at least N,).

    dz (n B, at least N): the gradients of pre-activations, the step before t1 first; its first N columns count, and
    dzp has them in panels. Wt (N, I) lies in panels. An output without elements is not wanted. rows (at least n B, I),
    edge (at least n B, width) and xp, panels of `TALL` columns of x, are scratch.
    """
    B = x.shape[0]
    n = dz.shape[0] // max(1, B)
    if dx.size > 0:
        for i in range(n * B):
            fill(rows[i])
        add_product(dz, 0, Wt, 0, N, rows[: n * B], 0, rows.shape[1], edge)
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
def multiply(factors: Array, target: Array) -> None:
    """target *= factors, both of one shape with one axis."""
    for j in range(target.size):
        target[j] *= factors[j]


@inner
def drop_rows(drop: Array, h: Array, hd: Array) -> None:
    """hd = drop h, each (B, H)."""
    for i in range(h.shape[0]):
        for j in range(h.shape[1]):
            hd[i, j] = drop[i, j] * h[i, j]


@inner
def scale_in_panels(panels: Array, k: int, factors: Array) -> None:
    """Row k of what lies in panels times factors (N,)."""
    wide = panels.shape[2]
    for p in range(panels.shape[0]):
        to = panels[p, k]
        for j in range(min(wide, factors.size - p * wide)):
            to[j] *= factors[p * wide + j]


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
    elements. act, rec: codes of the activations; arguments: how many of a row's pre-activations a tape keeps for
    derivatives that are functions of them: none, the candidate's H, or all P. none1, none2 and none3 stand for absent
    arrays.
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
    arguments: int
    none1: Array
    none2: Array
    none3: Array

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as plain weights, since the panels' width depends on the processor."""
        gates = 2 * self.H if self.Uh.size else None
        N = self.b.size if gates is None else gates + self.H
        U = [_unpacked(self.U, gates or N), *([_unpacked(self.Uh, self.H)] if gates else [])]
        options = ACTIVATIONS[self.act], ACTIVATIONS[self.rec]
        return _pack_again, (_unpacked(self.W, N), np.hstack(U), self.b, options, self.Wt.size > 0, gates)


def _unpacked(panels: Array, N: int) -> Array:
    """The first N columns of what lies in panels."""
    return np.ascontiguousarray(panels.swapaxes(0, 1).reshape(panels.shape[1], -1)[:, :N])


def _pack_again(W: Array, U: Array, b: Array, options: Sequence[str], backward: bool, gates: int | None) -> Packed:
    return pack_weights(W, U, b, *options, backward=backward, gates=gates)


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
    split = () if gates is None else (U[:, gates:],)
    whole = (W.T, U.T) if backward else ()
    Wp, Up, *rest = panels(W, U[:, :gates], *split, *whole)
    return Packed(
        I=W.shape[0],
        H=U.shape[0],
        dtype=W.dtype,
        W=Wp,
        U=Up,
        Uh=rest[0] if split else none3,
        b=b,
        Wt=rest[-2] if whole else none3,
        Ut=rest[-1] if whole else none3,
        act=ACTIVATIONS.index(activation),
        rec=ACTIVATIONS.index(recurrent_activation),
        arguments=b.size if recurrent_activation in OF_INPUT else U.shape[0] if activation in OF_INPUT else 0,
        none1=none1,
        none2=none2,
        none3=none3,
    )


_NONE = {np.dtype(c): tuple(np.empty((0,) * axes, c) for axes in (1, 2, 3)) for c in "fd"}
NO_MASK = np.empty((0, 0), np.bool_)
NO_LENGTHS = np.empty(0, np.int32)


class TapePart(NamedTuple):
    """What a forward pass keeps of some rows: z (T, B, P), the gates and what else a step computed, if the cell keeps
    any; v (T, B, `arguments`), pre-activations, without elements where no derivative asks for them; h and, with two
    states, c (B, T + 1, H), which start with the initial state."""

    rows: slice
    kept: tuple[Array, ...]


@dataclass
class Tape:
    """What one forward pass keeps for one or more backward passes.

    x, mask, lengths and drop are the caller's arrays, not copies: they must not change before backward.
    """

    parts: list[TapePart]
    x: Array
    mask: Mask
    lengths: Lengths
    drop: Array


def groups(B: int) -> list[slice]:
    """The rows of a batch whose gradients are summed together, one group after the other.

    They follow from B alone, so that the sums do not depend on the number of threads; four groups at most, as each
    has gradients of all weights.
    """
    return team.split(B, 1 if B < 32 else 2 if B < 128 else 4)


def new_tape(p: Packed, B: int, T: int, P: int, states: int) -> Tape:
    """A tape for B rows of T steps with P gates and other values a step, of a cell with one or two states."""
    parts = []
    for rows in groups(B):
        n = rows.stop - rows.start
        gates = [aligned((T, n, P), p.dtype)] if P else []
        arguments = aligned((T, n, p.arguments), p.dtype) if p.arguments else p.none3
        states_ = (aligned((n, T + 1, p.H), p.dtype) for _ in range(states))
        parts.append(TapePart(rows, (*gates, arguments, *states_)))
    return Tape(parts, p.none3, NO_MASK, NO_LENGTHS, p.none2)


def work_of(p: Packed, B: int, T: int, inputs: int) -> int:
    """The multiply-adds of a forward pass over x (B, T, inputs)."""
    return T * B * p.b.size * (inputs + p.H)


def slices(p: Packed, shape: tuple[int, ...], work: int) -> list[tuple[int, int]]:
    """The steps of a call for x of this shape (B, T, I), and of so many multiply-adds, from first to last in whole
    chunks: as many at a time as take about 100 ms, so that Python hears of signals in between."""
    B, T, _ = shape
    chunk = max(1, ROWS // max(1, B))
    each = max(1, SLICE * T // max(1, work + B * T * (20 * p.b.size + 500)) // chunk) * chunk
    return [(t, min(t + each, T)) for t in range(0, T, each)] or [(0, 0)]


def split_of(p: Packed, shape: tuple[int, int, int], backward: bool = False) -> tuple[int, str, list[int], str]:
    """How a call for x of this shape (B, T, I) would be shared now: threads, "rows", how many of them each part has,
    and why."""
    B = shape[0]
    work = work_of(p, *shape) * (2 if backward else 1)
    parts = groups(B) if backward else team.rows(B, work)
    limit = team.get_num_threads()
    threads = min(len(parts), limit) if work >= team.PAYS else 1
    if limit == 1:
        why = "a call may use one thread"
    elif work < team.PAYS:
        why = f"{work / 1e6:.1f} million multiply-adds, and a second thread pays from {team.PAYS / 1e6:.1f}"
    elif len(parts) == 1:
        why = "so few rows are not shared"
    else:
        why = "parts of the batch never meet" + (", and their number follows from the batch alone" if backward else "")
    return threads, "rows", [part.stop - part.start for part in parts], why


def run_forward(
    kernel: Callable[..., None],
    p: Packed,
    weights: tuple[Any, ...],
    x: Array,
    mask: Mask | None,
    lengths: Lengths | None,
    drop: Array | None,
    outputs: Sequence[Array],
    kept: int,
    tape: Tape | None = None,
) -> None:
    """Call a forward kernel for all rows, in parts where that pays.

    Args:
        weights: its first arguments.
        x: (B, T, I). mask, lengths, drop: of the contract.
        outputs: y, or an array without elements, and the states, in and out.
        kept: how many arrays a tape has. tape: is filled, or None.
    """
    work = work_of(p, *x.shape)
    mask, lengths = NO_MASK if mask is None else mask, NO_LENGTHS if lengths is None else lengths
    arrays = (x, mask, lengths, p.none2 if drop is None else drop, *outputs)
    if tape is None:
        none = (p.none3,) * kept
        parts = [TapePart(rows, none) for rows in team.rows(len(x), work)]
    else:
        tape.x, tape.mask, tape.lengths, tape.drop = arrays[:4]
        parts = tape.parts
    steps = slices(p, x.shape, work)
    if len(parts) == len(steps) == 1:
        kernel(*weights, *steps[0], *arrays, *parts[0].kept)
    else:
        rows = [(*(a[part.rows] for a in arrays), *part.kept) for part in parts]
        team.run([[partial(kernel, *weights, *s, *mine) for s in steps] for mine in rows], work)


def run_backward(
    kernel: Callable[..., None],
    p: Packed,
    tape: Tape,
    dy: Array | None,
    dx: Array | None,
    traces: Sequence[Array | None],
    dstates: Sequence[Array],
    sums: Sequence[Array | None],
) -> None:
    """Call a backward kernel for all rows, group by group; where that pays, groups at once.

    traces: dhs and, with two states, dcs. dstates: gradients of the final states in, of the initial ones out.
    sums: dW, dU, db.
    """
    none = (p.none2, p.none2, p.none1)
    totals = tuple(n if a is None else a for a, n in zip(sums, none, strict=True))
    arrays = (
        tape.x,
        tape.mask,
        tape.lengths,
        tape.drop,
        *(p.none3 if a is None else a for a in (dy, dx, *traces)),
        *dstates,
    )
    weights = (p.Wt, p.Ut, p.act, p.rec)
    work = 2 * work_of(p, *tape.x.shape)
    steps = slices(p, tape.x.shape, work)[::-1]
    if len(tape.parts) == len(steps) == 1:
        kernel(*weights, *steps[0], *arrays, *tape.parts[0].kept, *totals)
        return
    own = [totals, *(tuple(np.zeros_like(a) for a in totals) for _ in tape.parts[1:])]
    rows = [(*(a[part.rows] for a in arrays), *part.kept, *added) for part, added in zip(tape.parts, own, strict=True)]
    team.run([[partial(kernel, *weights, *s, *mine) for s in steps] for mine in rows], work)
    for added in own[1:]:
        for total, a in zip(totals, added, strict=True):
            total += a


def start(into: Array | None, gradient: Array | None, p: Packed, B: int) -> Array:
    """A (B, H) array for the gradient of a state, `into` if that is wanted, with the final state's gradient in it."""
    d = np.empty((B, p.H), p.dtype) if into is None else into
    d[...] = 0 if gradient is None else gradient
    return d
