"""The pictures of gradients: `bptt`, `gradient_flow`, and a GradientMonitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import style
from ..cell_rows import keeping_gate, noun, row_of, weight_names
from ..tables import rounded
from .panels import DECADES, describe, heat_map, line_at_one, log_axis, log_colours, log_lines, over_steps, positive

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.bptt import BPTT, LayerBPTT
    from ..analysis.gradient_flow import Curve, GradientFlow
    from ..analysis.gradient_monitor import GradientMonitor, Record

Array = NDArray[Any]


def draw_bptt(result: BPTT) -> Figure:
    """Where each weight's gradient came from, what came to h there, and the chain of Jacobians: three panels for each
    layer, layers side by side."""
    n = len(result.layers)
    figure, axes = style.figure(3, n, width=style.WIDTH * min(n, 3), height=8.6, title=result.title)
    for column, layer in enumerate(result.layers):
        _parts(figure, axes[0, column], layer)
        _arrivals(axes[1, column], layer)
        _chain(axes[2, column], layer)
    return figure


def _step(layer: LayerBPTT) -> str:
    return "step t; 1 is the last in time" if layer.backwards else "step t"


def _parts(figure: Figure, axis: Any, layer: LayerBPTT) -> None:
    row = row_of(layer.kind)
    letters = dict(zip(weight_names(row), row.weight_names, strict=True))
    values = np.concatenate([layer.columns.get(name, norms[:, None]).T for name, norms in layer.norms.items()])
    labels = [
        letters.get(name, name.rpartition("/")[2]) + (f" {gate}" if gate else "")
        for name in layer.norms
        for gate in (layer.gates if name in layer.columns and len(layer.gates) > 1 else [""])
    ]
    bar = heat_map(figure, axis, values, (1, layer.steps), norm=log_colours(values, DECADES))
    bar.set_label("norm of the part")
    axis.set_yticks(range(len(labels)), labels)
    over_steps(axis, 1, layer.steps)
    title = f"{layer.name} ({layer.kind}): gradient of each weight, by step"
    describe(axis, title, f"{_step(layer)}; parts are added from right to left", "weight and gate", legend=None)


def _arrivals(axis: Any, layer: LayerBPTT) -> None:
    """What comes to h_t, and from where."""
    lines = [
        ("|dL/dh_t|: all", layer.dh, 6),
        ("from the output of step t", layer.output, 0),
        ("from step t + 1, by feedback", layer.feedback, 1),
    ]
    log_lines(axis, lines, layer.steps)
    over_steps(axis, 0, layer.steps)
    describe(axis, "What reaches h_t", _step(layer), "norm of the gradient")


def _chain(axis: Any, layer: LayerBPTT) -> None:
    row = row_of(layer.kind)
    both = " (all states)" if not row.name else " (h and c)" if layer.c_norms is not None else ""
    lines = [
        ("|dh_T/dh_t|: all steps after t", layer.chain.mean(axis=0), 6),
        ("|dh_t/dh_(t-1)|: one step", layer.h_norms.mean(axis=0), 1),
        (f"spectral radius of one step{both}", layer.radii.mean(axis=0), 2),
    ]
    if layer.c_norms is not None:
        keep, c = keeping_gate(row), "c" if row.name else "s1"  # as bare rows call it
        lines.append((f"|d{c}_t/d{c}_(t-1)|" + (f": the {noun(keep)}" if keep else ""), layer.c_norms.mean(axis=0), 0))
    log_lines(axis, lines, layer.steps, room=0.8)
    line_at_one(axis)
    over_steps(axis, 0, layer.steps)
    describe(axis, "The chain of Jacobians", _step(layer), "spectral norm", legend="lower right")


def draw_flow(result: GradientFlow) -> Figure:
    """A column for each layer, a line for each scale of the recurrent weights. From top to bottom: dL/dh_t, dh_T/dh_t,
    the terms of a cell state or one step, and clipping if there is."""
    labels = result.labels
    clipped = any(curve.clipping is not None for curve in result.curves)
    rows = 4 if clipped else 3
    figure, axes = style.figure(
        rows, len(labels), width=max(style.WIDTH, 3.9 * len(labels)), height=3.0 * rows, title=result.title
    )
    for column, label in enumerate(labels):
        curves = [curve for curve in result.curves if curve.label == label]
        legend = None if column else "best"  # the scales are the same everywhere
        _lines(axes[0, column], curves, [c.loss for c in curves], f"{label}: dL/dh_t", legend)
        _lines(axes[1, column], curves, [c.mean_chain for c in curves], f"{label}: dh_T/dh_t", None)
        if curves[0].terms is None:
            steps = [c.step.mean(axis=0) for c in curves]
            _lines(axes[2, column], curves, steps, f"{label}: one step, dh_t/dh_(t-1)", None)
        else:
            _terms(axes[2, column], min(curves, key=lambda c: abs(c.scale - 1)))
        if clipped:
            _clipping(axes[3, column], curves, None if column else "upper left")
    for row in range(2):
        log_axis(axes[row, 0], np.concatenate([line.get_ydata() for axis in axes[row] for line in axis.lines]))
        for axis in axes[row, 1:]:
            axis.set_yscale("log")
            axis.set_ylim(axes[row, 0].get_ylim())
    return figure


def _lines(axis: Any, curves: list[Curve], values: list[Array], title: str, legend: str | None) -> None:
    names = [f"weights x {rounded(curve.scale)}" for curve in curves]
    log_lines(axis, list(zip(names, values, range(len(names)), strict=True)), curves[0].steps)
    _around(axis, title, "norm", curves[0].steps, legend)


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


def _clipping(axis: Any, curves: list[Curve], legend: str | None) -> None:
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
    describe(axis, title, "scale of the recurrent weights", "norm of all gradients", legend, fontsize=8)


def _around(axis: Any, title: str, quantity: str, steps: int, legend: str | None = "best") -> None:
    line_at_one(axis)
    over_steps(axis, 0, steps, most=6)
    describe(axis, title, "step t", quantity, legend, fontsize=8)


def draw_monitor(monitor: GradientMonitor) -> Figure:
    """A heat map and a panel of lines for each layer; the gradients of all other weights below."""
    names = list(dict.fromkeys(name for record in monitor.records for name in record.layers))
    figure, axes = style.figure(2 * len(names) + 1, 1, title=monitor.title)
    for k, name in enumerate(names):
        seen = [record for record in monitor.records if name in record.layers]
        _reach(figure, axes[2 * k, 0], name, seen)
        _inside(axes[2 * k + 1, 0], name, seen)
    _gradients(axes[-1, 0], monitor.records)
    return figure


def _reach(figure: Figure, axis: Any, name: str, seen: list[Record]) -> None:
    steps = max(len(record.layers[name].dh) for record in seen)
    values = np.full((steps, len(seen)), np.nan)
    for column, record in enumerate(seen):
        dh = record.layers[name].dh
        values[steps - len(dh) :, column] = dh  # short batches end where long ones do
    colours = log_colours(values, 2 * DECADES)
    heat_map(figure, axis, values, (seen[0].step, seen[-1].step), first=1, norm=colours).set_label("norm")
    axis.invert_yaxis()
    describe(axis, f"{name}: |dL/dh_t|", "training step", "step t of the sequence", legend=None)


def _inside(axis: Any, name: str, seen: list[Record]) -> None:
    at = [record.step for record in seen]
    for k, gate in enumerate(seen[0].layers[name].saturated):
        share = [100 * record.layers[name].saturated.get(gate, np.nan) for record in seen]
        axis.plot(at, share, label=f"{gate}: saturated values", **style.line(k, len(at)))
    dead = [100 * record.layers[name].dead / record.layers[name].units for record in seen]
    axis.plot(at, dead, label="dead units", **style.line(6, len(at)))
    axis.set_ylim(-3, 103)
    describe(axis, f"{name}: gates and units", "training step", style.label("share", "%"), "upper right")


def _gradients(axis: Any, records: list[Record]) -> None:
    paths = list(dict.fromkeys(path for record in records for path in record.gradients))
    values = np.array([[record.gradients.get(path, np.nan) for record in records] for path in paths])
    at = [record.step for record in records]
    for k, path in enumerate(paths):
        axis.plot(at, positive(values[k]), label=path, **style.line(k, len(at)))
    log_axis(axis, values.ravel(), room=0.6)
    title = "Gradients of the weights, as the optimizer used them"
    describe(axis, title, "training step", "norm", "lower left", fontsize=7, ncols=2)
