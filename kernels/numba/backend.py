"""The contract compiled by Numba: tapes, and calls of the loops over time in slices and on threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract import Split
from . import thread_pool
from .layouts import Gradients, Inputs, Sums, TapePart
from .loop import ROWS
from .packed import CELLS, NONE, Packed, pack
from .products import aligned

__all__ = ["CELLS", "pack"]

Array = NDArray[Any]

#: Multiply-adds of a slice of a long call.
SLICE = 1 << 29

_NO_FLAGS = np.empty((0, 0), np.bool_)
_NO_LENGTHS = np.empty(0, np.int32)


@dataclass
class Tape:
    """What one forward pass keeps for one or more backward passes, in parts of the batch.

    inputs are the caller's arrays, not copies: they must not change before backward.
    """

    rows: list[slice]
    parts: list[TapePart]
    inputs: Inputs | None = None


def tape(packed: Packed, B: int, T: int, recompute: int) -> Tape:
    """A tape for B rows of T steps; forward fills it, again and again if need be. With `recompute` too it keeps all."""
    p, v, rows = packed, packed.variant, groups(B)
    parts: list[TapePart] = []
    for part in rows:
        n, none = part.stop - part.start, NONE[p.dtype][3]
        z = aligned((T, n, p.P), p.dtype) if v.plan.kept else none
        sums = aligned((T, n, v.plan.gates * p.H), p.dtype) if v.of_input else none
        parts.append(TapePart(z, sums, tuple(aligned((n, T + 1, size), p.dtype) for size in p.sizes)))
    return Tape(rows, parts)


def groups(B: int) -> list[slice]:
    """The rows of a batch whose gradients are summed together, one group after the other.

    They follow from B alone, so that the sums do not depend on the number of threads; four groups at most, as each
    has gradients of all weights.
    """
    return thread_pool.split(B, 1 if B < 32 else 2 if B < 128 else 4)


def _work(p: Packed, shape: tuple[int, ...]) -> int:
    """The multiply-adds of a forward pass over x of this shape (B, T, I)."""
    B, T, I = shape  # noqa: E741
    return T * B * p.P * (I + p.H)


def _slices(p: Packed, shape: tuple[int, ...], work: int) -> list[tuple[int, int]]:
    """The steps of a call for x of this shape (B, T, I), and of so many multiply-adds, from first to last in whole
    chunks: as many at a time as take about 100 ms, so that Python hears of signals in between."""
    B, T, _ = shape
    chunk = max(1, ROWS // max(1, B))
    each = max(1, SLICE * T // max(1, work + B * T * (20 * p.P + 500)) // chunk) * chunk
    return [(t, min(t + each, T)) for t in range(0, T, each)] or [(0, 0)]


def split_of(packed: Packed, shape: tuple[int, int, int], backward: bool = False) -> Split:
    """How a call for x of this shape (B, T, I) would be shared now."""
    B = shape[0]
    work = _work(packed, shape) * (2 if backward else 1)
    parts = groups(B) if backward else thread_pool.rows(B, work)
    limit = thread_pool.get_num_threads()
    threads = min(len(parts), limit) if work >= thread_pool.PAYS else 1
    if limit == 1:
        why = "a call may use one thread"
    elif work < thread_pool.PAYS:
        why = f"{work / 1e6:.1f} million multiply-adds, and a second thread pays from {thread_pool.PAYS / 1e6:.1f}"
    elif len(parts) == 1:
        why = "so few rows are not shared"
    else:
        why = "batch parts need no barrier" + (", and their number follows from the batch alone" if backward else "")
    return Split(threads, "rows", [part.stop - part.start for part in parts], why)


def step(packed: Packed, x: Array, states: Sequence[Array]) -> None:
    """One step for B rows, in place: x (B, I) in; states (B, H) in and out. No tape."""
    _run_forward(
        packed, Inputs(x[:, None], _NO_FLAGS, _NO_LENGTHS, _NO_FLAGS, NONE[packed.dtype][2]), None, states, None
    )


def forward(
    packed: Packed,
    x: Array,
    first: Sequence[Array],
    mask: Array | None,
    lengths: Array | None,
    resets: Array | None,
    drop: Array | None,
    y: Array | None,
    last: Sequence[Array],
    tape: Tape | None,
) -> None:
    """Run B sequences of T steps: see `kernels.reference.loop.forward`."""
    for state, value in zip(last, first, strict=True):
        state[...] = value
    inputs = Inputs(
        x,
        _or(mask, _NO_FLAGS),
        _or(lengths, _NO_LENGTHS),
        _or(resets, _NO_FLAGS),
        _or(drop, NONE[packed.dtype][2]),
    )
    _run_forward(packed, inputs, y, last, tape)


def _run_forward(p: Packed, inputs: Inputs, y: Array | None, states: Sequence[Array], tape: Tape | None) -> None:
    """Call the loop for all rows, in parts and slices where that pays."""
    shape, none = inputs.x.shape, NONE[p.dtype][3]
    work = _work(p, shape)
    if tape is None:
        rows = thread_pool.rows(shape[0], work)
        parts = [TapePart(none, none, (none,) * len(states))] * len(rows)
    else:
        tape.inputs, rows, parts = inputs, tape.rows, tape.parts
    y, steps, loop = none if y is None else y, _slices(p, shape, work), p.variant.loops[0][p.dtype]
    if len(parts) == len(steps) == 1:
        loop(p.weights, *steps[0], inputs, y, tuple(states), parts[0])
        return
    calls = []
    for own, part in zip(rows, parts, strict=True):
        mine = _each(itemgetter(own), (inputs, y, tuple(states)))
        calls.append([partial(loop, p.weights, *s, *mine, part) for s in steps])
    thread_pool.run_parts(calls, work)


def backward(
    packed: Packed,
    tape: Tape,
    dy: Array | None,
    dlast: Sequence[Array | None],
    dx: Array | None,
    dweights: Sequence[Array | None],
    dfirst: Sequence[Array | None],
    traces: Sequence[Array | None],
) -> None:
    """Gradients of a loss: see `kernels.reference.loop.backward`."""
    p, v, inputs = packed, packed.variant, tape.inputs
    assert inputs is not None
    _, none1, none2, none3 = NONE[p.dtype]
    shape = inputs.x.shape
    dstates = []
    for into, gradient, size in zip(dfirst, dlast, p.sizes, strict=True):
        dstates.append(np.empty((shape[0], size), p.dtype) if into is None else into)
        dstates[-1][...] = 0 if gradient is None else gradient
    gradients = Gradients(_or(dy, none3), _or(dx, none3), tuple([_or(a, none3) for a in traces]), tuple(dstates))
    db, vectors = dweights[v.b], [dweights[i] for i in v.vectors]
    totals = Sums(
        dW=_or(dweights[v.W], none2),
        dU=none2 if v.U is None else _or(dweights[v.U], none2),
        dR=none2 if v.R is None else _or(dweights[v.R], none2),
        db=none1 if db is None else db.reshape(-1),
        vectors=_sums_of_vectors(p, vectors),
    )
    work = 2 * _work(p, shape)
    steps, loop = _slices(p, shape, work)[::-1], v.loops[1][p.dtype]
    if len(tape.parts) == len(steps) == 1:
        loop(p.transposed, *steps[0], inputs, gradients, tape.parts[0], totals)
    else:
        _run_backward(p, tape, gradients, totals, steps, work)
    if p.given and totals.vectors and totals.vectors[0].size:
        for d, gradient in zip(vectors, v.cell.equations.prepared.gradients(p.given, totals.vectors), strict=True):
            if d is not None:
                d += gradient


def _sums_of_vectors(p: Packed, wanted: list[Array | None]) -> tuple[Array, ...]:
    """Where the gradients of a step's vectors are added: the arrays that are wanted, or sums that these follow from."""
    none = NONE[p.dtype][1]
    if not p.given:
        return tuple([_or(a, none) for a in wanted])
    some = any(a is not None for a in wanted)
    return tuple([np.zeros_like(a) if some else none for a in p.weights.vectors])


