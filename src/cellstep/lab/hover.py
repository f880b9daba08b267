"""The numbers under the pointer of a page's picture: a box without colour over each point, bar and cell of a heat map,
whose text is seen while the pointer is on it. Style sheets do it: there is no script."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from . import style
from .tables import rounded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Of a line and of a heat map so many points and cells have a box at most; of more, evenly chosen ones.
MOST_POINTS, MOST_CELLS = 60, 1200
#: Half the size of the box of a point, as parts of the picture's width.
HALF = 0.008

CSS = """
.chart { position: relative; display: inline-block; max-width: 100%; vertical-align: top }
.spots i { position: absolute }
.spots b { display: none; position: absolute; left: 50%; bottom: 100%; transform: translateX(-50%); z-index: 1;
  padding: 0 0.4rem; font: 0.8rem/1.5 system-ui, sans-serif; white-space: nowrap; border: 1px solid #8a9199;
  border-radius: 3px; color: #1a1a1a; background: #fff }
.spots .l b { transform: none; left: 0 } .spots .r b { transform: none; left: auto; right: 0 }
.spots i:hover { outline: 1px solid #8a9199 } .spots i:hover b { display: block }
@media (prefers-color-scheme: dark) { .spots b { color: #ededed; background: #2a2d31 } }
@media print { .spots { display: none } }
"""

#: left, bottom, right, top, in pixels of the figure from its lower left corner.
Box = tuple[float, float, float, float]


def spots(figure: Figure) -> str:
    """The boxes of a figure, to lie over its picture of any size; a screen reader passes over them."""
    with style.context():
        figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    found = [spot for axis in figure.axes if axis.get_label() != "<colorbar>" for spot in _of_panel(axis, HALF * width)]
    parts = []
    for (left, bottom, right, top), text in found:
        middle = (left + right) / 2 / width
        side = ' class="l"' if middle < 0.25 else ' class="r"' if middle > 0.75 else ""
        place = (left / width, 1 - top / height, (right - left) / width, (top - bottom) / height)
        css = ";".join(
            f"{name}:{100 * v:.4g}%" for name, v in zip(("left", "top", "width", "height"), place, strict=True)
        )
        parts.append(f'<i{side} style="{css}"><b>{escape(text)}</b></i>')
    return f'<div class="spots" aria-hidden="true">{"".join(parts)}</div>' if parts else ""


def _of_panel(axis: Any, half: float) -> Iterator[tuple[Box, str]]:
    for image in axis.images:
        yield from _cells(axis, image)
    for bars in axis.containers:
        for bar in getattr(bars, "patches", ()):
            box = bar.get_window_extent()
            value = bar.get_width() if getattr(bars, "orientation", "") == "horizontal" else bar.get_height()
            yield (box.x0, box.y0, box.x1, box.y1), _said(bars.get_label(), rounded(value))
    for line in axis.lines:
        if line.get_transform() is axis.transData:
            yield from _points(axis, line, half)


def _points(axis: Any, line: Any, half: float) -> Iterator[tuple[Box, str]]:
    xy = np.asarray(line.get_xydata(), np.float64)
    with np.errstate(all="ignore"):
        at = axis.transData.transform(xy)
    panel = axis.get_window_extent()
    seen = [k for k in range(len(xy)) if np.isfinite(at[k]).all() and panel.contains(*at[k])]
    names = [tick.get_text() for tick in axis.get_xticklabels()]
    words = dict(zip(axis.get_xticks(), names, strict=False)) if _has_words(names) else {}
    for k in seen[:: math.ceil(len(seen) / MOST_POINTS) or 1]:
        x, y = at[k]
        where = words.get(xy[k, 0], f"{_short(_below(axis))} {rounded(xy[k, 0])}".strip())
        yield (x - half, y - half, x + half, y + half), _said(line.get_label(), f"{where}: {rounded(xy[k, 1])}")


def _cells(axis: Any, image: Any) -> Iterator[tuple[Box, str]]:
    values = np.ma.filled(np.ma.asarray(image.get_array(), np.float64), np.nan)
    if values.ndim != 2 or not values.size:
        return
    (left, right, bottom, top), (rows, columns) = image.get_extent(), values.shape
    first = top if image.origin == "upper" else bottom
    last = bottom if image.origin == "upper" else top
    every = math.ceil(math.sqrt(rows * columns / MOST_CELLS))
    names = [tick.get_text() for tick in axis.get_yticklabels()]
    words = dict(zip(axis.get_yticks(), names, strict=False)) if _has_words(names) else {}
    below, beside = _short(_below(axis)), _short(axis.get_ylabel())
    for r in range(0, rows, every):
        for c in range(0, columns, every):
            ends = (min(r + every, rows), min(c + every, columns))
            ys = [first + (last - first) * k / rows for k in (r, ends[0])]
            xs = [left + (right - left) * k / columns for k in (c, ends[1])]
            (x0, y0), (x1, y1) = axis.transData.transform(list(zip(xs, ys, strict=True)))
            row = first + (last - first) * (r + 0.5) / rows
            column = left + (right - left) * (c + 0.5) / columns
            where = f"{words.get(row) or f'{beside} {rounded(row)}'}, {below} {rounded(column)}"
            yield (x0, min(y0, y1), x1, max(y0, y1)), f"{where}: {rounded(values[r, c])}"


def _below(axis: Any) -> str:
    """What stands below a panel, or below the last one of its column."""
    labels = [other.get_xlabel() for other in axis.figure.axes if other.get_label() != "<colorbar>"]
    return axis.get_xlabel() or next((label for label in reversed(labels) if label), "")


def _short(label: str) -> str:
    """What an axis shows, without what is said behind a comma."""
    return label.partition(";")[0].partition(",")[0]


def _has_words(names: list[str]) -> bool:
    """Whether ticks have names, not numbers."""
    return any(name and not name.replace("−", "").replace(".", "").isdigit() for name in names)


def _said(label: Any, text: str) -> str:
    return text if not label or str(label).startswith("_") else f"{label}, {text}"
