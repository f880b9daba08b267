"""The look of the lab's pictures: safe colours, settings left alone, files that repeat."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from cellstep import lab
from cellstep.lab import style

matplotlib = pytest.importorskip("matplotlib")

#: G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A Physiologically-based Model for Simulation of Color Vision
#: Deficiency" (2009), their table for severity 1.0; applied to linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> np.ndarray:
    """Linear RGB of #RRGGBB, by the curve of sRGB (IEC 61966-2-1)."""
    s = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (1976) of linear RGB, white D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(a: str, b: str, seen: np.ndarray) -> float:
    """How far apart two colours look: the CIE difference of 1976, of which 2.3 is just noticeable."""
    return float(np.linalg.norm(lab_of(seen @ linear(a)) - lab_of(seen @ linear(b))))


@pytest.mark.parametrize("name", DEFICIENCIES)
def test_colours_are_told_apart(name: str) -> None:
    closest = min(combinations(style.PALETTE, 2), key=lambda pair: distance(*pair, DEFICIENCIES[name]))
    assert distance(*closest, DEFICIENCIES[name]) > 15, f"{closest} look alike"


@pytest.mark.parametrize("name", ["none", "protanopia", "deuteranopia"])
def test_the_three_cells_and_white_are_far_apart(name: str) -> None:
    colours = [*style.PALETTE[:3], "#FFFFFF"]
    closest = min(combinations(colours, 2), key=lambda pair: distance(*pair, DEFICIENCIES[name]))
    assert distance(*closest, DEFICIENCIES[name]) > 30, f"{closest} look alike"


def test_the_distance_would_find_red_and_green() -> None:
    assert distance("#D00000", "#6B6B00", DEFICIENCIES["none"]) > 80
    assert distance("#D00000", "#6B6B00", DEFICIENCIES["protanopia"]) < 15
    assert distance("#D00000", "#6B6B00", DEFICIENCIES["deuteranopia"]) < 15
    assert lab_of(np.ones(3)) == pytest.approx([100, 0, 0], abs=0.1)


def test_lines_differ_without_colour() -> None:
    looks = [style.line(i, points=100) for i in range(len(style.PALETTE))]
    assert len({str((one["linestyle"], one["marker"])) for one in looks}) == len(looks)
    assert style.line("LSTM") == style.line(1)
    with pytest.raises(ValueError, match=r"which must be a number or one of SimpleRNN, LSTM, GRU, got 'lstm'"):
        style.line("lstm")


def drawing() -> object:
    with style.context():
        figure, axes = style.figure(rows=2, title="Two panels")
        axes[0, 0].plot([1, 2, 3], [2, 1, 4], label="one", **style.line("LSTM", points=3))
        axes[0, 0].legend()
        axes[1, 0].imshow(np.eye(3))
        axes[1, 0].set_xlabel(style.label("time", "steps"))
    return figure


@pytest.mark.parametrize("format_", ["png", "svg", "pdf"])
def test_files_repeat_byte_for_byte(tmp_path: Path, format_: str) -> None:
    first = style.save(drawing(), tmp_path / f"a.{format_}").read_bytes()
    assert style.save(drawing(), tmp_path / f"b.{format_}").read_bytes() == first
    assert b"20" + b"26-" not in first


def test_the_callers_matplotlib_is_left_alone() -> None:
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 30, "axes.grid": False}):
        loud = style.picture(drawing())
        assert matplotlib.rcParams["font.size"] == 30
    assert dict(matplotlib.rcParams) == before
    assert style.picture(drawing()) == loud
    code = (
        "import sys; from cellstep.lab import style; f, a = style.figure(); style.picture(f, 'svg'); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_ending_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path must end in \.png, \.svg or \.pdf, got '.*picture\.gif'"):
        style.save(drawing(), tmp_path / "picture.gif")
    assert not list(tmp_path.iterdir())


def test_the_lab_is_lazy_and_matplotlib_only_for_pictures() -> None:
    code = (
        "import sys, cellstep; assert 'cellstep.lab' not in sys.modules; cellstep.lab.style; "
        "assert 'matplotlib' not in sys.modules; cellstep.lab.Result"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        lab.nothing  # noqa: B018
    assert {"Result", "style"} <= set(dir(lab))


def test_a_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"need matplotlib: pip install 'cellstep\[lab\]'"):
        style.figure()
