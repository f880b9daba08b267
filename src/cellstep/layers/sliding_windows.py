"""Sliding windows over time: which steps a convolution or a pooling looks at for each of its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import core
from .base import Array


@dataclass(frozen=True)
class SlidingWindows:
    """Windows of `size` steps that lie `rate` apart; a new window every `stride` steps.

    Padding is Keras's: "valid" is none; "same" is as much as makes ceil(T / stride) windows, the odd step on the right;
    "causal" is on the left alone, so that a window ends with the step that it is for.
    """

    size: int
    stride: int
    rate: int = 1
    padding: str = "valid"

    @property
    def reach(self) -> int:
        """The steps from a window's first to its last, both counted."""
        return self.rate * (self.size - 1) + 1

    def count(self, steps: int) -> int:
        """How many windows so many steps have.

        Raises:
            ValueError: they are too few for one.
        """
        if self.padding != "valid":
            return -(-steps // self.stride)
        if steps < self.reach:
            raise ValueError(f"expected x of {self.reach} steps or more, a window of padding='valid', got {steps}")
        return (steps - self.reach) // self.stride + 1

    def margins(self, T: int) -> tuple[int, int]:
        """How many steps are added on the left and on the right."""
        if self.padding == "valid":
            return 0, 0
        if self.padding == "causal":
            return self.reach - 1, 0
        missing = max((self.count(T) - 1) * self.stride + self.reach - T, 0)
        return missing // 2, missing - missing // 2

    def pad(self, x: Array, fill: float = 0.0) -> Array:
        """x (B, T, C) between margins of `fill`; x itself where there are none."""
        left, right = self.margins(x.shape[1])
        if not left and not right:
            return x
        B, T, C = x.shape
        padded = core.empty((B, left + T + right, C), x.dtype)
        padded[:, :left] = fill
        padded[:, left : left + T] = x
        padded[:, left + T :] = fill
        return padded

    def unpad(self, padded: Array, T: int) -> Array:
        """The T steps between the margins."""
        left, _ = self.margins(T)
        return padded[:, left : left + T]

    def taps(self, padded: Array, count: int) -> list[Array]:
        """For each place in a window what is there in each of `count` windows: views (B, count, C)."""
        last = (count - 1) * self.stride + 1 if count else 0
        starts = (k * self.rate for k in range(self.size))
        return [padded[:, start : start + last : self.stride] for start in starts]


def by_time(shape: tuple[Any, ...], data_format: str) -> tuple[Any, ...]:
    """A shape (batch, time, features) in the order of data_format, and back."""
    return shape if data_format == "channels_last" else (shape[0], shape[2], shape[1])
