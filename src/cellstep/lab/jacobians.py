"""Jacobians of a cell's steps along a sequence, in float64: what a nudge of one state does to the next.

    J_t = d s_t / d s_(t-1),   J_t[i, j] = d s_t[i] / d s_(t-1)[j]

s is h, or for an LSTM h and c side by side, [h c]. Steps count from 1 to T, states from 0, the initial one, to T. A
step at which a row is masked carries its states, so its Jacobian is the identity.

The formulas are the derivatives of the equations in kernels/reference, with every activation's derivative taken from
its output. Source: Pascanu, Mikolov and Bengio 2013 for products of Jacobians and what becomes of gradients in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.reference.activations import activate, derivative
from ..layers.tracing import Run

Array = NDArray[Any]

#: Rows of a batch that Jacobians are computed for where nobody says: rows differ little, and each costs S^3 a step.
ROWS = 4
#: Bytes that one array of Jacobians may take.
MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Values:
    """What the first n rows of a run held, in float64.

    gates (G, n, T, H) in Keras's order, zeros at masked steps. states: one (n, T + 1, H) a state, the first one first.
    running (n, T). U (G, H, H): gate k sees h U[k]. drop (n, 1, H): what h is multiplied with before that. bias
    (G, H): what is added to h U, in a GRU that resets after this product; zeros elsewhere.
    """

    gates: Array
    states: tuple[Array, ...]
    running: NDArray[np.bool_]
    U: Array
    drop: Array
    bias: Array

    @property
    def before(self) -> list[Array]:
        """The states that each step starts from, (n, T, H) each."""
        return [s[:, :-1] for s in self.states]

    @property
    def after(self) -> list[Array]:
        """The states that each step leaves, (n, T, H) each."""
        return [s[:, 1:] for s in self.states]

    @property
    def through(self) -> Array:
        """(G, n, 1, H, H): the derivative of each gate's h U by h."""
        return np.asarray((self.U.swapaxes(1, 2)[:, None] * self.drop)[:, :, None])


def values(run: Run, rows: int = ROWS) -> Values:
    """What a run held, for its first rows."""
    forward, weight = run.forward, run.cell.recurrent_kernel.value.astype(np.float64)
    gates, states = forward.read(rows)
    n, _, G, H = gates.shape
    running = run.running[:n]
    bias, drop = np.zeros((G, H)), np.ones((n, 1, H))
    if run.cell.bias is not None and run.cell.bias.value.ndim == 2:
        bias[...] = run.cell.bias.value[1].reshape(G, H)
    if forward.drop is not None:
        drop[:, 0] = forward.drop[:n]
    return Values(
        gates=np.moveaxis(np.where(running[:, :, None, None], gates, 0).astype(np.float64), 2, 0),
        states=tuple(
            np.concatenate([first[:n, None], after], axis=1).astype(np.float64)
            for first, after in zip(forward.first, states, strict=True)
        ),
        running=running,
        U=np.moveaxis(weight.reshape(H, G, H), 1, 0),
        drop=drop,
        bias=bias,
    )


def step_jacobians(run: Run, rows: int = ROWS) -> Array:
    """d s_t / d s_(t-1) of every step: (n, T, S, S), S = units, or 2 units for an LSTM, whose states are [h c].

    Raises:
        ValueError: they would take more than MOST_BYTES.
    """
    T, H, states = run.shape[1], run.cell.units, len(run.cell.contract.states)
    n, S = min(rows, run.shape[0]), states * H
    size = 8 * n * T * S * S
    if size > MOST_BYTES:
        raise ValueError(
            f"rows and steps must be fewer: Jacobians of {n} rows, {T} steps and {S} states take "
            f"{size / 2**30:.1f} GiB, more than {MOST_BYTES / 2**30:g}"
        )
    v = values(run, rows)
    found = _STEPS[run.cell.contract.name](v, **run.cell.options)
    return np.where(v.running[:, :, None, None], found, np.eye(S))


