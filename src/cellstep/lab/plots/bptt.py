"""The picture of `bptt`: where each weight's gradient came from, what came to h there, and the chain of Jacobians."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import style
from ..cell_rows import keeping_gate, noun, row_of, weight_names
from .panels import DECADES, describe, heat_map, line_at_one, log_colours, log_lines, over_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.bptt import BPTT, LayerBPTT


def draw(result: BPTT) -> Figure:
    """Three panels for each layer, layers side by side."""
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
    values = np.concatenate([columns.T for columns in layer.columns.values()])
    labels = [
        letters[name] + (f" {gate}" if len(layer.gates) > 1 else "") for name in layer.columns for gate in layer.gates
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
    both = " (h and c)" if layer.c_norms is not None else ""
    lines = [
        ("|dh_T/dh_t|: all steps after t", layer.chain.mean(axis=0), 6),
        ("|dh_t/dh_(t-1)|: one step", layer.h_norms.mean(axis=0), 1),
        (f"spectral radius of one step{both}", layer.radii.mean(axis=0), 2),
    ]
    if layer.c_norms is not None:
        keep = keeping_gate(row)
        lines.append(("|dc_t/dc_(t-1)|" + (f": the {noun(keep)}" if keep else ""), layer.c_norms.mean(axis=0), 0))
    log_lines(axis, lines, layer.steps, room=0.8)
    line_at_one(axis)
    over_steps(axis, 0, layer.steps)
    describe(axis, "The chain of Jacobians", _step(layer), "spectral norm", legend="lower right")
