"""Diagrams as SVG text: boxes, wires, operations and formulas, in colours that a dark page turns round.

Colours stand in attributes, which every program reads, and a style sheet replaces them where the reader prefers a dark
page. Nothing outside of the file is needed: no font, no script, no network. Lengths are pixels from the upper left
corner; a diagram is at most WIDTH wide, so that its letters can be read on a phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

#: What may be wide at most: at 360 pixels, a phone's, letters of 13 are 11 pixels high.
WIDTH = 420.0
SIZE = 14.0
FONT = "DejaVu Sans, Verdana, Segoe UI, Helvetica, Arial, sans-serif"
#: A font's mean advance of a character, as a part of its size, at most.
ADVANCE = 0.62

#: Light and dark, of each use: M. Okabe and K. Ito's colours, darkened or lightened until letters can be read.
COLOURS = {
    "ink": ("#1A1A1A", "#EDEDED"),
    "soft": ("#595959", "#B4B4B4"),
    "state": ("#B34700", "#FF9E5E"),
    "memory": ("#0072B2", "#6CC0F0"),
    "back": ("#8F2F68", "#F0A3CC"),
    "cell": ("#DCEBF7", "#17364F"),
    "other": ("#F4F1E4", "#3B3728"),
    "paper": ("#FFFFFF", "#131416"),
}

Point = tuple[float, float]


class Text(NamedTuple):
    """One line of a diagram, and the box that it takes."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


def dark_rules(scope: str = "") -> str:
    """The style sheet of a dark page, for diagrams inside what the selector `scope` finds."""
    rules = []
    for name, (_, dark) in COLOURS.items():
        rules += [f"{scope} .f-{name}{{fill:{dark}}}".strip(), f"{scope} .s-{name}{{stroke:{dark}}}".strip()]
    return "".join(rules)


#: What a diagram says of dark pages; a page that has a switch of its own puts other rules in its place.
DARK = f"<style>@media (prefers-color-scheme: dark){{{dark_rules()}}}</style>"


