"""The order in which a layer runs steps: inputs as a caller has them into the order of processing, outputs back.

Keras's go_backwards turns the whole padded sequence around, and gives outputs in the order of processing. Where padding
is on the right a row may as well be turned around within its own length, which leaves the padding on the right, where
kernels pass it over, and gives the same numbers.

A reset cuts a row into pieces before its step, and a layer that goes backwards begins each piece at the piece's end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import core
from .runner import Array


class TimeOrder:
    """Steps are run as they come.

    Attributes:
        B, T: of x. mask, lengths, resets: for the runner, in the order of processing.
        moves: whether what it gives are other arrays, and no views of those of the runner.
    """

    moves = False

    def __init__(self, B: int, T: int, mask: Any = None, lengths: Any = None, resets: Any = None) -> None:
        self.B, self.T = B, T
        self.mask, self.lengths, self.resets = mask, lengths, resets

    def running(self) -> Array | None:
        """(B, T) booleans, False for outputs of masked steps; None where there is none."""
        return core.running(self.mask, self.lengths, self.B, self.T, False)

    def inputs(self, x: Any) -> Any:
        """x in the order of processing; or its gradient as the caller has x."""
        return x

    def outputs(self, y: Any, before: Array | None) -> Any:
        """y (B, T, O) of the runner as the caller gets it; before (B, O) is the output before the first step, None for
        zeros."""
        return y

    def check_gradient(self, dy: Any, dtype: Any, width: int) -> Any:
        """dy (B, T, width) as the caller has it, cast."""
        return core.as_array("dy", dy, dtype, (self.B, self.T, width))

    def gradients(self, dy: Any) -> tuple[Any, Array | None]:
        """dy for the runner from the caller's; and the gradient of `before`, None where it has none."""
        return dy, None


class Reversed(TimeOrder):
    """The last step first, padding included."""

    def __init__(self, B: int, T: int, steps: Array | None, resets: Array | None) -> None:
        mask = None if steps is None else self.inputs(steps)
        super().__init__(B, T, mask, None, _ends_of_pieces(self, resets))

    def inputs(self, x: Array) -> Array:
        return x[:, ::-1]


class RowsReversed(TimeOrder):
    """Each row's last step first, in the order and with the outputs that the row has alone; padding stays behind it.

    Args:
        ends: (B,) where each row ends.
        steps: (B, T) booleans, False also at steps within rows that are masked; None where there are no such.
    """

    moves = True

    def __init__(self, B: int, T: int, ends: Array, steps: Array | None, resets: Array | None) -> None:
        self._rows = [(b, int(n), T - int(n)) for b, n in enumerate(ends)]
        mask = None if steps is None else self.inputs(steps)
        super().__init__(B, T, mask, ends if steps is None else None, _ends_of_pieces(self, resets))

    def inputs(self, x: Array) -> Array:
        out = np.zeros(x.shape, x.dtype)
        for b, n, _ in self._rows:
            out[b, :n] = x[b, :n][::-1]
        return out


class RowsReversedAtTheEnd(RowsReversed):
    """The same, with outputs moved to the end, where turning the whole around would have left them."""

    def running(self) -> Array:
        runs: Array = np.arange(self.T) >= self.T - self.lengths[:, None]
        return runs

    def outputs(self, y: Array, before: Array | None) -> Array:
        out = np.empty_like(y)
        for b, n, gap in self._rows:
            out[b, :gap] = 0 if before is None else before[b]
            out[b, gap:] = y[b, :n]
        return out

    def gradients(self, dy: Array) -> tuple[Array, Array]:
        out, dbefore = np.zeros(dy.shape, dy.dtype), np.empty((dy.shape[0], dy.shape[2]), dy.dtype)
        for b, n, gap in self._rows:
            out[b, :n] = dy[b, gap:]
            dbefore[b] = dy[b, :gap].sum(0)
        return out, dbefore


def _ends_of_pieces(order: TimeOrder, resets: Array | None) -> Array | None:
    """Resets before the first step of a piece as resets before its last, in the order of processing."""
    if resets is None:
        return None
    turned = order.inputs(resets)
    return np.concatenate([np.zeros_like(turned[:, :1]), turned[:, :-1]], axis=1)


def arrange(
    x: Any,
    mask: Any,
    lengths: Any,
    resets: Any,
    dtype: Any,
    features: int | str,
    backwards: bool,
    by_row: bool,
    padding: bool,
) -> tuple[Array, TimeOrder]:
    """x (B, T, features) in the order of processing; and that order.

    Args:
        mask, lengths, resets: as a layer takes them.
        dtype, features: what x has to be.
        backwards: last step first.
        by_row: rows may be turned around within their own lengths.
        padding: steps behind the last that runs do not exist, so that backwards a row begins at its own end.

    Raises:
        ValueError, TypeError: an argument that does not fit.
    """
    a = core.as_array("x", x, dtype, ("batch", "time", features))
    B, T, _ = a.shape
    if not backwards:
        return a, TimeOrder(B, T, mask, lengths, resets)
    order = _reversed(B, T, core.running(mask, lengths, B, T, False), resets, by_row, padding)
    return order.inputs(a), order


def _reversed(B: int, T: int, steps: Array | None, resets: Any, by_row: bool, padding: bool) -> TimeOrder:
    if resets is not None:
        resets = core.check_mask(resets, B, T, "resets")
    if steps is None or (steps.all() and not padding):
        return Reversed(B, T, steps, resets)
    # a row ends behind its last step that runs
    ends = (steps * np.arange(1, T + 1)).max(axis=1, initial=0).astype(np.int32)
    holes = ((np.arange(T) < ends[:, None]) & ~steps).any()
    if padding:
        return RowsReversed(B, T, ends, steps if holes else None, resets)
    if by_row and not holes:
        return RowsReversedAtTheEnd(B, T, ends, None, resets)
    return Reversed(B, T, steps, resets)


def zeroed(y: Array, running: Array) -> Array:
    """Outputs, of steps or the last ones, with zeros for steps that do not run; or their gradients."""
    if not running.shape[1]:
        return y
    return np.where(running[:, :, None] if y.ndim == 3 else running[:, -1:], y, y.dtype.type(0))
