"""The picture of `dependence`: outputs down, inputs across."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import style
from .panels import DECADES, describe, heat_map, log_colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.dependence import Dependence

#: Names that stand beside an axis, at most.
NAMES = 40


def draw_dependence(result: Dependence) -> Figure:
    """A heat map of many outputs; a bar for each step of a single one."""
    outputs, T = result.norms.shape
    title = f"{result.title}: {result.name}"
    if outputs == 1:
        figure, axes = style.figure(title=title)
        axis = axes[0, 0]
        axis.bar(np.arange(T), result.norms[0], color=style.PALETTE[0])
        describe(axis, f"sequence {result.row}", "input", "|dy/dx|", legend=None)
    else:
        figure, axes = style.figure(height=5.2, title=title)
        axis = axes[0, 0]
        colours = log_colours(result.norms, DECADES)
        heat_map(figure, axis, result.norms, (0, T - 1), norm=colours).set_label("|dy/dx|")
        axis.set_facecolor("white")  # where nothing depends
        describe(axis, f"sequence {result.row}", "input", "output", legend=None)
        shown = np.arange(0, outputs, -(-outputs // NAMES))
        axis.set_yticks(shown, [result.labels[T - outputs + i] for i in shown], fontsize=7)
    shown = np.arange(0, T, -(-T // NAMES))
    axis.set_xticks(shown, [result.labels[i] for i in shown], fontsize=7)
    return figure
