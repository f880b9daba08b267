"""How the lab's pictures look: colours that colour-blind readers tell apart, and files that repeat byte for byte.

Lines differ in colour, in dashes and in markers, so that a grey print reads too. Figures are made without pyplot: no
window, no backend and no setting of the caller's matplotlib changes.

    with style.context():
        figure, axes = style.figure(rows=2)
        axes[0, 0].plot(x, y, label="LSTM", **style.line("LSTM", points=len(x)))
        axes[0, 0].set_xlabel(style.label("time", "steps"))
    style.save(figure, "picture.svg")
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from .. import atomic
from ..core import check_path
from ..exports import public
from .cell_rows import titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: M. Okabe and K. Ito, "Color Universal Design" (2008), https://jfly.uni-koeln.de/color/.
OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "bluish green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "reddish purple": "#CC79A7",
}
#: The order for lines on white: without yellow, which is too pale there.
PALETTE = tuple(
    OKABE_ITO[name] for name in ("vermillion", "blue", "bluish green", "reddish purple", "orange", "sky blue", "black")
)
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 3)), (0, (8, 3)), "-")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: For magnitudes: perceptually uniform, made for colour-blind readers (Nunez, Anderton, Renslow 2018).
SEQUENTIAL = "cividis"
#: For signed values around zero: red and blue, pale in the middle (ColorBrewer; colour-blind safe).
DIVERGING = "RdBu_r"
#: Baselines, limits and other lines to compare with.
GREY = "#595959"

#: Inches. One panel is legible at a phone's width because the whole picture is narrow.
WIDTH, PANEL_HEIGHT = 6.0, 2.7
DPI = 150

_SETTINGS: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.unicode_minus": True,
    "figure.facecolor": "white",
    "figure.titlesize": 12,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 10,
    "grid.color": "#D9D9D9",
    "grid.linewidth": 0.6,
    "image.cmap": SEQUENTIAL,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "mathtext.default": "regular",
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,
    "svg.fonttype": "path",  # the same letters where DejaVu is not installed
    "svg.hashsalt": "cellstep",
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}

#: What would make two runs differ, by format: dates, and the version of matplotlib.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "cellstep"},
    "pdf": {"CreationDate": None, "Creator": "cellstep", "Producer": None},
}


#: What a reader who prefers a dark page sees in the place of these colours of an SVG; the others are seen on both.
_ON_DARK = {
    "#ffffff": "#131416",
    "#000000": "#ededed",
    "#1a1a1a": "#ededed",
    GREY: "#b4b4b4",
    "#d9d9d9": "#3a3f45",
    "#eeeeee": "#2a2d31",
    "#cccccc": "#55595e",
    "#bfbfbf": "#4a4f55",
    "#0072b2": "#4aa3df",
    "#56b4e9": "#a6dcff",
    "#b34700": "#ff9e5e",
    "#dcebf7": "#17364f",
    "#f4f1e4": "#3b3728",
}


def _dark() -> str:
    """The style sheet of a picture: matplotlib writes colours into `style`, and none for black letters."""
    rules = ["svg{fill:#ededed}"]
    for light, dark in _ON_DARK.items():
        # white letters lie on what keeps its colour
        fill = "path" if light == "#ffffff" else ""
        rules.append(f'{fill}[style*="fill: {light}"]{{fill:{dark}!important}}')
        rules.append(f'[style*="stroke: {light}"]{{stroke:{dark}!important}}')
    return f"<style>@media (prefers-color-scheme: dark){{{''.join(rules)}}}</style>"


@contextmanager
def context() -> Iterator[None]:
    """The lab's settings of matplotlib, over its defaults rather than the caller's; put back on leaving.

    Raises:
        ImportError: matplotlib is missing.
    """
    try:
        import matplotlib.style as styles
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] != "matplotlib":
            raise
        raise ImportError("the lab's pictures need matplotlib: pip install 'cellstep[lab]'") from error
    with styles.context(["default", _SETTINGS]):
        yield


def figure(
    rows: int = 1,
    cols: int = 1,
    *,
    width: float | None = None,
    height: float | None = None,
    title: str | None = None,
    **options: Any,
) -> tuple[Figure, np.ndarray[Any, Any]]:
    """A figure outside pyplot, with a grid of axes that keep clear of each other.

    Args:
        rows, cols: of the grid.
        width, height: inches; WIDTH, and PANEL_HEIGHT a row, where None.
        title: above all panels.
        options: for `Figure.subplots`: sharex, sharey, width_ratios, height_ratios, ...

    Returns:
        the figure and its axes, `(rows, cols)` always.
    """
    with context():
        from matplotlib.figure import Figure

        grid = Figure(
            figsize=(width or WIDTH * min(cols, 2), height or PANEL_HEIGHT * rows), dpi=DPI, layout="constrained"
        )
        axes: np.ndarray[Any, Any] = grid.subplots(rows, cols, squeeze=False, **options)
        for i, each in enumerate(axes.flat):
            each.set_prop_cycle(color=PALETTE, linestyle=DASHES)
            each.set_label(f"panel {i}")
        if title is not None:
            grid.suptitle(title, x=0.01, ha="left")
    return grid, axes


def line(which: int | str, points: int | None = None, markers: int = 10) -> dict[str, Any]:
    """Colour, dashes and marker of a line, as keywords of `Axes.plot`.

    Args:
        which: a number, or the public name of a cell, which looks the same in every picture.
        points: how many points the line has; about `markers` of them are marked. None: without markers.

    Raises:
        ValueError: an unknown name.
    """
    if isinstance(which, str):
        names = titles()
        if which not in names:
            raise ValueError(f"which must be a number or one of {', '.join(names)}, got {which!r}")
        which = names.index(which)
    look: dict[str, Any] = {"color": PALETTE[which % len(PALETTE)], "linestyle": DASHES[which % len(DASHES)]}
    if points is not None:
        every = max(1, round(points / markers))
        look |= {"marker": MARKERS[which % len(MARKERS)], "markevery": (which % every, every)}
    return look


def label(quantity: str, unit: str | None = None) -> str:
    """`time (s)`: what an axis shows and in which unit; the quantity alone where it has none."""
    return f"{quantity} ({unit})" if unit else quantity


def ending(path: str | Path) -> str:
    """`png`, `svg` or `pdf`.

    Raises:
        ValueError: another ending.
    """
    format_ = check_path("path", path).suffix.lower().removeprefix(".")
    if format_ not in _METADATA:
        raise ValueError(f"path must end in .png, .svg or .pdf, got {str(path)!r}")
    return format_


def picture(figure: Figure, format: str = "png", dpi: int = DPI) -> bytes:
    """The bytes of a figure: the same for the same figure and version of matplotlib. An SVG turns its colours round
    for a reader who prefers a dark page."""
    with context():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=format, dpi=dpi, metadata=_METADATA[format])
    if format == "svg":
        head, opening, body = buffer.getvalue().partition(b"<svg ")
        attributes, _, body = body.partition(b">")
        return b"".join([head, opening, attributes, b">\n", _dark().encode(), body])
    return buffer.getvalue()


def svg(figure: Figure, title: str, description: str) -> str:
    """The text of an SVG that is as wide as its place where that is narrower; a screen reader says title and
    description."""
    head, _, body = picture(figure, "svg").decode().partition("<svg ")
    attributes, _, body = body.partition(">")
    return (
        f'{head}<svg style="max-width:100%;height:auto" role="img" aria-label={quoteattr(title)} {attributes}>\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>{body}"
    )


def save(figure: Figure, path: str | Path, dpi: int = DPI) -> Path:
    """Write a figure to a file; nothing is written if drawing fails.

    Raises:
        ValueError: path ends in something other than .png, .svg or .pdf.
    """
    target = check_path("path", path)
    atomic.write(target, picture(figure, ending(target), dpi))
    return target


__all__ = [
    "context",
    "ending",
    "figure",
    "label",
    "line",
    "picture",
    "save",
    "svg",
]

__dir__ = public(globals())
