"""LSTM in plain NumPy: the specification.

    [zi zf zc zo] = b + x W + hd U,  hd = drop h
    i = rec(zi)   f = rec(zf)   g = act(zc)   o = rec(zo)
    c' = f c + i g
    h' = o act(c')

Source: Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins 2000.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .activations import apply
from .loop import Array, Gradients


def step(weights: Any, options: Any, x: Array, hd: Array, h: Array, c: Array) -> Any:
    """One step: `loop` says what goes in and comes out."""
    (W, U, b), (act, rec) = weights, options
    z = x @ W + hd @ U
    if b is not None:
        z = z + b
    zi, zf, zc, zo = np.split(z, 4, axis=1)
    (i, i_back), (f, f_back), (g, g_back), (o, o_back) = apply(rec, zi), apply(rec, zf), apply(act, zc), apply(rec, zo)
    c_new = f * c + i * g
    a, a_back = apply(act, c_new)
    h_new = o * a

    def back(dh: Array, dc: Array) -> Gradients:
        # h' = o a, a = act(c')
        do = dh * a
        dct = dc + a_back(dh * o)
        # c' = f c + i g
        di, df, dg, dc = dct * g, dct * c, dct * i, dct * f
        # gates = activation(z)
        dz = np.concatenate([i_back(di), f_back(df), g_back(dg), o_back(do)], axis=1)
        # z = b + x W + hd U
        return dz @ W.T, dz @ U.T, (np.zeros_like(dh), dc), (x.T @ dz, hd.T @ dz, dz.sum(0))

    return np.stack([i, f, g, o], axis=1), (h_new, c_new), back
