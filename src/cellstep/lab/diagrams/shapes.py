"""Boxes, arrows and labels on the axes of a figure, in pixels from its upper left corner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT = "#1A1A1A", "#595959"
#: Points in a pixel, and inches.
POINT, INCH = 0.75, 1 / 96

Point = tuple[float, float]


def canvas(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of that many pixels, and axes that fill it, without a frame."""
    figure, axes = style.figure(width=width * INCH, height=height * INCH)
    figure.set_layout_engine("none")
    axis = axes[0, 0]
    axis.set_position((0, 0, 1, 1))
    axis.set_axis_off()
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)
    return figure, axis


def box(axis: Any, x: float, y: float, width: float, height: float, fill: str, radius: float = 6) -> None:
    """A rectangle with round corners, its middle at x, y."""
    from matplotlib.patches import FancyBboxPatch

    corners = f"round,pad=0,rounding_size={radius}"
    axis.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height, boxstyle=corners, fc=fill, ec=INK, lw=1.4 * POINT, zorder=3
        )
    )


def circle(axis: Any, x: float, y: float, radius: float) -> None:
    """A white circle."""
    from matplotlib.patches import Circle

    axis.add_patch(Circle((x, y), radius, fc="#FFFFFF", ec=INK, lw=1.2 * POINT, zorder=3))


def label(axis: Any, x: float, y: float, text: str, size: float = 13, colour: str = INK, **options: Any) -> None:
    """One line, its middle at x, y; `h_1` is an h with a subscript."""
    letter, _, index = text.partition("_")
    words = f"${letter}_{{{index}}}$" if index else text
    write(axis, x, y + 0.36 * size, words, size, ha="center", color=colour, **options)


def write(axis: Any, x: float, y: float, text: str, size: float, **options: Any) -> None:
    """One line whose baseline begins at x, y."""
    axis.text(x, y, text, fontsize=size * POINT, va="baseline", zorder=4, **options)


def arrow(axis: Any, points: Sequence[Point], colour: str = SOFT, dashes: Any = "-", head: bool = True) -> None:
    """A line through points with a head at its end."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    axis.add_patch(
        FancyArrowPatch(
            path=Path(points),
            arrowstyle="-|>,head_length=3.2,head_width=1.6" if head else "-",
            mutation_scale=1.6,
            linestyle=dashes,
            lw=1.5 * POINT,
            color=colour,
            joinstyle="round",
            capstyle="butt",
            zorder=2,
        )
    )
