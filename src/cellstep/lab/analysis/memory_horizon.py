"""How far back a gradient reaches, as a number and in words; and what clipping by norm does to gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tables import rounded
from .traced_cells import norms

Array = NDArray[Any]

#: A change over all steps by less than this factor is none.
STEADY = 1.1
#: Below this R squared a line says little about the points.
LOOSE = 0.8


@dataclass(frozen=True)
class Horizon:
    """A straight line through log2 of a norm over the number of steps back, by least squares.

    Attributes:
        slope: powers of two a step back; below 0 the gradient vanishes. NaN where fewer than two norms are above zero.
        steps: in how many steps the gradient halves, or doubles where slope is above 0; infinite where slope is 0.
        r2: how well the line fits, from 0 to 1. points: how many norms it was fitted to: those above zero.
        length: how many steps there are.
    """

    slope: float
    r2: float
    points: int
    length: int

    @property
    def steps(self) -> float:
        return float("inf") if self.slope == 0 else 1 / abs(self.slope)

    def __str__(self) -> str:
        """The gradient halves every 6 steps (...)."""
        if np.isnan(self.slope):
            if self.length < 2:
                return "goes back one step, too few for a line"
            return f"is zero or not finite at {self.length - self.points} of {self.length} steps back"
        fit = f"line through log2 |dh_T/dh_t| over {self.points} steps, R² {self.r2:.2f}"
        if self.points < self.length:
            fit += f", zero or infinite at the other {self.length - self.points}"
        if abs(self.slope) * self.points < np.log2(STEADY):
            return f"keeps its size, within {STEADY - 1:.0%} over {self.points} steps ({fit})"
        loose = "roughly " if self.r2 < LOOSE else ""
        verb = "halves" if self.slope < 0 else "doubles"
        if self.steps < 1.5:
            factor = 2.0**self.slope
            return f"{loose}is multiplied by {rounded(factor)} each step ({fit})"
        return f"{loose}{verb} every {rounded(self.steps)} steps ({fit})"


def horizon(chain: Array) -> Horizon:
    """The line for the norms (T + 1,) of d s_T / d s_t, t = 0 .. T; the last, of no step back, is left out.

    The line need not go through it: the first step back may differ from all others, as in an LSTM, where it leads from
    h to c.
    """
    back = np.arange(len(chain) - 1, 0, -1)
    norms_back = np.asarray(chain[:-1], np.float64)
    usable = np.isfinite(norms_back) & (norms_back > 0)
    if usable.sum() < 2:
        return Horizon(float("nan"), float("nan"), int(usable.sum()), len(back))
    k, v = back[usable].astype(np.float64), np.log2(norms_back[usable])
    spread, rise = k - k.mean(), v - v.mean()
    slope = float(spread @ rise / (spread @ spread))
    total = float(rise @ rise)
    r2 = 1.0 if total < 1e-20 else 1 - float(((rise - slope * spread) ** 2).sum()) / total
    return Horizon(slope, r2, int(usable.sum()), len(back))


@dataclass(frozen=True, repr=False)
class Clipping:
    """What `clipnorm` does to the gradients of all weights.

    Attributes:
        clipnorm: the bound.
        before, after: path of each weight to the norm of its gradient, before and after it is clipped on its own, as
            the optimizers' `clipnorm` does.
        total, total_after: the norm of all gradients together.
        direction: the cosine between the gradient before and after; 1 where the direction is kept. Clipping each weight
            on its own turns it, if only some are clipped.
        global_after: the norm of all with `global_clipnorm`, which scales all by one factor and keeps the direction.
    """

    clipnorm: float
    before: Mapping[str, float]
    after: Mapping[str, float]
    total: float
    total_after: float
    direction: float
    global_after: float

    def __str__(self) -> str:
        clipped = [path for path, norm in self.before.items() if norm > self.clipnorm]
        if not clipped:
            return f"clipnorm {rounded(self.clipnorm)} changes nothing: no weight's gradient is larger"
        turned = np.degrees(np.arccos(np.clip(self.direction, -1, 1)))
        return (
            f"clipnorm {rounded(self.clipnorm)} scales {len(clipped)} of {len(self.before)} gradients down, all "
            f"together from {rounded(self.total)} to {rounded(self.total_after)}, and turns the step by "
            f"{rounded(turned)}°; global_clipnorm would give {rounded(self.global_after)} and keep the direction"
        )


def clipping(gradients: Mapping[str, Array], clipnorm: float) -> Clipping:
    """What clipping does to gradients by path."""
    before = {path: float(norms(g.reshape(-1), 0)) for path, g in gradients.items()}
    factors = {path: 1.0 if norm <= clipnorm else clipnorm / norm for path, norm in before.items()}
    after = {path: norm * factors[path] for path, norm in before.items()}
    total, total_after = (float(norms(np.array([*each.values()]), 0)) for each in (before, after))
    # each gradient and its clipped self are parallel
    both = total and total_after
    direction = sum(before[p] / total * (after[p] / total_after) for p in before) if both else 1.0
    return Clipping(clipnorm, before, after, total, total_after, min(1.0, direction), min(total, clipnorm))
