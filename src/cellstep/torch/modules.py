"""LSTM, GRU and RNN: torch.nn's modules, with cellstep's kernels in their forward and backward passes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .. import kernels
from .function import Call, apply, taken
from .order import Even, Packed
from .runs import Runs
from .weights import projected


class _Sequences(Runs):
    """What LSTM, GRU and RNN have in common."""

    def suffixes(self) -> list[str]:
        ends = ("", "_reverse") if self.bidirectional else ("",)
        return [f"_l{layer}{end}" for layer in range(self.num_layers) for end in ends]

    def run(self, input: Any, hx: Any) -> Any:
        x, sizes, sort, unsort = input if isinstance(input, PackedSequence) else (input, None, None, None)
        x = taken("input", x)
        states = [] if hx is None else self.states(hx)
        axes = x.dim()
        if axes not in (2, 3) and sizes is None:
            raise ValueError(f"expected input with 2 axes, or 3 with a batch, got {axes}")
        single = axes == 2 and sizes is None
        if states and any([s.dim() != 3 - single for s in states]):
            raise RuntimeError(f"expected hx with {3 - single} axes for this input, got {[s.dim() for s in states]}")
        if single:
            x, states = x.unsqueeze(0 if self.batch_first else 1), [s.unsqueeze(1) for s in states]
        layers, weights = self.weights()
        order = Even(x.shape, self.batch_first) if sizes is None else Packed(sizes.numpy(), x.shape)
        directions = 2 if self.bidirectional else 1
        if states or x.dtype is not weights[0].dtype:
            self.check_dtypes(weights[0].dtype, (x, *states))
        if x.shape[-1] != self.input_size:
            self.check_input(x, sizes)  # which raises
        if states:
            given = self.permute_hidden(self.nested(states), sort)
            states = self.states(given)
            shape = (self.num_layers * directions, order.B, self.hidden_size)
            if self.proj_size or any([s.shape != shape for s in states]):
                self.check_forward_args(x, given, sizes)  # which raises
        if not order.T:
            raise RuntimeError("expected input with at least one step, got none")
        noise = self._noise(x, order) if self.training and self.dropout and self.num_layers > 1 else None
        each = (4 if self.bias else 2) + bool(self.proj_size)
        y, *last = apply(Call(layers, each, directions, order, noise, True, bool(states)), x, *states, *weights)
        if single:
            return y.squeeze(0 if self.batch_first else 1), self.nested([s.squeeze(1) for s in last])
        hidden = self.nested(last)
        if sizes is not None:
            return PackedSequence(y, sizes, sort, unsort), self.permute_hidden(hidden, unsort)
        return y, hidden

    def _noise(self, x: Tensor, order: Even | Packed) -> list[Any]:
        """What the outputs of each layer but the last are multiplied with, in their order: the same numbers as
        torch.nn draws, which lays sequences out step by step."""
        width = (self.proj_size or self.hidden_size) * (2 if self.bidirectional else 1)
        shape = (order.T, order.B, width) if isinstance(order, Even) else (len(x), width)
        noise = [
            nn.functional.dropout(torch.ones(shape, dtype=x.dtype), self.dropout).numpy()
            for _ in range(self.num_layers - 1)
        ]
        return [n.swapaxes(0, 1) for n in noise] if isinstance(order, Even) and self.batch_first else noise


class LSTM(_Sequences, nn.LSTM):
    """torch.nn.LSTM, whose documentation says all else, on cellstep's kernels (with proj_size where llvmlite is)."""

    def run(self, input: Any, hx: Any) -> Any:
        if self.proj_size and projected()[0].name not in kernels.active().cells:
            return nn.LSTM.forward(self, input, hx)
        return super().run(input, hx)


class GRU(_Sequences, nn.GRU):
    """torch.nn.GRU, whose documentation says all else, on cellstep's kernels."""


class RNN(_Sequences, nn.RNN):
    """torch.nn.RNN, whose documentation says all else, on cellstep's kernels."""
