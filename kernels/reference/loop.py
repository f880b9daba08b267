"""The loop over time in plain NumPy, forward and backward, for any cell: the specification, and the last resort.

A cell brings one function of a step, whole, with its products:

    step(weights, options, x, hd, *states) -> (gates, new states, back)

weights and options are in the row's order; x (B, I); hd (B, H) is h as products see it, drop h under recurrent dropout;
states are (B, H). gates (B, G, H) are after activation. back(*gradients of the new states) gives the gradients of x,
hd, the states and the weights: (dx, dhd, dstates, dweights); that of h leaves out what went through hd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cells import Cell
from ..contract import Split

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Gradients = tuple[Array, Array, tuple[Array, ...], tuple[Array | None, ...]]
Step = Callable[..., tuple[Array, tuple[Array, ...], Callable[..., Gradients]]]


@dataclass(frozen=True)
class Packed:
    """Weights as `pack` leaves them: read-only copies, with the function of a step.

    sizes: of the states. An activation among the options is a name of the contract; this backend alone takes any other
    function with its gradient too.
    """

    cell: Cell
    step: Step
    weights: tuple[Array | None, ...]
    options: tuple[Any, ...]
    I: int  # noqa: E741 - the contract's letter
    H: int
    sizes: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass
class Tape:
    """What one forward pass keeps for one or more backward passes.

    x and drop are the caller's arrays, not copies: they must not change before backward. `run` and `fresh` (T, B, 1)
    say which rows run at a step, and which of these from zero states; `gates` (B, G, H) has one array a step, `states`
    one tuple a step and, first, the initial ones; `backs` the function back of each step.
    """

    B: int
    T: int
    x: Array | None = None
    run: Mask | None = None
    fresh: Mask | None = None
    drop: Array | None = None
    gates: list[Array] = field(default_factory=list)
    states: list[tuple[Array, ...]] = field(default_factory=list)
    backs: list[Callable[..., Gradients]] = field(default_factory=list)


def dropped(h: Array, drop: Array | None) -> Array:
    """drop h: the state as products see it. The same maps a gradient back."""
    return h if drop is None else h * drop


def tape(packed: Packed, B: int, T: int, recompute: int) -> Tape:
    """An empty tape for B rows of T steps; forward fills it, again and again if need be. With `recompute` a backend may
    keep every so many steps' states alone, where 1 leaves it the choice, and run steps again in backward; here it
    changes nothing.
    """
    return Tape(B, T)


def step(packed: Packed, x: Array, states: Sequence[Array]) -> None:
    """One step for B rows: x (B, I) in; states (B, H) in and out. No tape."""
    _, new, _ = packed.step(packed.weights, packed.options, x, states[0], *states)
    for state, value in zip(states, new, strict=True):
        state[...] = value


def active_steps(B: int, T: int, mask: Mask | None, lengths: NDArray[np.int32] | None) -> Mask:
    """(T, B, 1) booleans: does row b run at step t? At the other steps its states are carried."""
    if lengths is not None:
        run = np.arange(T)[:, None] < lengths[None, :]
    elif mask is not None:
        run = mask.T
    else:
        run = np.ones((T, B), bool)
    return run[:, :, None]


def forward(
    packed: Packed,
    x: Array,
    first: Sequence[Array],
    mask: Mask | None,
    lengths: NDArray[np.int32] | None,
    resets: Mask | None,
    drop: Array | None,
    y: Array | None,
    last: Sequence[Array],
    tape: Tape | None,
) -> None:
    """Run B sequences of T steps.

    Args:
        x: (B, T, I), any strides, not written to.
        first: the initial states (B, H), not written to.
        mask: (B, T) booleans, False where the row carries its states; or None.
        lengths: (B,) int32, the steps of each row from the left; or None. Never both.
        resets: (B, T) booleans, True where the row, if it runs, starts from states of zeros; or None.
        drop: (B, H), what h is multiplied with before its products at every step; or None.
        y: (B, T, H) written with h after each step, or None.
        last: (B, H) each, written with the final states.
        tape: written with what backward needs, or None.
    """
    B, T, _ = x.shape
    run = active_steps(B, T, mask, lengths)
    fresh = np.zeros_like(run) if resets is None else run & resets.T[:, :, None]
    states = tuple(first)
    if tape is not None:
        tape.x, tape.run, tape.fresh, tape.drop = x, run, fresh, drop
        tape.gates, tape.states, tape.backs = [], [states], []
    for t in range(T):
        # a masked row may hold anything, NaN too: it is left out by selection, not multiplied by zero
        before = tuple(np.where(run[t] & ~fresh[t], s, 0) for s in states)
        xt, hd = np.where(run[t], x[:, t], 0), dropped(before[0], drop)
        gates, new, back = packed.step(packed.weights, packed.options, xt, hd, *before)
        states = tuple(np.where(run[t], n, s) for n, s in zip(new, states, strict=True))
        if y is not None:
            y[:, t] = states[0]
        if tape is not None:
            tape.gates.append(gates)
            tape.states.append(states)
            tape.backs.append(back)
    for out, state in zip(last, states, strict=True):
        out[...] = state


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
    """Gradients of a loss, from its gradients dy (B, T, H) and dlast, (B, H) each; None stands for zeros.

    dx (B, T, I) and dfirst, (B, H) each, are overwritten; dweights, in the weights' shapes, are added to; None for any
    of them means that it is not wanted. A masked step has no part in any gradient but those it carries.

    traces: (B, T, H) or None for each state, written with what has reached it after each step, the others held.
    """
    assert tape.run is not None
    assert tape.fresh is not None
    B, T = tape.B, tape.T
    dstates = [
        np.zeros((B, n), packed.dtype) if d is None else np.array(d) for d, n in zip(dlast, packed.sizes, strict=True)
    ]
    for t in reversed(range(T)):
        run = tape.run[t]
        if dy is not None:
            dstates[0] = dstates[0] + dy[:, t]
        for trace, d in zip(traces, dstates, strict=True):
            if trace is not None:
                trace[:, t] = d
        dxt, dhd, before, added = tape.backs[t](*(np.where(run, d, 0) for d in dstates))
        if dx is not None:
            dx[:, t] = np.where(run, dxt, 0)
        for total, gradient in zip(dweights, added, strict=True):
            if total is not None:
                total += gradient
        before = (before[0] + dropped(dhd, tape.drop), *before[1:])
        crossing = run & ~tape.fresh[t]
        dstates = [np.where(crossing, b, np.where(run, 0, d)) for b, d in zip(before, dstates, strict=True)]
    for out, d in zip(dfirst, dstates, strict=True):
        if out is not None:
            out[...] = d


def forward_all(calls: Sequence[Sequence[Any]]) -> None:
    """Calls of `forward`, by their arguments, as one after another: x of one may be y of one before it."""
    for call in calls:
        forward(*call)


def backward_all(calls: Sequence[Sequence[Any]]) -> None:
    """Calls of `backward`, by their arguments, as one after another: dy of one may be dx of one before it."""
    for call in calls:
        backward(*call)


def read(packed: Packed, tape: Tape, gates: Array | None, states: Sequence[Array | None]) -> None:
    """What a tape keeps of its first n rows, after each step; None for what is not wanted.

    gates (n, T, G, H): in the order of columns, after activation, NaN at masked steps. states: (n, T, H) each.
    """
    assert tape.run is not None
    for t in range(tape.T):
        if gates is not None:
            n = len(gates)
            gates[:, t] = np.where(tape.run[t, :n, :, None], tape.gates[t][:n], np.nan)
        for out, state in zip(states, tape.states[t + 1], strict=True):
            if out is not None:
                out[:, t] = state[: len(out)]


def split_of(packed: Packed, shape: tuple[int, int, int], backward: bool = False) -> Split:
    """How a call for x of this shape (B, T, I) is shared: not at all."""
    return Split(1, "rows", [shape[0]], "NumPy runs all rows at once")
