"""What can go wrong in training: the sentence of a GradientMonitor for each fault, with what to try."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..cell_rows import keeping_gate, noun
from ..tables import rounded

if TYPE_CHECKING:
    from .gradient_monitor import GradientMonitor, LayerRecord
    from .traced_cells import Place


def remedy_for_vanishing(place: Place) -> str:
    """What to try so that gradients of this cell last longer."""
    keep = keeping_gate(place.row)
    if keep is None:
        return (
            "Try an LSTM or a GRU in its place, recurrent_initializer='identity' with activation='relu', or shorter "
            "sequences."
        )
    starts_open = hasattr(place.cell, "unit_forget_bias")
    memory = place.row.state_names[-1]
    bias = f"{'unit_forget_bias=True sets 1; ' if starts_open else ''}3 keeps 95% of {memory} at a step"
    other = "" if starts_open else " an LSTM with unit_forget_bias=True,"
    return f"Try a larger bias of the {keep.name} gate ({bias}),{other} or shorter sequences."


def not_finite(loss: float, gradients: Mapping[str, float]) -> str:
    """What is said of a loss or of norms of gradients, by path, that are not finite; nothing where all are."""
    path = next((path for path, norm in gradients.items() if not math.isfinite(norm)), None)
    if path is None and math.isfinite(loss):
        return ""
    what = f"the loss is {loss}" if path is None else f"the gradient of {path} is not finite"
    return f"{what}. Try a smaller learning rate, clipnorm=1.0 in the optimizer, and look for NaN in x and y."


def layer_faults(layer: LayerRecord, place: Place, limits: GradientMonitor) -> dict[str, str]:
    """The faults of a layer at a training step, each with its sentence.

    limits: what has vanishing, exploding, dead and saturated as attributes.
    """
    faults, back = {}, f"after {len(layer.dh) - 1} steps back"
    if layer.kept < limits.vanishing:
        faults["vanishing"] = (
            f"gradients vanish. {rounded(layer.kept)} of one is left {back}, so what happened early is hardly learned. "
            f"{remedy_for_vanishing(place)}"
        )
    if math.isfinite(layer.kept) and layer.kept > limits.exploding:
        faults["exploding"] = (
            f"gradients explode. One is {rounded(layer.kept)} times as large {back}. "
            "Try clipnorm=1.0 in the optimizer, a smaller learning rate, or smaller recurrent weights."
        )
    if layer.dead > limits.dead * layer.units:
        faults["dead"] = (
            f"{layer.dead} of {layer.units} units are dead: their h is the same at every step. Try smaller weights or "
            "inputs, or fewer units; with relu, a smaller learning rate, activation='leaky_relu' or 'tanh', or "
            "recurrent_initializer='identity'."
        )
    for name, part in layer.saturated.items():
        gate = place.row.gate(name)
        holds = gate.role == "keep" and layer.held > limits.saturated
        if part > limits.saturated and not holds:
            faults[f"saturated {name}"] = (
                f"{part:.0%} of the values of its {noun(gate)} are saturated, so little gradient passes through it. "
                "Try smaller inputs (scale them to about -1 .. 1), smaller weights, or a smaller learning rate."
            )
    return faults