def _run_backward(
    p: Packed, tape: Tape, gradients: Gradients, totals: Sums, steps: list[tuple[int, int]], work: int
) -> None:
    """Call the loop for all rows, in parts and slices; sums of each part, which are added up in order."""
    inputs, loop = tape.inputs, p.variant.loops[1][p.dtype]
    sums: list[Sums] = [totals, *(_each(np.zeros_like, totals) for _ in tape.parts[1:])]
    calls = []
    for own, part, added in zip(tape.rows, tape.parts, sums, strict=True):
        mine = _each(itemgetter(own), (inputs, gradients))
        calls.append([partial(loop, p.transposed, *s, *mine, part, added) for s in steps])
    thread_pool.run_parts(calls, work)
    for added in sums[1:]:
        for total, a in zip((*totals[:-1], *totals.vectors), (*added[:-1], *added.vectors), strict=True):
            total += a


def forward_all(calls: Sequence[Sequence[Any]]) -> None:
    """Calls of `forward`, one after another."""
    for call in calls:
        forward(*call)


def backward_all(calls: Sequence[Sequence[Any]]) -> None:
    """Calls of `backward`, one after another."""
    for call in calls:
        backward(*call)


def read(packed: Packed, tape: Tape, gates: Array | None, states: Sequence[Array | None]) -> None:
    """What a tape keeps of its first rows: see `kernels.reference.loop.read`."""
    inputs = tape.inputs
    assert inputs is not None
    for rows, part in zip(tape.rows, tape.parts, strict=True):
        for out, values in zip(states, part.states, strict=True):
            if out is not None:
                to = out[rows]
                to[...] = values[: len(to), 1:]
        if gates is not None:
            to = gates[rows]
            n, T, G, H = to.shape
            values = part.z[:, :n, : G * H].swapaxes(0, 1) if packed.variant.plan.kept else part.states[0][:n, 1:]
            to[...] = values.reshape(n, T, G, H)
    if gates is not None and inputs.lengths.size:
        gates[np.arange(gates.shape[1]) >= inputs.lengths[: len(gates), None]] = np.nan
    elif gates is not None and inputs.mask.size:
        gates[~inputs.mask[: len(gates)]] = np.nan


def _each(function: Callable[[Array], Array], arrays: Any) -> Any:
    """A function of each array in nested tuples."""
    if not isinstance(arrays, tuple):
        return function(arrays)
    parts = [_each(function, part) for part in arrays]
    return arrays._make(parts) if hasattr(arrays, "_make") else tuple(parts)


def _or(array: Array | None, none: Array) -> Array:
    """The array, or one without elements in its place."""
    return none if array is None else array
