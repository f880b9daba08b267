"""Simple recurrent net in plain NumPy: the specification.

    h' = act(b + x W + hd U),  hd = drop h

Source: Elman 1990, with the activation of the caller's choice, as SimpleRNN in Keras.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .activations import apply
from .loop import Array, Gradients


def step(weights: Any, options: Any, x: Array, hd: Array, h: Array) -> Any:
    """One step: `loop` says what goes in and comes out. Its one gate is the new h."""
    (W, U, b), (act,) = weights, options
    z = x @ W + hd @ U
    if b is not None:
        z = z + b
    h_new, h_back = apply(act, z)

    def back(dh: Array) -> Gradients:
        # h' = act(z)
        dz = h_back(dh)
        # z = b + x W + hd U
        return dz @ W.T, dz @ U.T, (np.zeros_like(dh),), (x.T @ dz, hd.T @ dz, dz.sum(0))

    return h_new[:, None], (h_new,), back
