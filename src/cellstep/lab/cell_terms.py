"""The ways on which a gradient goes from one cell state of an LSTM to the one before; flow.py has the formula."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.reference.activations import activate, derivative
from .jacobians import Values, lstm_terms, spectral_norms

Array = NDArray[Any]

TERMS = ("direct", "by the forget gate", "by the input gate", "by the candidate")


def cell_terms(v: Values, activation: str, recurrent_activation: str) -> tuple[dict[str, Array], Array]:
    """Spectral norms (n, T) of the four terms of dc_t/dc_(t-1), by TERMS, and of their sum.

    A masked step carries c: its direct term is the identity, the others are zero; and h_(t-1) after it is still that of
    the last step that ran.
    """
    n, T, H = v.gates.shape[1:]
    through = lstm_terms(v, activation, recurrent_activation)
    slope = v.gates[3] * derivative(activation, activate(activation, v.after[1]))
    before = np.full((n, T, H), np.nan)
    for t in range(1, T):
        # D of the step before: where that was masked, of the one before that
        before[:, t] = np.where(v.running[:, t - 1, None], slope[:, t - 1], before[:, t - 1])
    running = v.running[:, :, None, None]
    parts = [np.where(running, v.gates[1][..., None] * np.eye(H), np.eye(H))]
    parts += [np.where(running, through[gate] * before[:, :, None, :], 0) for gate in ("f", "i", "g")]
    found = {name: spectral_norms(part) for name, part in zip(TERMS, parts, strict=True)}
    return found, spectral_norms(parts[0] + parts[1] + parts[2] + parts[3])


def products_after(factors: Array) -> Array:
    """(n, T + 1, H): the product of the factors of steps t + 1 to T, 1 for t = T; from (n, T, H)."""
    ones = np.ones_like(factors[:, :1])
    return np.concatenate([np.cumprod(factors[:, ::-1], axis=1)[:, ::-1], ones], axis=1)
