"""Lyapunov exponents of a recurrent cell along the sequences that drive it.

Two trajectories that start a little apart, under the same inputs, part or meet exponentially: their distance goes like
exp(L t). The exponents L, one for each direction of the state, are the mean logarithms by which products of Jacobians
stretch. Products themselves over- and underflow, so the directions are made orthogonal after each step:

    Q_t R_t = J_t Q_(t-1),    L_i = mean over t of log |R_t[i, i]|

Gradients go back through the same Jacobians: a largest exponent below 0 makes them vanish, by exp(L) a step; above 0
the net is chaotic, and they explode.

Source: Benettin, Galgani, Giorgilli and Strelcyn 1980; for recurrent nets Engelken, Wolf and Abbott 2023.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import core
from ..plots.states import draw_lyapunov
from ..result import Result
from ..tables import Table, rounded, text_table
from .jacobians import ROWS, step_jacobians
from .traced_cells import run_layer

Array = NDArray[Any]


@dataclass(frozen=True, repr=False)
class Lyapunov(Result):
    """The result of `lyapunov`.

    Attributes:
        name, kind, units: of the layer.
        exponents: (S,) per step, the largest first, means over rows; S is units for each state of the cell.
            -inf for directions that one step wipes out.
        by_row: (n, S) of each row that ran a step; row i of n.
        steps: how many steps were counted, all rows together.
    """

    name: str
    kind: str
    units: int
    exponents: Array
    by_row: Array
    steps: int
    title = "Lyapunov exponents"

    def __repr__(self) -> str:
        return f"<Lyapunov exponents of {self.name}: {rounded(self.exponents[0])} to {rounded(self.exponents[-1])}>"

    def summary(self) -> str:
        """The largest exponent in words, and the table."""
        top, low, high = self.exponents[0], self.by_row[:, 0].min(), self.by_row[:, 0].max()
        return (
            f"{self.name} ({self.kind}, {self.units} units): the largest Lyapunov exponent is {rounded(top)} a step "
            f"({rounded(low)} to {rounded(high)} in {len(self.by_row)} rows, {self.steps} steps in all). "
            f"{said(float(top))}\n\n{text_table(self.table())}"
        )

    def table(self) -> Table:
        """The largest, the middle and the smallest exponents."""
        S = len(self.exponents)
        chosen = sorted({*range(min(3, S)), S // 2, S - 1})
        rows = [[f"{i + 1} of {S}", rounded(self.exponents[i]), rounded(np.exp(self.exponents[i]))] for i in chosen]
        return ("exponent", "a step", "factor a step"), rows

    _figure = draw_lyapunov


def lyapunov(model: Any, x: Any, *, layer: str | int = 0, skip: int = 0, rows: int = ROWS) -> Lyapunov:
    """The Lyapunov exponents of a recurrent layer over the sequences x.

    Args:
        model: a model or a layer.
        x: its inputs, as for a call; masked steps are left out.
        layer: the recurrent layer, as for `gates`: its name, or its number in the order of the model.
        skip: how many steps at the beginning are run but not counted, while the directions settle.
        rows: how many rows of x are followed.

    Raises:
        TypeError, ValueError: model is none or has no such layer; no step is left to count.

    Example:
        >>> from cellstep import lab
        >>> net = SimpleRNN(8)  # orthogonal weights and tanh: small differences die out
        >>> bool(lab.lyapunov(net, np.random.default_rng(0).standard_normal((2, 50, 3))).exponents[0] < 0)
        True
    """
    skip, rows = core.check_natural("skip", skip), core.check_count("rows", rows)
    place, run = run_layer(model, x, layer)
    running = run.running[:rows]
    counted = running & (np.cumsum(running, axis=1) > skip)
    if not counted.any():
        raise ValueError(f"x must have rows of more than {skip} steps, as skip says, got {running.sum(axis=1).max()}")
    by_row, steps = exponents(step_jacobians(run, rows), counted)
    kept = steps > 0
    by_row = -np.sort(-by_row[kept], axis=1)
    return Lyapunov(place.name, place.kind, place.units, by_row.mean(axis=0), by_row, int(steps.sum()))


def exponents(jacobians: Array, counted: NDArray[np.bool_]) -> tuple[Array, NDArray[np.intp]]:
    """(n, S) exponents of each row from (n, T, S, S) Jacobians, over the steps of `counted` (n, T); and their number.

    NaN for rows without such a step.
    """
    n, T, S, _ = jacobians.shape
    # from a random frame: no direction is left out by chance, as the axes may be
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((S, S)))[0] * np.ones((n, 1, 1))
    total, steps = np.zeros((n, S)), counted.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        for t in range(T):
            Q, R = np.linalg.qr(jacobians[:, t] @ Q)
            logs = np.log(np.abs(np.diagonal(R, axis1=1, axis2=2)))
            total += np.where(counted[:, t, None], logs, 0)
        return total / steps[:, None], steps


def said(top: float) -> str:
    """A largest exponent in words."""
    if np.isnan(top):
        return "States or Jacobians are not finite, so there is no exponent."
    if np.isinf(top):
        return "A step wipes out what was before."
    if abs(top) < 1e-3:
        return "Small differences neither grow nor die out: gradients keep their size."
    if top < 0:
        return (
            f"Small differences die out, by the factor {rounded(np.exp(top))} a step, and gradients vanish with them."
        )
    return f"Small differences grow, by the factor {rounded(np.exp(top))} a step: chaos, in which gradients explode."
