"""What a GradientMonitor says: the sentence for each cause, with what to try."""

from __future__ import annotations

from typing import Any

from .traced_cells import numbers

#: By kind of layer, what to try when gradients vanish.
LASTING = {
    "SimpleRNN": "Try an LSTM or a GRU in its place, recurrent_initializer='identity' with activation='relu', or "
    "shorter sequences.",
    "LSTM": "Try a larger bias of the forget gate (unit_forget_bias=True sets 1; 3 keeps 95% of c at a step), or "
    "shorter sequences.",
    "GRU": "Try a larger bias of the update gate, an LSTM with unit_forget_bias=True, or shorter sequences.",
}
DEAD = {
    "relu": "a smaller learning rate, activation='leaky_relu' or 'tanh', or recurrent_initializer='identity'",
    "other": "smaller weights or inputs, or fewer units",
}


def say(cause: str, name: str, step: int, loss: float, *, layer: Any = None, gate: str = "", path: str = "") -> str:
    """The sentence for a cause, at a training step.

    Args:
        cause: "vanishing", "exploding", "dead", "nan", or "saturated" with the name of a gate.
        name: of the layer.
        layer: its LayerRecord.
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
            f"{head}: gradients vanish. {numbers(layer.kept)} of one is left after {steps} steps back, so "
            f"what happened early is hardly learned. {LASTING[layer.kind]}"
        )
    if cause == "exploding":
        return (
            f"{head}: gradients explode. One is {numbers(layer.kept)} times as large after {steps} steps back. "
            "Try clipnorm=1.0 in the optimizer, a smaller learning rate, or smaller recurrent weights."
        )
    if cause == "dead":
        return (
            f"{head}: {layer.dead} of {layer.units} units are dead: their h is the same at every step. "
            f"Try {DEAD['other']}; with relu, {DEAD['relu']}."
        )
    return (
        f"{head}: {layer.saturated[gate]:.0%} of the values of its {_noun(gate)} are saturated, so little gradient "
        "passes through it. Try smaller inputs (scale them to about -1 .. 1), smaller weights, or a smaller "
        "learning rate."
    )


def _noun(gate: str) -> str:
    return gate if gate == "candidate" else f"{gate} gate"
