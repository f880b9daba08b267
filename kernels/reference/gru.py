"""GRU in plain NumPy: the specification. One reset gate, at either of two places.

    [xz xr xh] = b0 + x W
    reset_after:       [hz hr q] = b1 + hd U            hh = act(xh + r q)
    not reset_after:   [hz hr] = hd [Uz Ur]             hh = act(xh + (r hd) Uh)
    z = rec(xz + hz)   r = rec(xr + hr)
    h' = z h + (1 - z) hh                               hd = drop h

With reset_after b is (2, 3H): b0 goes with x, b1 with h; without it b is (3H,), the b0 above.

Source: Cho et al. 2014 (arXiv 1406.1078v1) with the reset after the product, v3 with it before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .activations import apply
from .loop import Array, Gradients


def step(weights: Any, options: Any, x: Array, hd: Array, h: Array) -> Any:
    """One step: `loop` says what goes in and comes out."""
    (W, U, b), (act, rec, reset_after) = weights, options
    H = h.shape[1]
    Uzr, Uh = U[:, : 2 * H], U[:, 2 * H :]
    zx, zh = x @ W, hd @ (U if reset_after else Uzr)
    if b is not None and reset_after:
        zx, zh = zx + b[0], zh + b[1]
    elif b is not None:
        zx = zx + b
    (xz, xr, xh), (hz, hr, *rest) = np.split(zx, 3, axis=1), np.split(zh, 3 if reset_after else 2, axis=1)
    (z, z_back), (r, r_back) = apply(rec, xz + hz), apply(rec, xr + hr)
    # what r multiplies: q, or hd before the product with Uh
    s = rest[0] if reset_after else r * hd
    hh, hh_back = apply(act, xh + (r * s if reset_after else s @ Uh))
    h_new = z * h + (1 - z) * hh

    def back(dh: Array) -> Gradients:
        # h' = z h + (1 - z) hh
        dz, dhh, dh_prev, dhd = dh * (h - hh), dh * (1 - z), dh * z, np.zeros_like(dh)
        # hh = act(xh + r q), with q = b1 + hd Uh; or hh = act(xh + s Uh), with s = r hd
        dxh = hh_back(dhh)
        if reset_after:
            dr, dq = dxh * s, dxh * r
        else:
            ds = dxh @ Uh.T
            dr, dq = ds * hd, dxh
            dhd = dhd + ds * r
        # z = rec(xz + hz), r = rec(xr + hr)
        dzr = np.concatenate([z_back(dz), r_back(dr)], axis=1)
        dhd = dhd + dzr @ Uzr.T
        if reset_after:
            dhd = dhd + dq @ Uh.T
        # [xz xr xh] = b0 + x W, [hz hr q] = b1 + hd U
        dzx, dzh = np.concatenate([dzr, dxh], axis=1), np.concatenate([dzr, dq], axis=1)
        dU = np.concatenate([hd.T @ dzr, (hd if reset_after else s).T @ dq], axis=1)
        db = np.stack([dzx.sum(0), dzh.sum(0)]) if reset_after else dzx.sum(0)
        return dzx @ W.T, dhd, (dh_prev,), (x.T @ dzx, dU, db)

    return np.stack([z, r, hh], axis=1), (h_new,), back
