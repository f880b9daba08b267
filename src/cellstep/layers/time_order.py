"""The order in which a layer runs steps: inputs as a caller has them into the order of processing, outputs back.

Keras's go_backwards turns the whole padded sequence around, and gives outputs in the order of processing. Where padding
is on the right a row may as well be turned around within its own length, which leaves the padding on the right, where
kernels pass it over, and gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from . import ragged
from .runner import Array, RunBack, Runner


class Order:
    """Steps are run as they come.

    Attributes:
        mask, lengths: for the runner, in the order of processing.
        shown: (B, T) booleans, False where an output that zero_output_for_mask makes 0 is; None where there is none.
    """

    def __init__(self, mask: Any, lengths: Any, B: int, T: int) -> None:
        self.mask, self.lengths = mask, lengths
        self.size = B, T

    @property
    def shown(self) -> Array | None:
        return ops.running(self.mask, self.lengths, *self.size, False)

    def inputs(self, x: Array) -> Array:
        """x in the order of processing."""
        return x

    def outputs(self, y: Array, before: Array | None) -> Any:
        """y (B, T, O) of the runner as the caller gets it; before (B, O) is the output before the first step, None for
        zeros."""
        return y

    def gradients(self, dy: Any, dtype: Any, shape: tuple[int, ...]) -> tuple[Array, Array | None]:
        """dy for the runner, of this shape, from the caller's; and the gradient of `before`, None where it has none."""
        return ops.as_array("dy", dy, dtype, shape), None

    def input_gradients(self, dx: Array) -> Any:
        """dx as the caller has x."""
        return dx


class Turned(Order):
    """The last step first, padding included."""

    def __init__(self, steps: Array | None, B: int, T: int) -> None:
        super().__init__(None if steps is None else steps[:, ::-1], None, B, T)

    def inputs(self, x: Array) -> Array:
        return x[:, ::-1]

    def input_gradients(self, dx: Array) -> Array:
        return dx[:, ::-1]


class EachTurned(Order):
    """Each row's last step first, in the order and with the outputs that the row has alone; padding stays behind it.

    Args:
        ends: (B,) where each row ends.
        steps: (B, T) booleans, False also at steps within rows that are masked; None where there are no such.
    """

    def __init__(self, ends: Array, steps: Array | None, B: int, T: int) -> None:
        self._rows = [(b, int(n), T - int(n)) for b, n in enumerate(ends)]
        super().__init__(None if steps is None else self.inputs(steps), ends if steps is None else None, B, T)

    def inputs(self, x: Array) -> Array:
        out = np.zeros(x.shape, x.dtype)
        for b, n, _ in self._rows:
            out[b, :n] = x[b, :n][::-1]
        return out

    def input_gradients(self, dx: Array) -> Array:
        return self.inputs(dx)


class RowsTurned(EachTurned):
    """Each row's last step first; its outputs are moved to the end, where turning the whole would have left them."""

    def __init__(self, lengths: Array, B: int, T: int) -> None:
        super().__init__(lengths, None, B, T)

    @property
    def shown(self) -> Array:
        T = self.size[1]
        found: Array = np.arange(T) >= T - self.lengths[:, None]
        return found

    def outputs(self, y: Array, before: Array | None) -> Array:
        out = np.empty_like(y)
        for b, n, gap in self._rows:
            out[b, :gap] = 0 if before is None else before[b]
            out[b, gap:] = y[b, :n]
        return out

    def gradients(self, dy: Any, dtype: Any, shape: tuple[int, ...]) -> tuple[Array, Array]:
        dy = ops.as_array("dy", dy, dtype, shape)
        out, dbefore = np.zeros(shape, dtype), np.empty((shape[0], shape[2]), dtype)
        for b, n, gap in self._rows:
            out[b, :n] = dy[b, gap:]
            dbefore[b] = dy[b, :gap].sum(0)
        return out, dbefore


