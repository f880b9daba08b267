"""GRU in plain NumPy: the specification. One reset gate, at either of two places.

    [xz xr xh] = b0 + x W
    reset_after:       [hz hr q] = b1 + hd U            hh = act(xh + r q)
    not reset_after:   [hz hr] = hd [Uz Ur]             hh = act(xh + (r hd) Uh)
    z = rec(xz + hz)   r = rec(xr + hr)
    h' = z h + (1 - z) hh                               hd = drop h

Columns of W, U and b: z r h, as in Keras. With reset_after b is (2, 3H): b0 goes with x, b1 with h; without it b is
(3H,), the b0 above. A step at which a row is masked carries its h, and its output is h. `drop`
(recurrent dropout) is one array for all steps and gates, of ones where there is none.

Source: Cho et al. 2014 (arXiv 1406.1078v1) with the reset after the product, v3 with it before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ACTIVATIONS
from .activations import Differentiable, Pullback, apply
from .common import Array, Mask, Packed, Tape, active_steps, dropped, frozen, read_gates, read_states


def gru_supports(dtype: np.dtype[Any], activation: str, recurrent_activation: str, reset_after: bool) -> bool:
    """True where this backend runs these options: float32 and float64, every activation of the contract."""
    return np.dtype(dtype).char in "fd" and activation in ACTIVATIONS and recurrent_activation in ACTIVATIONS


def gru_pack(
    W: Array,
    U: Array,
    b: Array | None,
    activation: str | Differentiable,
    recurrent_activation: str | Differentiable,
    reset_after: bool,
    backward: bool,
) -> Packed:
    """Copy W (I, 3H), U (H, 3H) and b, or None: (2, 3H) with reset_after, (3H,) without.

    `backward` says whether backward will be called.
    """
    bias = None if b is None else frozen(b)
    return Packed(frozen(W), frozen(U), bias, activation, recurrent_activation, reset_after, backward)


def gru_tape(packed: Packed, B: int, T: int) -> Tape:
    """An empty tape for B rows of T steps; forward fills it, again and again if need be."""
    return Tape(B, T)


def _step(packed: Packed, x: Array, h: Array, hd: Array) -> tuple[Array, Array, Array, tuple[Pullback, ...]]:
    """One step: x (B, I), h and hd (B, H).

    Returns the gates z r hh (B, 3, H) after activation, s (B, H), the new h, and for each gate the map from its
    gradient to that of its argument. s is the factor that r meets: q with reset_after, the product r hd without.
    """
    act, rec = packed.activation, packed.recurrent_activation
    H = packed.H
    zx = x @ packed.W
    if packed.reset_after:
        zh = hd @ packed.U
        if packed.b is not None:
            zx, zh = zx + packed.b[0], zh + packed.b[1]
        (xz, xr, xh), (hz, hr, q) = np.split(zx, 3, axis=1), np.split(zh, 3, axis=1)
        (z, z_back), (r, r_back) = apply(rec, xz + hz), apply(rec, xr + hr)
        s = q
        hh, hh_back = apply(act, xh + r * q)
    else:
        if packed.b is not None:
            zx = zx + packed.b
        (xz, xr, xh), (hz, hr) = np.split(zx, 3, axis=1), np.split(hd @ packed.U[:, : 2 * H], 2, axis=1)
        (z, z_back), (r, r_back) = apply(rec, xz + hz), apply(rec, xr + hr)
        s = r * hd
        hh, hh_back = apply(act, xh + s @ packed.U[:, 2 * H :])
    h_new = z * h + (1 - z) * hh
    return np.stack([z, r, hh], axis=1), s, h_new, (z_back, r_back, hh_back)


def gru_step(packed: Packed, x: Array, h: Array) -> None:
    """One step for B rows, in place: x (B, I) in; h (B, H) in and out. No tape."""
    h[...] = _step(packed, x, h, h)[2]


def gru_forward(
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
        packed: weights from `gru_pack`.
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
    kept: dict[str, list[Array]] = {"gates": [], "s": [], "h": [h]}
    backs: list[tuple[Pullback, ...]] = []
    for t in range(T):
        gates, s, h_new, back = _step(packed, np.where(run[t], x[:, t], 0), h, dropped(h, drop))
        h = np.where(run[t], h_new, h)
        if y is not None:
            y[:, t] = h
        if tape is not None:
            for name, value in (("gates", gates), ("s", s), ("h", h)):
                kept[name].append(value)
            backs.append(back)
    if tape is not None:
        tape.x, tape.run, tape.drop, tape.backs = x, run, drop, backs
        tape.kept = {name: np.array(values) for name, values in kept.items()}
    hT[...] = h


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
    """Gradients of a loss, from its gradients dy (B, T, H) and dhT (B, H); None stands for zeros.

    dx (B, T, I) and dh0 (B, H) are overwritten; dW (I, 3H), dU (H, 3H) and db, of b's shape, are added to; None for
    any of them means that it is not wanted. A masked step has no part in any gradient but those it carries.

    dhs (B, T, H), or None, gets what has reached h after each step.
    """
    assert tape.x is not None
    assert tape.run is not None
    assert tape.kept is not None
    x, run, drop, h = tape.x, tape.run, tape.drop, tape.kept["h"]
    B, T, H = tape.B, tape.T, packed.H
    Uzr, Uh = packed.U[:, : 2 * H], packed.U[:, 2 * H :]
    dh = np.zeros((B, H), packed.dtype) if dhT is None else np.array(dhT)
    for t in reversed(range(T)):
        (z, r, hh), s = np.moveaxis(tape.kept["gates"][t], 1, 0), tape.kept["s"][t]
        z_back, r_back, hh_back = tape.backs[t]
        hd = dropped(h[t], drop)
        if dy is not None:
            dh = dh + dy[:, t]
        if dhs is not None:
            dhs[:, t] = dh
        # h' = z h + (1 - z) hh
        dz, dhh, dh_prev, dhd = dh * (h[t] - hh), dh * (1 - z), dh * z, np.zeros_like(dh)
        # hh = act(xh + r q), with q = b1 + hd Uh; or hh = act(xh + s Uh), with s = r hd
        dxh = hh_back(dhh)
        if packed.reset_after:
            dr, dq = dxh * s, dxh * r
        else:
            ds = dxh @ Uh.T
            dr, dq = ds * hd, dxh
            dhd = dhd + ds * r
        # z = rec(xz + hz), r = rec(xr + hr)
        dzr = np.concatenate([z_back(dz), r_back(dr)], axis=1)
        dhd = dhd + dzr @ Uzr.T
        if packed.reset_after:
            dhd = dhd + dq @ Uh.T
        # hd = drop h
        dh_prev = dh_prev + dropped(dhd, drop)
        # [xz xr xh] = b0 + x W, [hz hr q] = b1 + hd U; a masked row may hold anything, NaN too: it is left out, not
        # multiplied by zero
        dzx = np.where(run[t], np.concatenate([dzr, dxh], axis=1), 0)
        dzh = np.where(run[t], np.concatenate([dzr, dq], axis=1), 0)
        xt, ht, st = (np.where(run[t], v, 0) for v in (x[:, t], hd, s))
        if dx is not None:
            dx[:, t] = dzx @ packed.W.T
        if dW is not None:
            dW += xt.T @ dzx
        if dU is not None:
            dU[:, : 2 * H] += ht.T @ dzh[:, : 2 * H]
            dU[:, 2 * H :] += (ht if packed.reset_after else st).T @ dzh[:, 2 * H :]
        if db is not None:
            db += np.stack([dzx.sum(0), dzh.sum(0)]) if packed.reset_after else dzx.sum(0)
        dh = np.where(run[t], dh_prev, dh)
    if dh0 is not None:
        dh0[...] = dh


def gru_read(packed: Packed, tape: Tape, gates: Array | None, h: Array | None) -> None:
    """What a tape keeps of its first n rows, after each step; None for what is not wanted.

    gates (n, T, 3, H), z r and the candidate: after activation, NaN at masked steps. h (n, T, H): the state.
    """
    assert tape.kept is not None
    read_gates(tape, tape.kept["gates"], gates)
    read_states(tape.kept["h"], h)
