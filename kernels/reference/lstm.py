"""LSTM in plain NumPy: the specification.

    [zi zf zc zo] = b + x W + hd U,  hd = drop h
    i = rec(zi)   f = rec(zf)   g = act(zc)   o = rec(zo)
    c' = f c + i g
    h' = o act(c')

Columns of W, U and b: i f c o, as in Keras. A step at which a row is masked carries its h and c, and its output is h.
`drop` (recurrent dropout) is one array for all steps and gates, of ones where there is none.

Source: Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins 2000.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ACTIVATIONS
from .activations import Differentiable, Pullback, apply
from .common import Array, Mask, Packed, Tape, active_steps, dropped, frozen, read_gates, read_states


def lstm_supports(dtype: np.dtype[Any], activation: str, recurrent_activation: str) -> bool:
    """True where this backend runs these options: float32 and float64, every activation of the contract."""
    return np.dtype(dtype).char in "fd" and activation in ACTIVATIONS and recurrent_activation in ACTIVATIONS


def lstm_pack(
    W: Array,
    U: Array,
    b: Array | None,
    activation: str | Differentiable,
    recurrent_activation: str | Differentiable,
    backward: bool,
) -> Packed:
    """Copy W (I, 4H), U (H, 4H) and b (4H,) or None. `backward` says whether backward will be called."""
    bias = None if b is None else frozen(b)
    return Packed(frozen(W), frozen(U), bias, activation, recurrent_activation, backward=backward)


def lstm_tape(packed: Packed, B: int, T: int) -> Tape:
    """An empty tape for B rows of T steps; forward fills it, again and again if need be."""
    return Tape(B, T)


def _step(packed: Packed, x: Array, hd: Array, c: Array) -> tuple[Array, Array, Array, Array, tuple[Pullback, ...]]:
    """One step: x (B, I), hd and c (B, H).

    Returns the gates i f g o (B, 4, H) after activation, a = act(c'), the new h and c, and for each of the five
    activations the map from its gradient to that of its argument.
    """
    act, rec = packed.activation, packed.recurrent_activation
    z = x @ packed.W + hd @ packed.U
    if packed.b is not None:
        z = z + packed.b
    zi, zf, zc, zo = np.split(z, 4, axis=1)
    (i, i_back), (f, f_back), (g, g_back), (o, o_back) = apply(rec, zi), apply(rec, zf), apply(act, zc), apply(rec, zo)
    c_new = f * c + i * g
    a, a_back = apply(act, c_new)
    h_new = o * a
    return np.stack([i, f, g, o], axis=1), a, h_new, c_new, (i_back, f_back, g_back, o_back, a_back)


def lstm_step(packed: Packed, x: Array, h: Array, c: Array) -> None:
    """One step for B rows, in place: x (B, I) in; h and c (B, H) in and out. No tape."""
    _, _, h[...], c[...], _ = _step(packed, x, h, c)


def lstm_forward(
    packed: Packed,
    x: Array,
    h0: Array,
    c0: Array,
    mask: Mask | None,
    lengths: NDArray[np.int32] | None,
    drop: Array | None,
    y: Array | None,
    hT: Array,
    cT: Array,
    tape: Tape | None,
) -> None:
    """Run B sequences of T steps.

    Args:
        x: (B, T, I), any strides, not written to.
        h0, c0: (B, H) initial states, not written to.
        mask: (B, T) booleans, False where the row carries its states; or None.
        lengths: (B,) int32, the steps of each row from the left; or None. Never both.
        drop: (B, H), what h is multiplied with before its products with U at every step; or None.
        y: (B, T, H) written with h after each step, or None.
        hT, cT: (B, H) written with the final states.
        tape: written with what backward needs, or None.
    """
    B, T, _ = x.shape
    run = active_steps(B, T, mask, lengths)
    h, c = h0, c0
    kept: dict[str, list[Array]] = {"gates": [], "a": [], "h": [h], "c": [c]}
    backs: list[tuple[Pullback, ...]] = []
    for t in range(T):
        gates, a, h_new, c_new, back = _step(packed, np.where(run[t], x[:, t], 0), dropped(h, drop), c)
        h, c = np.where(run[t], h_new, h), np.where(run[t], c_new, c)
        if y is not None:
            y[:, t] = h
        if tape is not None:
            for name, value in (("gates", gates), ("a", a), ("h", h), ("c", c)):
                kept[name].append(value)
            backs.append(back)
    if tape is not None:
        tape.x, tape.run, tape.drop, tape.backs = x, run, drop, backs
        tape.kept = {name: np.array(values) for name, values in kept.items()}
    hT[...], cT[...] = h, c


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
    """Gradients of a loss, from its gradients dy (B, T, H), dhT and dcT (B, H); None stands for zeros.

    dx (B, T, I), dh0 and dc0 (B, H) are overwritten; dW (I, 4H), dU (H, 4H) and db (4H,) are added to; None for any
    of them means that it is not wanted. A masked step has no part in any gradient but those it carries.

    dhs and dcs (B, T, H), or None, get what has reached h and c after each step: dh with c held, dc with h held.
    """
    assert tape.x is not None
    assert tape.run is not None
    assert tape.kept is not None
    x, run, drop, h, c = tape.x, tape.run, tape.drop, tape.kept["h"], tape.kept["c"]
    B, T, H = tape.B, tape.T, packed.H
    dh = np.zeros((B, H), packed.dtype) if dhT is None else np.array(dhT)
    dc = np.zeros((B, H), packed.dtype) if dcT is None else np.array(dcT)
    for t in reversed(range(T)):
        (i, f, g, o), a = np.moveaxis(tape.kept["gates"][t], 1, 0), tape.kept["a"][t]
        i_back, f_back, g_back, o_back, a_back = tape.backs[t]
        if dy is not None:
            dh = dh + dy[:, t]
        if dhs is not None:
            dhs[:, t] = dh
        if dcs is not None:
            dcs[:, t] = dc
        # h' = o a, a = act(c')
        do = dh * a
        dct = dc + a_back(dh * o)
        # c' = f c + i g
        di, df, dg = dct * g, dct * c[t], dct * i
        # gates = activation(z)
        dz = np.concatenate([i_back(di), f_back(df), g_back(dg), o_back(do)], axis=1)
        dz = np.where(run[t], dz, 0)
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
        dc = np.where(run[t], dct * f, dc)
    if dh0 is not None:
        dh0[...] = dh
    if dc0 is not None:
        dc0[...] = dc


def lstm_read(packed: Packed, tape: Tape, gates: Array | None, h: Array | None, c: Array | None) -> None:
    """What a tape keeps of its first n rows, after each step; None for what is not wanted.

    gates (n, T, 4, H), i f g o: after activation, NaN at masked steps. h and c (n, T, H): the states.
    """
    assert tape.kept is not None
    read_gates(tape, tape.kept["gates"], gates)
    read_states(tape.kept["h"], h)
    read_states(tape.kept["c"], c)
