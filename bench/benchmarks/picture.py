"""The picture: latency of one batch-1 step against H, both on logarithmic axes."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import kernels
from ..lab import style
from .compare import Row

#: Hues that stay apart for colour-blind readers, after Okabe and Ito.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#8C564B", "#7F7F7F")
OURS = ("#D55E00", "#A33B00", "#F0A080")


def why_not() -> str:
    """Why there can be no picture, or an empty string."""
    if importlib.util.find_spec("matplotlib") is None:
        return "no picture: matplotlib is not installed; pip install 'cellstep[bench]'"
    return ""


def draw(rows: Sequence[Row], path: str | Path, title: str) -> None:
    """Write a picture of the rows that are batch-1 steps, a panel for each cell.

    Args:
        rows: others than batch-1 steps are left aside.
        path: its ending says the format: .png, .svg, .pdf.
        title: what was measured, and where.

    Raises:
        ValueError: there is no batch-1 step among the rows, or the ending is not a format.
        ImportError: matplotlib is not installed.
    """
    if why_not():
        raise ImportError(why_not())
    steps = [r for r in rows if r.what.work == "step" and r.what.shape.B == 1]
    if not steps:
        raise ValueError("expected rows with a batch-1 step among them, got none")
    cells = list(dict.fromkeys(r.what.cell for r in steps))
    style.ending(path)  # an error before the work
    figure: Any = importlib.import_module("matplotlib.figure").Figure(
        figsize=(1 + 5.5 * len(cells), 5.2), layout="constrained"
    )
    panels = figure.subplots(1, len(cells), sharey=True, squeeze=False)[0]
    peers = list(dict.fromkeys(name for r in steps for name in r.peers))
    for axes, cell in zip(panels, cells, strict=True):
        _panel(axes, [r for r in steps if r.what.cell == cell], peers)
        axes.set_title(f"{kernels.CELLS[cell].title}, one step, batch 1, I = H")
    panels[0].set_ylabel("microseconds, median")
    panels[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    figure.suptitle(title, fontsize=9)
    style.save(figure, path, dpi=130)


def _panel(axes: Any, rows: Sequence[Row], peers: Sequence[str]) -> None:
    rows = sorted(rows, key=lambda r: r.what.shape.H)
    ours = [name for name in rows[0].times if name not in peers]
    sizes = sorted({r.what.shape.H for r in rows})
    thin = {"marker": "o", "markersize": 3, "linewidth": 1.2}
    thick = {"marker": "s", "markersize": 4, "linewidth": 2.4}
    lines = [(name, name, COLOURS[i % len(COLOURS)], thin) for i, name in enumerate(peers)]
    lines += [(name, f"cellstep, {name}", OURS[i % len(OURS)], thick) for i, name in enumerate(ours)]
    for name, label, colour, look in lines:
        here = [r for r in rows if name in r.times]
        heights = [1e6 * r.times[name].median for r in here]
        axes.plot([r.what.shape.H for r in here], heights, color=colour, label=label, **look)
    limits = [1e6 * r.limit for r in rows]
    axes.plot([r.what.shape.H for r in rows], limits, "--", color="black", linewidth=1, label="limit of this machine")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.set_xlabel("H")
    axes.grid(visible=True, which="major", linewidth=0.4, alpha=0.6)
