"""The picture of a GradientMonitor: what reaches each step of the sequences, and the weights, during training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import style
from .panels import DECADES, describe, heat_map, log_axis, log_colours, positive

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.gradient_monitor import GradientMonitor, Record


def draw(monitor: GradientMonitor) -> Figure:
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
