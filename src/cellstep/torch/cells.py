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
        single = input.dim() == 1
        axes = [t.dim() for t in (input, *states)]
        if axes[0] not in (1, 2) or any(n != axes[0] for n in axes):
            raise ValueError(f"expected input and hx with one axis, or two with a batch, got {axes}")
        x, states = (input.unsqueeze(0), [s.unsqueeze(0) for s in states]) if single else (input, states)
        B, H = len(x), self.hidden_size
        wanted, got = [(B, self.input_size), *((B, H) for _ in states)], [tuple(t.shape) for t in (x, *states)]
        if got != wanted:
            raise RuntimeError(f"expected input and hx of shapes {wanted}, got {got}")
        layers, weights = self.weights()
        self.check_dtypes(weights[0].dtype, (x, *states))
        call = Call(layers, len(weights), 1, Step(B), None, sequences=False, given=bool(states))
        last = apply(call, x, *states, *weights)
        return self.nested([s.squeeze(0) for s in last] if single else last)


class LSTMCell(_Step, nn.LSTMCell):
    """torch.nn.LSTMCell, whose documentation says all else, on cellstep's kernels."""


class GRUCell(_Step, nn.GRUCell):
    """torch.nn.GRUCell, whose documentation says all else, on cellstep's kernels."""


class RNNCell(_Step, nn.RNNCell):
    """torch.nn.RNNCell, whose documentation says all else, on cellstep's kernels."""
