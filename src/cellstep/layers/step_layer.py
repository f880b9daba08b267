"""StepLayer: a cell as a layer of one step, so that it can be called on tensors, as in a decoder's loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import core
from . import nested
from .base import Layer
from .context import Applied, Context
from .symbolic import Node, SymbolicTensor, constants_as_tensors, is_symbolic
from .tracer import argument


class StepLayer(Layer):
    """The base of cells that kernels run: `forward` gives ((y, new states), pullback) of one step."""

    def on_tensors(self, inputs: Any, states: Any, training: bool | None) -> Any:
        """The output and the new states of a step on tensors, these in the form in which the states came; None where
        there are no tensors."""
        if not (is_symbolic(inputs) or is_symbolic(states)):
            return None
        if not isinstance(inputs, SymbolicTensor):
            raise TypeError(
                f"expected inputs of {self.name} to be a tensor, as the states are, got {core.brief(inputs)}"
            )
        self.build(inputs.open_shape)
        states = constants_as_tensors(states)
        options = {} if training is None else {"training": core.check_bool("training", training)}
        node = Node(self, inputs, None, {"states": states}, options)
        batch, sizes = inputs.open_shape[0], iter(self.state_sizes)  # type: ignore[attr-defined]
        new = nested.change(states, lambda state: argument("state", (batch, next(sizes)), self.dtype))
        known = node.known()
        output = argument("output", (batch, self.output_size), self.dtype)  # type: ignore[attr-defined]
        return node.give_like((output, new), self.nodes) if known is None else known

    def call_shape(self, input_shape: Any, options: Any, named: Any) -> Any:
        return [(input_shape[0], self.output_size), named["states"]]  # type: ignore[attr-defined]


def apply_step(self: Any, x: Any, mask: Any, context: Context, *, states: Any) -> Applied:
    """One step: the output and the new states; the pullback gives (dx, the gradients of the states)."""
    (y, new), back = self.forward(x, states, context.training)
    new = new if isinstance(states, list | tuple) else new[0]

    def pullback(dy: Any, need_dx: bool = True) -> Any:
        doutput, *dnew = [None] * (1 + len(nested.flatten(new))) if dy is None else nested.flatten(dy)
        zeros = np.zeros_like(y) if doutput is None else doutput
        dx, dstates = back(zeros, nested.pack(states, dnew) if isinstance(states, list | tuple) else dnew)
        return dx, nested.flatten(dstates)

    return (y, new), None, pullback
