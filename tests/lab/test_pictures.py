"""Every picture of the lab against one that was looked at, and its letters within its edges.

A picture is compared without its letters (`panels` says why); `make_pictures.py` draws the ones to compare with.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from lab.make_pictures import FOLDER, panel
from lab.panels import bare, difference, pixels, visible
from lab.results import DRAWN, RESULTS

#: Drawn from the same numbers, pictures are equal. Backends differ by rounding, which can turn an edge's pixel by a few
#: shades; the smallest of the mutations below makes a difference more than twice as large as this.
TOLERANCE = 0.03


@cache
def result(name: str) -> Any:
    return RESULTS[name]()


def baseline(name: str) -> np.ndarray:
    return pixels((FOLDER / f"{name}.png").read_bytes())


@pytest.mark.parametrize("name", RESULTS)
def test_a_picture_is_the_one_that_was_looked_at(name: str) -> None:
    assert difference(bare(result(name).draw(), panel(name)), baseline(name)) < TOLERANCE


def mutations(figure: Any) -> int:
    return sum(_mutable(axis) for axis in figure.axes)


def _mutable(axis: Any) -> bool:
    return axis.get_label() != "<colorbar>" and bool(axis.images or _pair(axis))


def _pair(axis: Any) -> list[Any]:
    """Two lines whose points differ, or none."""
    lines = [line for line in axis.lines if len(line.get_xdata()) > 2]
    for a, b in combinations(lines, 2):
        here, there = (line.get_xydata().astype(float) for line in (a, b))
        if here.shape != there.shape or not np.allclose(here, there, rtol=0.1, equal_nan=True):
            return [a, b]
    return []


@pytest.mark.parametrize("name", sorted(set(RESULTS) - {"lyapunov", *DRAWN}))
def test_a_swapped_line_or_row_is_seen(name: str) -> None:
    n = mutations(result(name).draw())
    assert n
    for i in range(n):
        figure = result(name).draw()
        axis = [axis for axis in figure.axes if _mutable(axis)][i]
        if axis.images:
            axis.images[0].set_data(np.asarray(axis.images[0].get_array())[::-1])
        else:
            a, b = _pair(axis)
            points = a.get_data()
            a.set_data(*b.get_data())
            b.set_data(*points)
        assert difference(bare(figure), baseline(name)) > 2 * TOLERANCE, f"panel {i}"


@pytest.mark.parametrize("name", ["many_to_one", "attender"])
def test_a_missing_box_or_arrow_is_seen(name: str) -> None:
    for i in range(len(result(name).draw().axes[0].patches)):
        figure = result(name).draw()
        figure.axes[0].patches[i].remove()
        assert difference(bare(figure, panel(name)), baseline(name)) > 2 * TOLERANCE, f"shape {i}"


def test_a_moved_exponent_is_seen() -> None:
    figure = result("lyapunov").draw()
    line = max(figure.axes[0].lines, key=lambda line: len(line.get_xdata()))
    line.set_ydata(np.roll(line.get_ydata(), 1))
    assert difference(bare(figure), baseline("lyapunov")) > 2 * TOLERANCE


@pytest.mark.parametrize("name", RESULTS)
def test_letters_lie_within_the_edges_and_apart(name: str) -> None:
    figure = result(name).draw()
    width, height = figure.get_size_inches() * figure.dpi
    found = visible(figure)
    cut = [t for t, b in found if b.x0 < 0 or b.y0 < 0 or b.x1 > width + 0.5 or b.y1 > height + 0.5]
    assert not cut
    close = [
        (s, t)
        for (s, a), (t, b) in combinations(found, 2)
        # two pixels less: boxes reach beyond the ink
        if a.x0 + 2 < b.x1 and b.x0 + 2 < a.x1 and a.y0 + 2 < b.y1 and b.y0 + 2 < a.y1
    ]
    assert not close


@pytest.mark.parametrize("name", sorted(set(RESULTS) - set(DRAWN)))
def test_every_panel_says_what_it_shows(name: str) -> None:
    figure = result(name).draw()
    panels = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    assert panels[-1].get_xlabel()
    for axis in panels:
        assert axis.get_ylabel() or axis.get_title(loc="left")
        drawn = [line for line in axis.lines if not line.get_label().startswith("_")]
        if len(drawn) > 1:
            looks = {(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in drawn}
            assert len(looks) == len(drawn)
