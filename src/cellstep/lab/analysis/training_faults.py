"""What can go wrong in training: the sentence of a GradientMonitor for each fault, with what to try."""

from __future__ import annotations

from typing import Any

from ...layers import RecurrentCell
from ..cell_rows import keeping_gate, noun
from ..result import rounded

DEAD = {
    "relu": "a smaller learning rate, activation='leaky_relu' or 'tanh', or recurrent_initializer='identity'",
    "other": "smaller weights or inputs, or fewer units",
}


def remedy_for_vanishing(cell: RecurrentCell) -> str:
    """What to try so that gradients of this cell last longer."""
    keep = keeping_gate(cell.contract)
    if keep is None:
        return (
            "Try an LSTM or a GRU in its place, recurrent_initializer='identity' with activation='relu', or shorter "
            "sequences."
        )
    starts_open = hasattr(cell, "unit_forget_bias")
    memory = cell.contract.state_names[-1]
    bias = f"{'unit_forget_bias=True sets 1; ' if starts_open else ''}3 keeps 95% of {memory} at a step"
    other = "" if starts_open else " an LSTM with unit_forget_bias=True,"
    return f"Try a larger bias of the {keep.name} gate ({bias}),{other} or shorter sequences."


def sentence(
    cause: str,
    name: str,
    step: int,
    loss: float,
    *,
    layer: Any = None,
    cell: Any = None,
    gate: str = "",
    path: str = "",
) -> str:
    """The sentence for a cause, at a training step.

    Args:
        cause: "vanishing", "exploding", "dead", "nan", or "saturated" with the name of a gate.
        name: of the layer.
        layer: its LayerRecord. cell: its cell.
        path: of the first weight whose gradient is not finite, if there is one.
    """
    if cause == "nan":
        what = f"the gradient of {path} is not finite" if path else f"the loss is {loss}"
        return (
            f"Training step {step}: {what}. Try a smaller learning rate, clipnorm=1.0 in the optimizer, and look for "
            "NaN in x and y."
        )
    head = f"Training step {step}: {name} ({layer.kind})"
    steps = len(layer.dh) - 1
    if cause == "vanishing":
        return (
            f"{head}: gradients vanish. {rounded(layer.kept)} of one is left after {steps} steps back, so "
            f"what happened early is hardly learned. {remedy_for_vanishing(cell)}"
        )
    if cause == "exploding":
        return (
            f"{head}: gradients explode. One is {rounded(layer.kept)} times as large after {steps} steps back. "
            "Try clipnorm=1.0 in the optimizer, a smaller learning rate, or smaller recurrent weights."
        )
    if cause == "dead":
        return (
            f"{head}: {layer.dead} of {layer.units} units are dead: their h is the same at every step. "
            f"Try {DEAD['other']}; with relu, {DEAD['relu']}."
        )
    return (
        f"{head}: {layer.saturated[gate]:.0%} of the values of its {noun(cell.contract.gate(gate))} are saturated, so "
        "little gradient passes through it. Try smaller inputs (scale them to about -1 .. 1), smaller weights, or a "
        "smaller learning rate."
    )
