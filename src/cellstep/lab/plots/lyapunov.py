"""The picture of `lyapunov`: the exponents in order, their mean and their range over rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.lyapunov import Lyapunov


def draw(result: Lyapunov) -> Figure:
    figure, axes = style.figure(title=f"{result.title}: {result.name} ({result.kind})")
    axis = axes[0, 0]
    number = np.arange(1, len(result.exponents) + 1)
    finite = np.isfinite(result.exponents)
    axis.plot(number[finite], result.exponents[finite], label="mean over rows", **style.line(1, len(number)))
    low, high = result.by_row.min(axis=0)[finite], result.by_row.max(axis=0)[finite]
    color = style.PALETTE[1]
    axis.fill_between(number[finite], low, high, color=color, alpha=0.2, linewidth=0, label="from row to row")
    axis.axhline(0, color=style.GREY, linewidth=1, linestyle=":")
    axis.set_xlabel("number of the exponent, largest first")
    axis.set_ylabel("exponent (1/step)")
    axis.legend()
    return figure
