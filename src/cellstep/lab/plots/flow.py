"""The picture of `gradient_flow`: a column for each layer, a line for each scale of the recurrent weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import style
from ..analysis.traced_cells import numbers
from .bptt import log_axis, positive

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.gradient_flow import Curve, GradientFlow

Array = NDArray[Any]


def draw(result: GradientFlow) -> Figure:
    """From top to bottom: dL/dh_t, dh_T/dh_t, the terms of an LSTM or one step of others, and clipping if there is."""
    labels = result.labels
    clipped = any(curve.clipping is not None for curve in result.curves)
    rows = 4 if clipped else 3
    figure, axes = style.figure(
        rows, len(labels), width=max(style.WIDTH, 3.9 * len(labels)), height=3.0 * rows, title=result.title
    )
    for column, label in enumerate(labels):
        curves = [curve for curve in result.curves if curve.label == label]
        _lines(axes[0, column], curves, [c.loss for c in curves], f"{label}: dL/dh_t")
        _lines(axes[1, column], curves, [c.mean_chain for c in curves], f"{label}: dh_T/dh_t")
        if curves[0].terms is None:
            _lines(axes[2, column], curves, [c.step.mean(axis=0) for c in curves], f"{label}: one step, dh_t/dh_(t-1)")
        else:
            _terms(axes[2, column], min(curves, key=lambda c: abs(c.scale - 1)))
        if clipped:
            _clipping(axes[3, column], curves)
    for row in range(2):
        log_axis(axes[row, 0], np.concatenate([line.get_ydata() for axis in axes[row] for line in axis.lines]))
        for axis in axes[row, 1:]:
            axis.set_yscale("log")
            axis.set_ylim(axes[row, 0].get_ylim())
    return figure


def _lines(axis: Any, curves: list[Curve], values: list[Array], title: str) -> None:
    for k, (curve, value) in enumerate(zip(curves, values, strict=True)):
        T = curve.steps
        at = np.arange(T + 1 - len(value), T + 1)
        axis.plot(at, positive(value), label=f"weights x {numbers(curve.scale)}", **style.line(k, T))
    log_axis(axis, np.concatenate(values))
    _finish(axis, title, "norm", curves[0].steps)


def _terms(axis: Any, curve: Curve) -> None:
    """What dc_t/dc_(t-1) is made of, at the scale nearest to 1."""
    assert curve.terms is not None
    assert curve.forget_product is not None
    lines = [(name, value.mean(axis=0), 1) for name, value in curve.terms.items()]
    lines.append(("product of forget gates", curve.forget_product.mean(axis=0), 0))
    for k, (name, value, first) in enumerate(lines):
        at = np.arange(first, curve.steps + 1)
        which = 6 if first == 0 else k
        axis.plot(at, positive(value), label=name, **style.line(which, len(at)))
    seen = np.concatenate([value for _, value, _ in lines])
    log_axis(axis, seen, room=0.9)
    title = f"{curve.label} x {numbers(curve.scale)}: terms of dc_t/dc_(t-1)"
    _finish(axis, title, "spectral norm", curve.steps, legend="lower right")


def _clipping(axis: Any, curves: list[Curve]) -> None:
    found = [(c.scale, c.clipping) for c in curves if c.clipping is not None]
    at = np.arange(len(found))
    width = 0.38
    before, after = [c.total for _, c in found], [c.total_after for _, c in found]
    axis.bar(at - width / 2, before, width, label="before", color=style.PALETTE[0])
    axis.bar(at + width / 2, after, width, label="after", color=style.PALETTE[1], hatch="//", edgecolor="white")
    bound = found[0][1].clipnorm
    axis.axhline(bound, color=style.GREY, linestyle=":", label=f"clipnorm {numbers(bound)} for each weight")
    log_axis(axis, np.array([*before, *after, bound]), room=0.3)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high * (high / low) ** 0.6)  # for the legend
    axis.set_xticks(at, [numbers(scale) for scale, _ in found])
    axis.set_xlabel("scale of the recurrent weights")
    axis.set_ylabel("norm of all gradients")
    axis.set_title(f"{curves[0].label}: clipping by norm")
    axis.legend(loc="upper left", fontsize=8)


def _finish(axis: Any, title: str, quantity: str, steps: int, legend: str = "best") -> None:
    from matplotlib.ticker import MaxNLocator

    axis.axhline(1, color=style.GREY, linewidth=1, linestyle=":")
    axis.set_title(title)
    axis.set_xlabel("step t")
    axis.set_ylabel(quantity)
    axis.set_xlim(-0.5, steps + 0.5)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axis.legend(loc=legend, frameon=True, edgecolor="none", framealpha=0.85, fontsize=8)
