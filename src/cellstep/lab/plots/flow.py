"""The picture of `gradient_flow`: a column for each layer, a line for each scale of the recurrent weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import style
from ..cell_rows import keeping_gate, row_of
from ..result import rounded
from .panels import describe, line_at_one, log_axis, log_lines, over_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.gradient_flow import Curve, GradientFlow

Array = NDArray[Any]


def draw(result: GradientFlow) -> Figure:
    """From top to bottom: dL/dh_t, dh_T/dh_t, the terms of a cell state or one step, and clipping if there is."""
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
    names = [f"weights x {rounded(curve.scale)}" for curve in curves]
    log_lines(axis, list(zip(names, values, range(len(names)), strict=True)), curves[0].steps)
    _around(axis, title, "norm", curves[0].steps)


def _terms(axis: Any, curve: Curve) -> None:
    """What dc_t/dc_(t-1) is made of, at the scale nearest to 1."""
    assert curve.terms is not None
    assert curve.forget_product is not None
    keep = keeping_gate(row_of(curve.kind))
    lines = [(name, value.mean(axis=0), k) for k, (name, value) in enumerate(curve.terms.items())]
    lines.append((f"product of {keep.name if keep else ''} gates", curve.forget_product.mean(axis=0), 6))
    log_lines(axis, lines, curve.steps, room=0.9)
    title = f"{curve.label} x {rounded(curve.scale)}: terms of dc_t/dc_(t-1)"
    _around(axis, title, "spectral norm", curve.steps, legend="lower right")


def _clipping(axis: Any, curves: list[Curve]) -> None:
    clips = {c.scale: c.clipping for c in curves if c.clipping is not None}
    at = np.arange(len(clips))
    width = 0.38
    before, after = [c.total for c in clips.values()], [c.total_after for c in clips.values()]
    axis.bar(at - width / 2, before, width, label="before", color=style.PALETTE[0])
    axis.bar(at + width / 2, after, width, label="after", color=style.PALETTE[1], hatch="//", edgecolor="white")
    bound = next(iter(clips.values())).clipnorm
    axis.axhline(bound, color=style.GREY, linestyle=":", label=f"clipnorm {rounded(bound)} for each weight")
    log_axis(axis, np.array([*before, *after, bound]), room=0.3)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high * (high / low) ** 0.6)  # for the legend
    axis.set_xticks(at, [rounded(scale) for scale in clips])
    title = f"{curves[0].label}: clipping by norm"
    describe(axis, title, "scale of the recurrent weights", "norm of all gradients", "upper left", fontsize=8)


def _around(axis: Any, title: str, quantity: str, steps: int, legend: str = "best") -> None:
    line_at_one(axis)
    over_steps(axis, 0, steps, most=6)
    describe(axis, title, "step t", quantity, legend, fontsize=8)
