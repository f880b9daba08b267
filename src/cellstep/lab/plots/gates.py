"""The picture of `gates`: units by steps, one panel for each gate and state, in the order of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import style
from ..analysis.gates import PARTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.gates import Gates

WORDS = {
    "keep": "keep",
    "store": "store",
    "output": "output",
    "reset": "what the candidate sees of h",
}


def draw(result: Gates) -> Figure:
    """Panels from top to bottom: keep, store, output, then the states."""
    from matplotlib.ticker import MaxNLocator

    panels: list[tuple[str, Any, bool]] = []
    for name, letter, part in PARTS[result.kind]:
        shown = letter if name != "candidate" else "g"
        noun = "candidate" if name == "candidate" else f"{name} gate"
        panels.append((f"{WORDS[part]}: {noun} {shown}", result.gates[name], name != "candidate"))
    if "c" in result.states:
        panels.append(("the cell state c", result.states["c"], False))
    panels.append(("the hidden state h", result.states["h"], False))
    # a dense picture: all panels share steps and units
    figure, axes = style.figure(len(panels), 1, height=1.0 + 1.45 * len(panels), title=_title(result), sharex=True)
    steps = result.running.shape[1]
    for axis, (title, values, gate) in zip(axes[:, 0], panels, strict=True):
        shown = values[result.row][:, result.order].T
        top = 1.0 if gate else max(1e-12, float(np.nanmax(np.abs(shown)))) if np.isfinite(shown).any() else 1.0
        image = axis.imshow(
            shown,
            aspect="auto",
            interpolation="nearest",
            cmap=style.SEQUENTIAL if gate else style.DIVERGING,
            vmin=0 if gate else -top,
            vmax=top,
            extent=(0.5, steps + 0.5, result.units - 0.5, -0.5),
        )
        axis.set_facecolor("#BFBFBF")  # masked steps
        axis.grid(False)
        axis.set_title(title)
        axis.set_ylabel("unit, by rank")
        axis.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        figure.colorbar(image, ax=axis, pad=0.01, ticks=[0, 0.5, 1] if gate else None)
    bottom = axes[-1, 0]
    bottom.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    how = "by mean memory time, longest on top" if result.memory is not None else "by size of h, largest on top"
    masked = "; grey: masked" if not result.running[result.row].all() else ""
    bottom.set_xlabel(f"step t{' (1 is the last in time)' if result.backwards else ''}; units sorted {how}{masked}")
    return figure


def _title(result: Gates) -> str:
    return f"{result.name} ({result.kind}), sequence {result.row}"