class Ragged(Order):
    """A list of sequences, each of its own length, run in groups of similar lengths."""

    def __init__(self, rows: Sequence[Array], backwards: bool) -> None:
        lengths = np.array([len(row) for row in rows], np.int32)
        super().__init__(None, lengths, len(rows), int(lengths.max()))
        self._backwards = backwards
        self._groups = ragged.groups(lengths)

    @property
    def shown(self) -> None:
        """All of them: a list has no padding."""
        return

    def run(
        self, runner: Runner, x: Any, states: Any, sequences: bool, tape: bool, training: bool
    ) -> tuple[Any, list[Array], RunBack | None]:
        """`runner.run`, with lists of sequences for x and its gradient, and for y and its gradient with steps."""
        y: Any = [None] * len(x) if sequences else np.empty((len(x), runner.output_size), x[0].dtype)
        last = [np.empty((len(x), n), x[0].dtype) for n in runner.state_sizes]
        backs: list[Any] = []
        for group in self._groups:
            padded = ragged.padded([x[i] for i in group], self._backwards)
            mine = None if states is None else [s[group] for s in states]
            out, after, back = runner.run(
                padded, mine, lengths=self.lengths[group], sequences=sequences, tape=tape, training=training
            )
            if sequences:
                for i, row in zip(group, ragged.cut(out, self.lengths[group]), strict=True):
                    y[i] = row
            else:
                y[group] = out
            for whole, part in zip(last, after, strict=True):
                whole[group] = part
            backs.append(back)

        def pullback(dy: Any, dlast: Sequence[Array | None], need_dx: bool = True) -> tuple[Any, list[Array]]:
            dx: list[Any] = [None] * len(x)
            dfirst = [np.empty_like(s) for s in last]
            for group, back in zip(self._groups, backs, strict=True):
                mine = dy
                if dy is not None:
                    mine = ragged.padded([dy[i] for i in group]) if sequences else dy[group]
                found, before = back(mine, [None if d is None else d[group] for d in dlast], need_dx)
                for whole, part in zip(dfirst, before, strict=True):
                    whole[group] = part
                if found is not None:
                    for i, row in zip(group, ragged.cut(found, self.lengths[group], self._backwards), strict=True):
                        dx[i] = row
            return dx if need_dx else None, dfirst

        return y, last, pullback if tape else None

    def gradients(self, dy: Any, dtype: Any, shape: tuple[int, ...]) -> tuple[Any, None]:
        return ragged.gradients(dy, self.lengths, dtype, shape[2]), None


def right_padded(steps: Array) -> Array | None:
    """The lengths of rows that run from the left and then no more, None where some row does otherwise, or all run."""
    if steps.all() or not (steps[:, 1:] <= steps[:, :-1]).all():
        return None
    lengths: Array = steps.sum(axis=1).astype(np.int32)
    return lengths


def each_turned(steps: Array) -> EachTurned:
    """Rows turned within what runs of them; a row ends behind its last step that is not masked."""
    B, T = steps.shape
    ends = (steps * np.arange(1, T + 1)).max(axis=1, initial=0).astype(np.int32)
    holes = (np.arange(T) < ends[:, None]) & ~steps
    return EachTurned(ends, steps if holes.any() else None, B, T)


def arrange(
    x: Array | Sequence[Array],
    mask: Any,
    lengths: Any,
    dtype: Any,
    features: int | str,
    backwards: bool,
    by_row: bool,
    padding: bool = False,
) -> tuple[Any, Order]:
    """x (B, T, features) in the order of processing, or a list of its rows as they came; and that order.

    Args:
        x: an array, or a ragged list of them.
        mask, lengths: as a layer takes them.
        dtype, features: what x has to be.
        backwards: last step first.
        by_row: rows may be turned within their own lengths.
        padding: steps behind the last that runs do not exist, so that backwards a row begins at its own end.

    Raises:
        ValueError, TypeError: an argument that does not fit.
    """
    if ragged.is_ragged(x):
        ragged.refuse_steps(mask, lengths)
        rows = ragged.checked("x", x, dtype, features)
        return rows, Ragged(rows, backwards)
    a = ops.as_array("x", x, dtype, ("batch", "time", features))
    B, T, _ = a.shape
    order: Order = Order(mask, lengths, B, T)
    if backwards:
        steps = ops.running(mask, lengths, B, T, False)
        if padding and steps is not None:
            order = each_turned(steps)
        else:
            ends = right_padded(steps) if by_row and steps is not None else None
            order = Turned(steps, B, T) if ends is None else RowsTurned(ends, B, T)
    return order.inputs(a), order
