"""The ways on which a gradient goes from one cell state of an LSTM to the one before; flow.py has the formula."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...kernels import OF_INPUT
from ...kernels.reference.activations import activate, derivative
from ...layers.tracing import Run
from .jacobians import inputs, spectral_norms, values

Array = NDArray[np.float64]

TERMS = ("direct", "by the forget gate", "by the input gate", "by the candidate")


def through_gates(run: Run, rows: int) -> dict[str, Array] | None:
    """The three ways from h_(t-1) to c_t, by gate, i, f and g, each (n, T, H, H); their sum is d c_t / d h_(t-1).

    None where an activation is not one of the kernels': it may mix units.
    """
    act, rec = run.cell.options["activation"], run.cell.options["recurrent_activation"]
    if not (isinstance(act, str) and isinstance(rec, str)):
        return None
    v = values(run, rows)
    (h, c), (i, f, g, _) = v.before, v.gates
    W, U = (w.value.astype(np.float64) for w in (run.cell.kernel, run.cell.recurrent_kernel))
    b = 0 if run.cell.bias is None else run.cell.bias.value.astype(np.float64)
    drop = np.ones((len(h), 1, h.shape[2])) if run.forward.drop is None else run.forward.drop[: len(h), None]
    z = inputs(run, rows) @ W + (h * drop) @ U + b
    zi, zf, zc, _ = np.split(z, 4, axis=2)
    Ui, Uf, Uc, _ = np.split(U, 4, axis=1)
    factors = {
        "i": (g * slope(rec, zi, i), Ui),
        "f": (c * slope(rec, zf, f), Uf),
        "g": (i * slope(act, zc, g), Uc),
    }
    return {gate: factor[..., :, None] * weight.T * drop[..., None, :] for gate, (factor, weight) in factors.items()}


def slope(name: str, v: Array, y: Array) -> Array:
    """The derivative of an activation at v, where it is y."""
    return derivative(name, v if name in OF_INPUT else y)


def cell_terms(run: Run, rows: int) -> tuple[dict[str, Array], Array] | None:
    """Spectral norms (n, T) of the four terms of dc_t/dc_(t-1), by TERMS, and of their sum; None as above.

    A masked step carries c: its direct term is the identity, the others are zero; and h_(t-1) after it is still that of
    the last step that ran.
    """
    through = through_gates(run, rows)
    if through is None:
        return None
    v = values(run, rows)
    n, T, H = v.gates.shape[1:]
    act, c = run.cell.options["activation"], v.after[1]
    out = v.gates[3] * slope(act, c, activate(act, c))
    before = np.full((n, T, H), np.nan)
    for t in range(1, T):
        # D of the step before: where that was masked, of the one before that
        before[:, t] = np.where(v.running[:, t - 1, None], out[:, t - 1], before[:, t - 1])
    running = v.running[:, :, None, None]
    parts = [np.where(running, v.gates[1][..., None] * np.eye(H), np.eye(H))]
    parts += [np.where(running, through[gate] * before[:, :, None, :], 0) for gate in ("f", "i", "g")]
    found = {name: spectral_norms(part) for name, part in zip(TERMS, parts, strict=True)}
    return found, spectral_norms(parts[0] + parts[1] + parts[2] + parts[3])


def products_after(factors: Array) -> Array:
    """(n, T + 1, H): the product of the factors of steps t + 1 to T, 1 for t = T; from (n, T, H)."""
    ones = np.ones_like(factors[:, :1])
    return np.concatenate([np.cumprod(factors[:, ::-1], axis=1)[:, ::-1], ones], axis=1)