def _rows(factors: Array, matrices: Array) -> Array:
    """diag(factors) matrices: (..., H) and (..., H, H)."""
    return factors[..., :, None] * matrices


def _diagonal(factors: Array) -> Array:
    return factors[..., :, None] * np.eye(factors.shape[-1])


def _rnn(v: Values, activation: str) -> Array:
    # h' = act(b + x W + h U)
    return _rows(derivative(activation, v.gates[0]), v.through[0])


def _lstm(v: Values, activation: str, recurrent_activation: str) -> Array:
    _, f, _, o = v.gates
    a = activate(activation, v.after[1])
    # c' = f c + i g
    dc_dc = _diagonal(f)
    through_i, through_f, through_g = lstm_terms(v, activation, recurrent_activation).values()
    dc_dh = through_i + through_f + through_g
    # h' = o act(c')
    slope = o * derivative(activation, a)
    dh_dc = _rows(slope, dc_dc)
    dh_dh = _rows(a * derivative(recurrent_activation, o), v.through[3]) + _rows(slope, dc_dh)
    top, bottom = np.concatenate([dh_dh, dh_dc], axis=-1), np.concatenate([dc_dh, dc_dc], axis=-1)
    return np.concatenate([top, bottom], axis=-2)


def lstm_terms(v: Values, activation: str, recurrent_activation: str) -> dict[str, Array]:
    """The three ways from h_(t-1) to c_t, by gate: i, f and g, each (n, T, H, H). Their sum is d c_t / d h_(t-1)."""
    i, f, g, _ = v.gates
    return {
        "i": _rows(g * derivative(recurrent_activation, i), v.through[0]),
        "f": _rows(v.before[1] * derivative(recurrent_activation, f), v.through[1]),
        "g": _rows(i * derivative(activation, g), v.through[2]),
    }


def _gru(v: Values, activation: str, recurrent_activation: str, reset_after: bool) -> Array:
    z, r, g = v.gates
    h = v.before[0]
    through = v.through
    dz = _rows(derivative(recurrent_activation, z), through[0])
    dr = _rows(derivative(recurrent_activation, r), through[1])
    if reset_after:
        # g = act(xh + r q), q = b1 + (drop h) U
        q = (v.drop * h) @ v.U[2] + v.bias[2]
        inside = _rows(q, dr) + _rows(r, through[2])
    else:
        # g = act(xh + (r drop h) U)
        inside = v.U[2].T @ (_rows(v.drop * h, dr) + _diagonal(r * v.drop))
    dg = _rows(derivative(activation, g), inside)
    # h' = z h + (1 - z) g
    return _diagonal(z) + _rows(h - g, dz) + _rows(1 - z, dg)


_STEPS: dict[str, Any] = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}


def products(steps: Array) -> Array:
    """d s_T / d s_t for t = 0 .. T: (n, T + 1, S, S) from (n, T, S, S). The last is the identity."""
    n, T, S, _ = steps.shape
    found = np.empty((n, T + 1, S, S))
    found[:, T] = np.eye(S)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in reversed(range(T)):
            found[:, t] = found[:, t + 1] @ steps[:, t]
    return found


def spectral_norms(matrices: Array) -> Array:
    """The largest singular value of each matrix (..., S, S): how much it stretches at most. NaN where not finite."""
    return _each(matrices, lambda m: np.linalg.norm(m, 2, axis=(-2, -1)))


def spectral_radii(matrices: Array) -> Array:
    """The largest absolute eigenvalue of each matrix (..., S, S). NaN where not finite."""
    return _each(matrices, lambda m: np.abs(np.linalg.eigvals(m)).max(axis=-1))


def _each(matrices: Array, function: Any) -> Array:
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    found = np.full(finite.shape, np.nan)
    if finite.any():
        found[finite] = function(matrices[finite])
    return found
