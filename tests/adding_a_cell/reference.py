"""LSTM with peepholes in plain NumPy: the specification.

    [zi zf zc zo] = b + x W + hd U,  hd = drop h
    i = rec(zi + pi c)   f = rec(zf + pf c)   g = act(zc)
    c' = f c + i g
    o = rec(zo + po c')
    h' = o act(c')

Source: Gers, Schraudolph and Schmidhuber 2002, "Learning precise timing with LSTM recurrent networks".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cellstep.kernels.reference.activations import apply
from cellstep.kernels.reference.loop import Array, Gradients


def step(weights: Any, options: Any, x: Array, hd: Array, h: Array, c: Array) -> Any:
    """One step: `kernels/reference/loop.py` says what goes in and comes out."""
    (W, U, b, pi, pf, po), (act, rec) = weights, options
    z = x @ W + hd @ U
    if b is not None:
        z = z + b
    zi, zf, zc, zo = np.split(z, 4, axis=1)
    (i, i_back), (f, f_back), (g, g_back) = apply(rec, zi + pi * c), apply(rec, zf + pf * c), apply(act, zc)
    new = f * c + i * g
    o, o_back = apply(rec, zo + po * new)
    a, a_back = apply(act, new)

    def back(dh: Array, dc: Array) -> Gradients:
        # h' = o a, a = act(c')
        dzo = o_back(dh * a)
        # o = rec(zo + po c')
        dnew = dc + a_back(dh * o) + dzo * po
        # c' = f c + i g
        dzi, dzf, dzc = i_back(dnew * g), f_back(dnew * c), g_back(dnew * i)
        # i = rec(zi + pi c), f = rec(zf + pf c)
        dc = dnew * f + dzi * pi + dzf * pf
        dz = np.concatenate([dzi, dzf, dzc, dzo], axis=1)
        # z = b + x W + hd U
        peepholes = (dzi * c).sum(0), (dzf * c).sum(0), (dzo * new).sum(0)
        return dz @ W.T, dz @ U.T, (np.zeros_like(dh), dc), (x.T @ dz, hd.T @ dz, dz.sum(0), *peepholes)

    return np.stack([i, f, g, o], axis=1), (o * a, new), back
