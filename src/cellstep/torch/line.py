"""Line: modules one after another, of which recurrent ones hand on their outputs and not their states.

What `bridges.to_torch` makes. All parameters are those of torch.nn's own modules.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, cat, nn
from torch.nn import functional as F


class Line(nn.Sequential):
    """nn.Sequential, but that of a module's outputs, if they are a tuple, the first goes on. Batch first."""

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
            if isinstance(input, tuple):
                input = input[0]
        return input


class Ends(nn.Module):
    """Of outputs (B, T, units) those of the last step; those of a second direction, behind them, of the first step."""

    def __init__(self, units: int, directions: int) -> None:
        super().__init__()
        self.units, self.ends = units, directions

    def forward(self, y: Tensor) -> Tensor:
        if self.ends == 1:
            return y[:, -1]
        return cat([y[:, -1, : self.units], y[:, 0, self.units :]], -1)

    def extra_repr(self) -> str:
        return f"units={self.units}, directions={self.ends}"


class StepsFirst(nn.Conv1d):
    """nn.Conv1d over (B, T, channels); zeros of a causal convolution stand on the left alone."""

    steps_first, causal = True, False

    def forward(self, input: Tensor) -> Tensor:
        x = input.transpose(1, 2)
        if self.causal:
            x = F.pad(x, (self.dilation[0] * (self.kernel_size[0] - 1), 0))
        return super().forward(x).transpose(1, 2)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}{', causal' if self.causal else ''}"


class _Turned(nn.Module):
    """Beside a class of torch.nn over (B, channels, T), which then takes (B, T, channels)."""

    steps_first = True

    def forward(self, input: Tensor) -> Tensor:
        turned: Tensor = super().forward(input.transpose(1, 2))
        return turned.transpose(1, 2)


class StepsFirstNorm(_Turned, nn.BatchNorm1d):
    """nn.BatchNorm1d over (B, T, channels)."""


class StepsFirstAverage(_Turned, nn.AvgPool1d):
    """nn.AvgPool1d over (B, T, channels)."""


class StepsFirstMaximum(_Turned, nn.MaxPool1d):
    """nn.MaxPool1d over (B, T, channels)."""


class ChannelDropout(_Turned, nn.Dropout1d):
    """nn.Dropout1d over (B, T, channels), which drops channels of all steps."""


class AverageOfSteps(nn.AdaptiveAvgPool1d):
    """The mean (B, channels) over the steps of (B, T, channels)."""

    steps_first = True

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.transpose(1, 2)).squeeze(2)


class MaximumOfSteps(nn.AdaptiveMaxPool1d):
    """The maximum (B, channels) over the steps of (B, T, channels)."""

    steps_first = True

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.transpose(1, 2)).squeeze(2)


#: For classes of torch.nn over (B, channels, T) those that take (B, T, channels).
STEPS_FIRST: dict[type, type] = {
    nn.Conv1d: StepsFirst,
    nn.BatchNorm1d: StepsFirstNorm,
    nn.AvgPool1d: StepsFirstAverage,
    nn.MaxPool1d: StepsFirstMaximum,
    nn.AdaptiveAvgPool1d: AverageOfSteps,
    nn.AdaptiveMaxPool1d: MaximumOfSteps,
}
