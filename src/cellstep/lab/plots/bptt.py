"""The picture of `bptt`: where each weight's gradient came from, what came to h there, and the chain of Jacobians."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.bptt import BPTT, LayerBPTT

Array = NDArray[Any]

#: A colour scale of norms spans this many powers of ten below the largest.
DECADES = 4
SHORT = {"kernel": "W", "recurrent_kernel": "U", "bias": "b"}


def draw(result: BPTT) -> Figure:
    """Three panels for each layer, layers side by side."""
    n = len(result.layers)
    figure, axes = style.figure(3, n, width=style.WIDTH * min(n, 3), height=8.6, title=result.title)
    for column, layer in enumerate(result.layers):
        _parts(figure, axes[0, column], layer)
        _arrivals(axes[1, column], layer)
        _chain(axes[2, column], layer)
    return figure


def step_axis(axis: Any, layer: LayerBPTT, first: int, note: str = "") -> None:
    """Steps below an axis, from `first` to T."""
    from matplotlib.ticker import MaxNLocator

    axis.set_xlim(first - 0.5, layer.steps + 0.5)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    notes = [*(["1 is the last in time"] if layer.backwards else []), *([note] if note else [])]
    axis.set_xlabel("; ".join(["step t", *notes]))


def _parts(figure: Figure, axis: Any, layer: LayerBPTT) -> None:
    from matplotlib.colors import LogNorm

    rows, labels = [], []
    for name, columns in layer.columns.items():
        for g, letter in enumerate(layer.gates):
            rows.append(columns[:, g])
            labels.append(SHORT[name] + (f" {letter}" if len(layer.gates) > 1 else ""))
    values = np.array(rows)
    top = values.max() if values.size and values.max() > 0 else 1.0
    image = axis.imshow(
        np.maximum(values, top * 10.0**-DECADES),
        aspect="auto",
        norm=LogNorm(top * 10.0**-DECADES, top),
        extent=(0.5, layer.steps + 0.5, len(rows) - 0.5, -0.5),
        interpolation="nearest",
    )
    axis.grid(False)
    axis.set_yticks(range(len(labels)), labels)
    axis.set_title(f"{layer.name} ({layer.kind}): gradient of each weight, by step")
    axis.set_ylabel("weight and gate")
    step_axis(axis, layer, 1, "parts are added from right to left")
    bar = figure.colorbar(image, ax=axis, pad=0.01)
    bar.set_label("norm of the part")


def _arrivals(axis: Any, layer: LayerBPTT) -> None:
    """What comes to h_t, and from where."""
    T = layer.steps
    states, steps = np.arange(T + 1), np.arange(1, T + 1)
    lines = (
        ("|dL/dh_t|: all", states, layer.dh, 6),
        ("from the output of step t", steps, layer.output, 0),
        ("from step t + 1, by feedback", steps, layer.feedback, 1),
    )
    for name, at, values, which in lines:
        shown = positive(values)
        # a lone point is seen only if it is marked
        points = len(at) if np.isfinite(shown).sum() > 2 else 1
        axis.plot(at, shown, label=name, **style.line(which, points))
    log_axis(axis, np.concatenate([layer.dh, layer.output, layer.feedback]))
    axis.set_title("What reaches h_t")
    axis.set_ylabel("norm of the gradient")
    axis.legend(loc="best", frameon=True, edgecolor="none", framealpha=0.85)
    step_axis(axis, layer, 0)


def _chain(axis: Any, layer: LayerBPTT) -> None:
    T = layer.steps
    states, steps = np.arange(T + 1), np.arange(1, T + 1)
    lines: list[tuple[str, Array, Array, int]] = [
        ("|dh_T/dh_t|: all steps after t", states, layer.chain, 6),
        ("|dh_t/dh_(t-1)|: one step", steps, layer.h_norms, 1),
        ("spectral radius of one step" + (" (h and c)" if layer.c_norms is not None else ""), steps, layer.radii, 2),
    ]
    if layer.c_norms is not None:
        lines.append(("|dc_t/dc_(t-1)|: the forget gate", steps, layer.c_norms, 0))
    for name, at, values, which in lines:
        mean = values.mean(axis=0)
        axis.plot(at, positive(mean), label=name, **style.line(which, len(at)))
    axis.axhline(1, color=style.GREY, linewidth=1, linestyle=":")
    log_axis(axis, np.concatenate([values.ravel() for _, _, values, _ in lines]), room=0.8)
    axis.set_title("The chain of Jacobians")
    axis.set_ylabel("spectral norm")
    axis.legend(loc="lower right", frameon=True, edgecolor="none", framealpha=0.85)
    step_axis(axis, layer, 0)


def positive(values: Array) -> Array:
    """What a logarithmic axis can show; NaN for the rest, and for what overflows its limits."""
    with np.errstate(invalid="ignore"):
        return np.where((values > 0) & (values < 1e200), values, np.nan)


def log_axis(axis: Any, values: Array, decades: float = 12, room: float = 0) -> None:
    """A logarithmic axis from the smallest positive value, or so many powers of ten below the largest, on.

    room: for a legend below, as a part of what the values take.
    """
    seen = values[np.isfinite(positive(values))]
    axis.set_yscale("log")
    if seen.size:
        low, high = max(seen.min(), seen.max() * 10.0**-decades), seen.max()
        below = max(high / low, 2.0) ** room
        axis.set_ylim(low / 1.6 / below, high * 1.6)
