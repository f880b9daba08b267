"""The picture of a GradientMonitor: what reaches each step of the sequences, and the weights, as training goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import style
from .bptt import DECADES, log_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.gradient_monitor import GradientMonitor, Record

Array = NDArray[Any]


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
    from matplotlib.colors import LogNorm

    steps = max(len(record.layers[name].dh) for record in seen)
    values = np.full((steps, len(seen)), np.nan)
    for column, record in enumerate(seen):
        dh = record.layers[name].dh
        values[steps - len(dh) :, column] = dh  # short batches end where long ones do
    finite = values[np.isfinite(values) & (values > 0)]
    top = float(finite.max()) if finite.size else 1.0
    bottom = max(float(finite.min()), top * 10.0 ** (-2 * DECADES)) if finite.size else 0.1
    image = axis.imshow(
        np.maximum(values, bottom),
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        norm=LogNorm(bottom, top if top > bottom else bottom * 10),
        extent=(seen[0].step - 0.5, seen[-1].step + 0.5, 0.5, steps + 0.5),
    )
    axis.grid(False)
    axis.set_title(f"{name}: |dL/dh_t|")
    axis.set_xlabel("training step")
    axis.set_ylabel("step t of the sequence")
    figure.colorbar(image, ax=axis, pad=0.01).set_label("norm")


def _inside(axis: Any, name: str, seen: list[Record]) -> None:
    at = [record.step for record in seen]
    gates = list(seen[0].layers[name].saturated)
    for k, gate in enumerate(gates):
        share = [100 * record.layers[name].saturated.get(gate, np.nan) for record in seen]
        axis.plot(at, share, label=f"{gate}: saturated values", **style.line(k, len(at)))
    dead = [100 * record.layers[name].dead / record.layers[name].units for record in seen]
    axis.plot(at, dead, label="dead units", **style.line(6, len(at)))
    axis.set_ylim(-3, 103)
    axis.set_title(f"{name}: gates and units")
    axis.set_xlabel("training step")
    axis.set_ylabel(style.label("share", "%"))
    axis.legend(loc="upper right", frameon=True, edgecolor="none", framealpha=0.85)


def _gradients(axis: Any, records: list[Record]) -> None:
    paths = list(dict.fromkeys(path for record in records for path in record.gradients))
    at, all_values = [record.step for record in records], []
    for k, path in enumerate(paths):
        values = np.array([record.gradients.get(path, np.nan) for record in records])
        shown = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        axis.plot(at, shown, label=path, **style.line(k, len(at)))
        all_values.append(values)
    log_axis(axis, np.concatenate(all_values), room=0.6)
    axis.set_title("Gradients of the weights, as the optimizer used them")
    axis.set_xlabel("training step")
    axis.set_ylabel("norm")
    axis.legend(loc="lower left", fontsize=7, ncols=2, frameon=True, edgecolor="none", framealpha=0.85)
