"""LSTMCell, GRUCell and RNNCell: torch.nn's cells, with cellstep's kernels in their forward and backward passes."""

from __future__ import annotations

from typing import Any

from torch import nn

from .function import Call, apply, taken
from .order import Step
from .runs import Runs


class _Step(Runs):
    """What the cells have in common."""

    def suffixes(self) -> list[str]:
        return [""]

    def run(self, input: Any, hx: Any) -> Any:
        input = taken("input", input)
        states = [] if hx is None else self.states(hx)
        if single := input.dim() == 1:
            self._check_axes(input, states)
            input, states = input.unsqueeze(0), [s.unsqueeze(0) for s in states]
        got = [input.shape, *[s.shape for s in states]]
        B = got[0][0] if got[0] else 0
        wanted = [(B, self.input_size), *[(B, self.hidden_size)] * len(states)]
        if got != wanted:
            self._check_axes(input, states)
            raise RuntimeError(f"expected input and hx of shapes {wanted}, got {[*map(tuple, got)]}")
        layers, weights = self.weights()
        self.check_dtypes(weights[0].dtype, (input, *states))
        call = Call(layers, len(weights), 1, Step(B), None, False, bool(states))
        last = apply(call, input, *states, *weights)
        return self.nested([s.squeeze(0) for s in last] if single else last)

    def _check_axes(self, input: Any, states: Any) -> None:
        axes = [t.dim() for t in (input, *states)]
        if axes[0] not in (1, 2) or any(n != axes[0] for n in axes):
            raise ValueError(f"expected input and hx with one axis, or two with a batch, got {axes}")


class LSTMCell(_Step, nn.LSTMCell):
    """torch.nn.LSTMCell, whose documentation says all else, on cellstep's kernels."""


class GRUCell(_Step, nn.GRUCell):
    """torch.nn.GRUCell, whose documentation says all else, on cellstep's kernels."""


class RNNCell(_Step, nn.RNNCell):
    """torch.nn.RNNCell, whose documentation says all else, on cellstep's kernels."""