class Sketch:
    """A diagram while it is drawn.

    Args:
        width, height: in pixels. title, description: what a screen reader says.
    """

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        self.width, self.height, self.title, self.description = width, height, title, description
        self.texts: list[Text] = []
        self._wires: list[str] = []
        self._shapes: list[str] = []

    @property
    def svg(self) -> str:
        """The text of the file; it is as wide as its place where that is narrower."""
        size = f'viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" height="{self.height:g}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" class="diagram" {size} style="max-width:100%;height:auto"'
        return "\n".join(
            [
                f'{head} role="img" aria-label={quoteattr(self.title)} font-family={quoteattr(FONT)}>',
                f"<title>{escape(self.title)}</title>",
                f"<desc>{escape(self.description)}</desc>",
                *(DARK, *self._wires, *self._shapes, "</svg>", ""),
            ]
        )

    def wire(
        self, *points: Point, ink: str = "soft", head: bool = True, dashed: bool = False, thick: float = 1.6
    ) -> None:
        """A line through points, with an arrow's head at its end."""
        (x0, y0), (x1, y1) = points[-2:]
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        ends = [*points[:-1], (x1 - 6 * ux, y1 - 6 * uy) if head else (x1, y1)]
        path = "M" + " L".join(f"{x:g},{y:g}" for x, y in _rounded(ends))
        self._wires.append(f'<path d="{path}" {_ink("none", ink)} stroke-width="{thick:g}"/>')
        if head:
            corners = [(x1, y1), *((x1 - 8 * ux + s * 4 * uy, y1 - 8 * uy - s * 4 * ux) for s in (1, -1))]
            self._wires.append(f'<path d="M{" L".join(f"{x:.4g},{y:.4g}" for x, y in corners)}Z" {_ink(ink)}/>')

    def hop(self, start: Point, end: Point, over: float, ink: str = "soft") -> None:
        """A level wire that leaps over an upright one at x = `over`, without a head."""
        (x0, y), (x1, _) = start, end
        path = f"M{x0:g},{y:g} H{over - 6:g} a6,6 0 0 1 12,0 H{x1:g}"
        self._wires.append(f'<path d="{path}" {_ink("none", ink)} stroke-width="1.6"/>')

    def box(
        self, x: float, y: float, width: float, height: float, *words: str, fill: str = "cell", size: float = SIZE
    ) -> None:
        """A rectangle with its middle at x, y, and lines of text in it."""
        place = f'x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" height="{height:g}"'
        self._shapes.append(f'<rect {place} rx="7" {_ink(fill, "ink")} stroke-width="1.4"/>')
        step = size + 3
        for number, line in enumerate(words):
            self.text(x, y + (number - (len(words) - 1) / 2) * step, line, size)

    def node(self, x: float, y: float, sign: str) -> None:
        """A circle with the sign of an operation on numbers, unit by unit."""
        self._shapes.append(f'<circle cx="{x:g}" cy="{y:g}" r="11" {_ink("paper", "ink")} stroke-width="1.4"/>')
        self.text(x, y, sign, 15)

    def badge(self, x: float, y: float, number: int | str, ink: str = "ink") -> None:
        """A filled circle with a number: what comes first, second, ..."""
        self._shapes.append(f'<circle cx="{x:g}" cy="{y:g}" r="9.5" {_ink(ink)}/>')
        self.text(x, y, str(number), 12.5, ink="paper", bold=True)

    def delay(self, x: float, y: float) -> None:
        """The small square that delays by one step."""
        self._shapes.append(f'<rect x="{x - 5:g}" y="{y - 5:g}" width="10" height="10" {_ink("state")}/>')

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = SIZE,
        ink: str = "ink",
        side: str = "middle",
        bold: bool = False,
    ) -> None:
        """One line, its middle at the height y; its middle, start or end at x. `h_{t-1}` has a subscript."""
        parts = list(_parts(text))
        wide = sum(len(part) * ADVANCE * size * (0.75 if low else 1) for part, low in parts)
        left = x - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[side]
        self.texts.append(Text(text, left, y - size / 2, left + wide, y + size / 2))
        spans, shifted = [], 0.0
        for part, low in parts:
            shift = 0.28 * size * low - shifted
            shifted += shift
            move = f' dy="{shift:.3g}"' if shift else ""
            small = f' font-size="{0.75 * size:g}"' if low else ""
            spans.append(f"<tspan{move}{small}>{escape(part)}</tspan>" if move or small else escape(part))
        anchor = "" if side == "start" else f' text-anchor="{side}"'
        weight = ' font-weight="bold"' if bold else ""
        self._shapes.append(
            f'<text x="{x:g}" y="{y + 0.36 * size:.4g}" font-size="{size:g}"{anchor}{weight} {_ink(ink)}>'
            f"{''.join(spans)}</text>"
        )


def _ink(fill: str, stroke: str = "none") -> str:
    """The colours of a shape, by name, as a light page shows them, and what a style sheet knows them by."""
    used = [(kind, name) for kind, name in (("fill", fill), ("stroke", stroke)) if name != "none"]
    classes = " ".join(f"{kind[0]}-{name}" for kind, name in used)
    values = " ".join(f'{kind}="{COLOURS[name][0]}"' for kind, name in used)
    return f'class="{classes}" {values}' + (' fill="none"' if fill == "none" else "")


def _rounded(points: Sequence[Point]) -> list[Point]:
    return [(round(x, 2), round(y, 2)) for x, y in points]


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """The parts of a line, and whether each is a subscript: `h_{t-1}` or `h_t`."""
    for number, part in enumerate(re.split(r"_(?:\{([^}]*)\}|(\w))", text.replace("-", "\N{MINUS SIGN}"))):
        if part:
            yield part, number % 3 != 0
