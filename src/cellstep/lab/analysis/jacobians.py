"""Jacobians of a cell's steps along a sequence, in float64: what a nudge of one state does to the next.

    J_t = d s_t / d s_(t-1),   J_t[i, j] = d s_t[i] / d s_(t-1)[j]

s is h, or for an LSTM h and c side by side, [h c]. Steps count from 1 to T, states from 0, the initial one, to T. A
step at which a row is masked carries its states, so its Jacobian is the identity.

Row i of a Jacobian is what backward makes of a gradient of 1 by s_t[i] alone, so the cells' own backward computes them,
whatever the cell and its activations. Source: Pascanu, Mikolov and Bengio 2013 for products of Jacobians and what
becomes of gradients in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.tracing import CellTrace
from .rerun import Rerun

Array = NDArray[Any]

#: Rows of a batch that Jacobians are computed for by default: rows differ little, and each costs S^3 a step.
ROWS = 4
#: Bytes that one array of Jacobians may take.
MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Values:
    """What the first n rows of a run held, in float64.

    gates (G, n, T, H) in Keras's order, zeros at masked steps. states: one (n, T + 1, H) a state, the first one first.
    running (n, T): steps that ran. fresh (n, T): those that ran from states of zero, after a reset.
    """

    gates: Array
    states: tuple[Array, ...]
    running: NDArray[np.bool_]
    fresh: NDArray[np.bool_]

    @property
    def before(self) -> list[Array]:
        """The states that each step starts from, (n, T, H) each."""
        return [np.where(self.fresh[:, :, None], 0, s[:, :-1]) for s in self.states]

    @property
    def after(self) -> list[Array]:
        """The states that each step leaves, (n, T, H) each."""
        return [s[:, 1:] for s in self.states]


def values(run: CellTrace, rows: int = ROWS) -> Values:
    """What a run held, for its first rows."""
    gates, states = run.forward.read(rows)
    n = len(gates)
    running = run.running[:n]
    return Values(
        gates=np.moveaxis(np.where(running[:, :, None, None], gates, 0).astype(np.float64), 2, 0),
        states=tuple(
            np.concatenate([first[:n, None], after], axis=1).astype(np.float64)
            for first, after in zip(run.forward.first, states, strict=True)
        ),
        running=running,
        fresh=np.zeros_like(running) if run.forward.resets is None else run.forward.resets[:n] & running,
    )


def inputs(run: CellTrace, rows: int) -> Array:
    """x (n, T, I) of the first rows, in float64; zeros at masked steps, where it may hold anything."""
    return np.where(run.running[:rows, :, None], run.forward.x[:rows], 0).astype(np.float64)


def step_jacobians(run: CellTrace, rows: int = ROWS) -> Array:
    """d s_t / d s_(t-1) of every step: (n, T, S, S), S = units for each state of the cell; zeros after a reset.

    Raises:
        ValueError: they would take more than MOST_BYTES.
    """
    T, sizes = run.shape[1], run.cell.state_sizes
    n, S = min(rows, run.shape[0]), sum(sizes)
    size = 8 * n * T * S * S
    if size > MOST_BYTES:
        raise ValueError(
            f"rows and steps must be fewer: Jacobians of {n} rows, {T} steps and {S} states take "
            f"{size / 2**30:.1f} GiB, more than {MOST_BYTES / 2**30:g}"
        )
    held, drop = values(run, n), run.forward.drop
    # every step of every row as a sequence of one step
    _, back = Rerun(run)(
        inputs(run, n).reshape(n * T, -1),
        [s.reshape(n * T, -1) for s in held.before],
        drop=None if drop is None else np.repeat(drop[:n], T, axis=0),
    )
    jacobians = np.empty((n * T, S, S))
    for i in range(S):
        unit = np.zeros((n * T, S))
        unit[:, i] = 1
        jacobians[:, i] = np.concatenate(back(np.split(unit, np.cumsum(sizes[:-1]), axis=1)), axis=1)
    jacobians = np.where(held.running[:, :, None, None], jacobians.reshape(n, T, S, S), np.eye(S))
    return np.where(held.fresh[:, :, None, None], 0, jacobians)


def products(steps: Array) -> Array:
    """d s_T / d s_t for t = 0 .. T: (n, T + 1, S, S) from (n, T, S, S). The last is the identity."""
    n, T, S, _ = steps.shape
    after = np.empty((n, T + 1, S, S))
    after[:, T] = np.eye(S)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in reversed(range(T)):
            after[:, t] = after[:, t + 1] @ steps[:, t]
    return after


def spectral_norms(matrices: Array) -> Array:
    """The largest singular value of each matrix (..., S, S): how much it stretches at most. NaN where not finite."""
    return _each(matrices, lambda m: np.linalg.norm(m, 2, axis=(-2, -1)))


def spectral_radii(matrices: Array) -> Array:
    """The largest absolute eigenvalue of each matrix (..., S, S). NaN where not finite."""
    return _each(matrices, lambda m: np.abs(np.linalg.eigvals(m)).max(axis=-1))


def _each(matrices: Array, function: Any) -> Array:
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    values = np.full(finite.shape, np.nan)
    if finite.any():
        values[finite] = function(matrices[finite])
    return values
