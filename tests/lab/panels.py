"""Pictures as the image tests compare them: panels alone, each at a fixed place, without a letter.

How large letters are and where ticks stand differs between versions of matplotlib and of its fonts, and with them where
panels lie. Without them only what is drawn from numbers is left, lines, markers, bars and colours, and that is the same
to the last bit in matplotlib 3.8 and 3.11.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np

from cellstep.lab import style

#: Pixels of a panel; two of them a row.
PANEL = (120, 90)
#: Of a drawing, which has one.
DRAWING = (240, 180)
DPI = 60


def bare(figure: Any, panel: tuple[int, int] = PANEL) -> np.ndarray:
    """(height, width, 3) of 0 .. 1: the panels of a figure, without their colour bars, of `panel` pixels each. The
    figure is changed."""
    from matplotlib.text import Text
    from matplotlib.ticker import NullLocator

    for bar in [axis for axis in figure.axes if axis.get_label() == "<colorbar>"]:
        figure.delaxes(bar)
    n = len(figure.axes)
    cols, rows = min(n, 2), math.ceil(n / 2)
    figure.set_layout_engine("none")
    figure.set_size_inches(cols * panel[0] / DPI, rows * panel[1] / DPI)
    for i, axis in enumerate(figure.axes):
        axis.set_axes_locator(None)
        axis.set_box_aspect(None)
        # a quarter of a pixel off the grid, so that no edge lies where rounding decides which pixel is its
        left, bottom = i % 2 + 0.1 + 0.25 / panel[0], i // 2 + 0.9 - 0.25 / panel[1]
        axis.set_position((left / cols, 1 - bottom / rows, 0.8 / cols, 0.8 / rows))
        legend = axis.get_legend()
        if legend is not None:
            legend.remove()
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_locator(NullLocator())
            side.set_minor_locator(NullLocator())
    for text in figure.findobj(Text):
        text.set_visible(False)
    return pixels(style.picture(figure, dpi=DPI))


def pixels(png: bytes) -> np.ndarray:
    """(height, width, 3) of 0 .. 1, the colours of a picture."""
    from matplotlib.image import imread

    return np.asarray(imread(io.BytesIO(png), format="png"))[..., :3]


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """The largest root mean square over squares of 15 by 15 pixels: a line that is elsewhere does not drown in a large
    picture."""
    assert a.shape == b.shape
    squared = ((a - b) ** 2).mean(-1)
    height, width = squared.shape
    return float(np.sqrt(squared.reshape(height // 15, 15, width // 15, 15).mean((1, 3)).max()))


def visible(figure: Any) -> list[tuple[str, Any]]:
    """Each text with its box in pixels, as it is drawn."""
    from matplotlib.text import Text

    with style.context():
        figure.draw_without_rendering()
        return [
            (text.get_text(), text.get_window_extent())
            for text in figure.findobj(Text)
            if text.get_visible() and text.get_text().strip() and _shown(text, figure)
        ]


def _shown(text: Any, figure: Any) -> bool:
    """Whether it is a tick's label beyond the ends of its axis, which is not drawn."""
    for axis in figure.axes:
        for side in (axis.xaxis, axis.yaxis):
            ticks = [*side.get_major_ticks(), *side.get_minor_ticks()]
            for tick in ticks:
                if text in (tick.label1, tick.label2):
                    low, high = sorted(side.get_view_interval())
                    return bool(low <= tick.get_loc() <= high) and axis.get_visible()
    return True
