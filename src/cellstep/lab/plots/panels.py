"""What the panels of several pictures share: lines over steps on a logarithmic axis, heat maps, axes of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

#: A colour scale of norms spans this many powers of ten below the largest.
DECADES = 4


def log_lines(axis: Any, lines: Sequence[tuple[str, Array, int]], last: int, room: float = 0) -> None:
    """Lines on a logarithmic axis, each with its name, its values up to step `last`, and the number of its look.

    room: for a legend below, as a part of what the values take.
    """
    for name, values, look in lines:
        at, above_zero = np.arange(last + 1 - len(values), last + 1), positive(values)
        # a lone point is seen only if it is marked
        points = len(at) if np.isfinite(above_zero).sum() > 2 else 1
        axis.plot(at, above_zero, label=name, **style.line(look, points))
    log_axis(axis, np.concatenate([values for _, values, _ in lines]), room=room)


def positive(values: Array) -> Array:
    """What a logarithmic axis can show; NaN for the rest, and for what overflows its limits."""
    with np.errstate(invalid="ignore"):
        return np.where((values > 0) & (values < 1e200), values, np.nan)


def log_axis(axis: Any, values: Array, decades: float = 12, room: float = 0) -> None:
    """A logarithmic axis from the smallest positive value, or so many powers of ten below the largest, on."""
    seen = values[np.isfinite(positive(values))]
    axis.set_yscale("log")
    if seen.size:
        low, high = max(seen.min(), seen.max() * 10.0**-decades), seen.max()
        below = max(high / low, 2.0) ** room
        axis.set_ylim(low / 1.6 / below, high * 1.6)


def heat_map(
    figure: Figure, axis: Any, values: Array, steps: tuple[float, float], first: int = 0, ticks: Any = None, **look: Any
) -> Any:
    """Values (rows, columns) as colours, columns between two steps, rows from `first` on, down; its bar of colours.

    What a logarithmic scale cannot show, such as zero, has no colour.
    """
    if "norm" in look:
        values = positive(values)
    extent = (steps[0] - 0.5, steps[1] + 0.5, first + len(values) - 0.5, first - 0.5)
    image = axis.imshow(values, aspect="auto", interpolation="nearest", extent=extent, **look)
    axis.grid(False)
    return figure.colorbar(image, ax=axis, pad=0.01, ticks=ticks)


def log_colours(values: Array, decades: float) -> Any:
    """A scale of colours from the smallest value on; where that is zero, or too small, so many powers of ten below the
    largest."""
    from matplotlib.colors import LogNorm

    seen = values[np.isfinite(positive(values))]
    top = float(seen.max()) if seen.size else 1.0
    smallest = float(seen.min()) if seen.size and not (values == 0).any() else 0.0
    bottom = max(smallest, top * 10.0**-decades)
    return LogNorm(bottom if bottom < top else top / 10, top, clip=True)


def integer_ticks(side: Any, most: int) -> None:
    from matplotlib.ticker import MaxNLocator

    side.set_major_locator(MaxNLocator(nbins=most, integer=True))


def describe(axis: Any, title: str, below: str, beside: str, legend: str | None = "best", **options: Any) -> None:
    """The words around a panel; legend: where it stands, over what is drawn."""
    axis.set_title(title)
    axis.set_xlabel(below)
    axis.set_ylabel(beside)
    if legend is not None:
        axis.legend(loc=legend, frameon=True, edgecolor="none", framealpha=0.85, **options)


def over_steps(axis: Any, first: int, last: int, most: int = 8) -> None:
    """Steps below a panel."""
    axis.set_xlim(first - 0.5, last + 0.5)
    integer_ticks(axis.xaxis, most)


def line_at_one(axis: Any) -> None:
    axis.axhline(1, color=style.GREY, linewidth=1, linestyle=":")
