"""The picture of `compare`: the score at the end against memory length, and on the way against training time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import style
from ..cell_rows import titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.comparison import Comparison


def draw(result: Comparison) -> Figure:
    """Two panels, one above the other; bands and bars are 95 % intervals over seeds."""
    figure, axes = style.figure(2, 1, title=result.title)
    _by_length(axes[0, 0], result)
    _by_time(axes[1, 0], result, len(result.lengths) - 1)
    for axis in axes[:, 0]:
        axis.set_ylabel(style.label(*result.task.measure))
        axis.margins(y=0.12)
    axes[0, 0].legend(loc="upper center", bbox_to_anchor=(0.5, 1.3), ncols=4, columnspacing=1.2)
    return figure


def _look(cell: str, i: int, points: int) -> dict[str, Any]:
    """A cell by name looks the same in every picture; those of users follow."""
    known = titles()
    return style.line(cell if cell in known else len(known) + i, points=points)


def _by_length(axis: Any, result: Comparison) -> None:
    mean, low, high = result.interval()
    places = np.arange(len(result.lengths))
    for i, cell in enumerate(result.cells):
        # side by side, so that bars of equal scores do not hide each other
        x = places + 0.07 * (i - (len(result.cells) - 1) / 2)
        bars = None if np.isnan(low).any() else (mean[i] - low[i], high[i] - mean[i])
        axis.errorbar(x, mean[i], yerr=bars, label=cell, capsize=3, **_look(cell, i, 1))
    axis.plot(places, result.baseline.mean(-1), color=style.GREY, linestyle=":", label="no memory")
    axis.set_xticks(places, [str(length) for length in result.lengths])
    axis.set_xlim(-0.4, len(places) - 0.6)
    axis.set_xlabel(style.label(result.task.memory, "steps"))


def _by_time(axis: Any, result: Comparison, at: int) -> None:
    means, lows, highs = result.intervals_on_the_way()
    for i, cell in enumerate(result.cells):
        seconds = np.median(result.seconds[i, at], axis=0)
        look = _look(cell, i, len(seconds))
        axis.plot(seconds, means[i, at], **look)
        if not np.isnan(lows[i, at]).any():
            axis.fill_between(seconds, lows[i, at], highs[i, at], color=look["color"], alpha=0.15, linewidth=0)
    axis.axhline(result.baseline[at].mean(), color=style.GREY, linestyle=":")
    axis.set_xlim(left=0)
    axis.set_xlabel(f"{style.label('training time', 's')}, at {result.task.memory} {result.lengths[at]}")
