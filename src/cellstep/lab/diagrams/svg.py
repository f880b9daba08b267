"""SVG: shapes, arrows and text with subscripts, as well-formed text of our own; a unit is a pixel at 100 %."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

INK, SOFT = "#1A1A1A", "#595959"
FONT = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"
#: The widest ratio of a character's mean width to the size of its font, among these fonts, for plain text.
ADVANCE = 0.62

Point = tuple[float, float]


class Canvas:
    """Elements, drawn one over another in the order in which they came."""

    def __init__(self) -> None:
        self.elements: list[str] = []

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, stroke: str = INK, radius: float = 6
    ) -> None:
        """A rectangle with round corners; x, y is its middle."""
        self.elements.append(
            f'<rect x="{_n(x - width / 2)}" y="{_n(y - height / 2)}" width="{_n(width)}" height="{_n(height)}" '
            f'rx="{_n(radius)}" fill="{fill}" stroke="{stroke}" stroke-width="1.4"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 13,
        anchor: str = "middle",
        bold: bool = False,
        colour: str = INK,
        plain: bool = False,
    ) -> None:
        """One line whose middle height is y; `h_1` is an h with a subscript, unless plain."""
        weight = ' font-weight="bold"' if bold else ""
        self.elements.append(
            f'<text x="{_n(x)}" y="{_n(y + 0.36 * size)}" font-size="{_n(size)}" text-anchor="{anchor}"{weight} '
            f'fill="{colour}">{escape(text) if plain else _subscripts(text, size)}</text>'
        )

    def arrow(
        self,
        points: Sequence[Point],
        colour: str = SOFT,
        dashes: str = "",
        width: float = 1.5,
        head: bool = True,
        curve: bool = False,
    ) -> None:
        """A line through points; a curve takes four, the two inner ones as its handles. The head is a triangle."""
        (x0, y0), (x1, y1) = points[-2], points[-1]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        size = 6.5 if head else 0.0
        path = [*points[:-1], (x1 - ux * size, y1 - uy * size)]
        corners = [f"{_n(x)} {_n(y)}" for x, y in path]
        steps = f"M{corners[0]} C{', '.join(corners[1:])}" if curve else "M" + " L".join(corners)
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.elements.append(
            f'<path d="{steps}" fill="none" stroke="{colour}" stroke-width="{_n(width)}"{dash} '
            'stroke-linejoin="round"/>'
        )
        if head:
            bx, by, half = x1 - ux * 7.5, y1 - uy * 7.5, 3.6
            tip = [(x1, y1), (bx - uy * half, by + ux * half), (bx + uy * half, by - ux * half)]
            self.elements.append(f'<path d="M{" L".join(f"{_n(x)} {_n(y)}" for x, y in tip)} Z" fill="{colour}"/>')

    def circle(self, x: float, y: float, radius: float, fill: str, stroke: str = INK) -> None:
        self.elements.append(
            f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{fill}" stroke="{stroke}" stroke-width="1.2"/>'
        )

    def document(self, width: float, height: float, title: str, description: str) -> str:
        """The whole file: at its own size, or as wide as its place where that is narrower; on white.

        A screen reader says title and description.
        """
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
            f'height="{_n(height)}" style="max-width:100%;height:auto" role="img" aria-label={quoteattr(title)} '
            f'font-family="{FONT}">'
        )
        background = f'<rect width="{_n(width)}" height="{_n(height)}" fill="#FFFFFF"/>'
        lines = [head, f"<title>{escape(title)}</title>", f"<desc>{escape(description)}</desc>", background]
        return "\n".join([*lines, *self.elements, "</svg>"]) + "\n"


def wrap(words: Sequence[str], width: float, size: float) -> list[str]:
    """Words, none of which is broken, in lines that no font of ours makes wider than width."""
    lines: list[str] = []
    for word in words:
        if lines and (len(lines[-1]) + 1 + len(word)) * size * ADVANCE <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _n(value: float) -> str:
    """A number with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _subscripts(text: str, size: float) -> str:
    letter, _, index = text.partition("_")
    if not index:
        return escape(text)
    return f'{escape(letter)}<tspan dy="{_n(0.22 * size)}" font-size="{_n(0.72 * size)}">{escape(index)}</tspan>'
