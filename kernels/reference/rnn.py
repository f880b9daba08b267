"""Simple recurrent net in plain NumPy: the specification.

    h' = act(b + x W + hd U),  hd = drop h

A step at which a row is masked carries its h, and its output is h. `drop` (recurrent dropout) is one array
for all steps, of ones where there is none.

Source: Elman 1990, with the activation of the caller's choice, as SimpleRNN in Keras.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ACTIVATIONS
from .activations import Differentiable, Pullback, apply
from .common import Array, Mask, Packed, Tape, active_steps, dropped, frozen, read_gates, read_states


def rnn_supports(dtype: np.dtype[Any], activation: str) -> bool:
    """True where this backend runs these options: float32 and float64, every activation of the contract."""
    return np.dtype(dtype).char in "fd" and activation in ACTIVATIONS


def rnn_pack(W: Array, U: Array, b: Array | None, activation: str | Differentiable, backward: bool) -> Packed:
    """Copy W (I, H), U (H, H) and b (H,) or None. `backward` says whether backward will be called."""
    bias = None if b is None else frozen(b)
    return Packed(frozen(W), frozen(U), bias, activation, backward=backward)


def rnn_tape(packed: Packed, B: int, T: int) -> Tape:
    """An empty tape for B rows of T steps; forward fills it, again and again if need be."""
    return Tape(B, T)


def _step(packed: Packed, x: Array, hd: Array) -> tuple[Array, Pullback]:
    """One step: x (B, I), hd (B, H). Returns the new h, and the map from its gradient to that of z."""
    z = x @ packed.W + hd @ packed.U
    if packed.b is not None:
        z = z + packed.b
    return apply(packed.activation, z)


def rnn_step(packed: Packed, x: Array, h: Array) -> None:
    """One step for B rows, in place: x (B, I) in; h (B, H) in and out. No tape."""
    h[...] = _step(packed, x, h)[0]


def rnn_forward(
    packed: Packed,
    x: Array,
    h0: Array,
    mask: Mask | None,
    lengths: NDArray[np.int32] | None,
    drop: Array | None,
    y: Array | None,
    hT: Array,
    tape: Tape | None,
) -> None:
    """Run B sequences of T steps.

    Args:
        packed: weights from `rnn_pack`.
        x: (B, T, I), any strides, not written to.
        h0: (B, H) initial state, not written to.
        mask: (B, T) booleans, False where the row carries its state; or None.
        lengths: (B,) int32, the steps of each row from the left; or None. Never both.
        drop: (B, H), what h is multiplied with before its products with U at every step; or None.
        y: (B, T, H) written with h after each step, or None.
        hT: (B, H) written with the final state.
        tape: written with what backward needs, or None.
    """
    B, T, _ = x.shape
    run = active_steps(B, T, mask, lengths)
    h = h0
    kept: dict[str, list[Array]] = {"h": [h]}
    backs: list[tuple[Pullback, ...]] = []
    for t in range(T):
        h_new, back = _step(packed, np.where(run[t], x[:, t], 0), dropped(h, drop))
        h = np.where(run[t], h_new, h)
        if y is not None:
            y[:, t] = h
        if tape is not None:
            kept["h"].append(h)
            backs.append((back,))
    if tape is not None:
        tape.x, tape.run, tape.drop, tape.backs = x, run, drop, backs
        tape.kept = {name: np.array(values) for name, values in kept.items()}
    hT[...] = h


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
    """Gradients of a loss, from its gradients dy (B, T, H) and dhT (B, H); None stands for zeros.

    dx (B, T, I) and dh0 (B, H) are overwritten; dW (I, H), dU (H, H) and db (H,) are added to; None for any of them
    means that it is not wanted. A masked step has no part in any gradient but those it carries.

    dhs (B, T, H), or None, gets what has reached h after each step.
    """
    assert tape.x is not None
    assert tape.run is not None
    assert tape.kept is not None
    x, run, drop, h = tape.x, tape.run, tape.drop, tape.kept["h"]
    B, T, H = tape.B, tape.T, packed.H
    dh = np.zeros((B, H), packed.dtype) if dhT is None else np.array(dhT)
    for t in reversed(range(T)):
        if dy is not None:
            dh = dh + dy[:, t]
        if dhs is not None:
            dhs[:, t] = dh
        # h' = act(z)
        (back,) = tape.backs[t]
        dz = np.where(run[t], back(dh), 0)
        # z = b + x W + hd U; a masked row may hold anything, NaN too: it is left out, not multiplied by zero
        xt, ht = np.where(run[t], x[:, t], 0), np.where(run[t], dropped(h[t], drop), 0)
        if dx is not None:
            dx[:, t] = dz @ packed.W.T
        if dW is not None:
            dW += xt.T @ dz
        if dU is not None:
            dU += ht.T @ dz
        if db is not None:
            db += dz.sum(0)
        dh = np.where(run[t], dropped(dz @ packed.U.T, drop), dh)
    if dh0 is not None:
        dh0[...] = dh


def rnn_read(packed: Packed, tape: Tape, gates: Array | None, h: Array | None) -> None:
    """What a tape keeps of its first n rows, after each step; None for what is not wanted.

    gates (n, T, 1, H), which is the new h: after activation, NaN at masked steps. h (n, T, H): the state.
    """
    assert tape.kept is not None
    read_gates(tape, tape.kept["h"][1:, :, None], gates)
    read_states(tape.kept["h"], h)
