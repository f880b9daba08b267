"""The numbers under the pointer of a page's pictures: each where it is drawn, and what is drawn there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import lab
from cellstep.lab import hover, style
from cellstep.layers import LSTM

pytest.importorskip("matplotlib")

SPOT = re.compile(r'<i[^>]*style="left:([^%]+)%;top:([^%]+)%;width:([^%]+)%;height:([^%]+)%"><b>([^<]*)</b></i>')


def found(figure: Any) -> list[tuple[tuple[float, ...], str]]:
    return [(tuple(map(float, place)), text) for *place, text in SPOT.findall(hover.spots(figure))]


def panel(**options: Any) -> Any:
    figure, axes = style.figure(**options)
    axes[0, 0].set_xlabel("step; from the left")
    return figure, axes[0, 0]


def test_points_of_lines_say_their_values() -> None:
    figure, axis = panel()
    axis.plot([0, 1, 2], [0.5, np.nan, 2.25], label="LSTM")
    axis.axhline(1)
    (low, first), (high, last) = found(figure)
    assert (first, last) == ("LSTM, step 0: 0.5", "LSTM, step 2: 2.25")
    assert low[0] < high[0]
    assert low[1] > high[1]  # from above


def test_a_long_line_is_thinned() -> None:
    figure, axis = panel()
    axis.plot(np.arange(1000))
    assert len(found(figure)) <= hover.MOST_POINTS


@pytest.mark.parametrize("kind", ["bar", "barh"])
def test_bars_say_their_lengths(kind: str) -> None:
    figure, axis = panel()
    getattr(axis, kind)([0, 1], [3.0, 4.5], label="before")
    assert [text for _, text in found(figure)] == ["before, 3", "before, 4.5"]


@pytest.mark.parametrize("origin", ["upper", "lower"])
def test_cells_of_a_heat_map_lie_over_their_colours(origin: str) -> None:
    values = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    figure, axis = panel()
    axis.set_ylabel("unit, by rank")
    axis.imshow(values, origin=origin, aspect="auto")
    cells = found(figure)
    assert [text for _, text in cells[:3]] == ["unit 0, step 0: 0", "unit 0, step 1: 1", "unit 1, step 0: 2"]
    tops = [place[1] for place, _ in cells[::2]]
    assert tops == sorted(tops, reverse=origin == "lower")
    with style.context():
        box = axis.get_window_extent()
    _, _, width, height = cells[0][0]
    assert width == pytest.approx(100 * box.width / 2 / figure.bbox.width, rel=1e-3)
    assert height == pytest.approx(100 * box.height / 3 / figure.bbox.height, rel=1e-3)


def test_a_large_heat_map_is_thinned() -> None:
    figure, axis = panel()
    axis.imshow(np.zeros((300, 400)), aspect="auto")
    assert 100 < len(found(figure)) <= 1.2 * hover.MOST_CELLS


def test_a_page_has_them_and_no_script(tmp_path: Path) -> None:
    gates = lab.gates(LSTM(3), np.ones((2, 5, 2)))
    text = lab.report(gates, tmp_path / "gates.html").read_text(encoding="utf-8")
    assert text.count("<i") >= 6 * 3 * 5
    first = f"{gates.gates['forget'][0, 0, gates.order[0]]:.3g}"
    assert f"<b>unit 0, step t 1: {first}</b>" in text
    assert "<script" not in text
