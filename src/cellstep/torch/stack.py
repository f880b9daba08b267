"""A stack of recurrent layers in one or two directions: forward and backward over arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import core
from .order import ALL, Array, Order


class Stack(NamedTuple):
    """The layers from the bottom to the top, in each the directions: kernels' weights, H outputs each.

    Attributes:
        packed: one for each layer and direction. directions: 1 or 2.
        order: how arrays of sequences lie.
        noise: what dropout multiplies the output of each layer but the last with, or None.
    """

    packed: Sequence[core.Packed]
    directions: int
    order: Order
    noise: Sequence[Array] | None

    @property
    def in_line(self) -> bool:
        """Whether each layer reads what the kernels of the one before write, and nothing else, so that they may run at
        the same time."""
        return self.directions == 1 and self.noise is None and self.order.lengths is None

    def forward(self, x: Array, first: Sequence[Any], sequences: bool, taped: bool) -> tuple[Any, ...]:
        """Run all layers.

        Args:
            x: sequences as `order` has them.
            first: for each state (layers * directions, B, size), or a list of (B, size).
            sequences: whether the last layer's outputs are wanted. taped: whether `backward` will be called.

        Returns:
            The outputs of the last layer, in the order of x, or None; the last states, as `first`; the tapes.
        """
        order, D, tapes = self.order, self.directions, []
        B, (H, *_), dtype = order.B, self.packed[0].sizes, self.packed[0].dtype
        last = [np.empty((len(self.packed), B, size), dtype) for size in self.packed[0].sizes]
        y = None
        calls: list[Any] = []
        for k, packed in enumerate(self.packed):
            layer, direction = divmod(k, D)
            if not direction:
                x = x if y is None else y
                final = k + D == len(self.packed)
                y = None if final and not sequences else order.empty(D * H, dtype)
            columns = ALL if D == 1 else slice(direction * H, direction * H + H)
            tape = packed.backend.tape(packed.weights, B, order.T, False) if taped else None
            target = None if y is None else order.target(y, direction, columns)
            states, ends = ([s[k] for s in some] for some in (first, last))
            rows = order.rows(x, direction, ALL)
            arguments = (packed.weights, rows, states, None, order.lengths, None, None, target, ends, tape)
            core.add(calls, packed.backend, "forward", arguments)
            if y is not None:
                core.then(calls, partial(order.store, y, direction, columns, target))
            if direction == D - 1 and not self.in_line:
                core.make(calls)
                if self.noise is not None and not final:
                    y *= self.noise[layer]
            tapes.append(tape)
        core.make(calls)
        return y, last, tapes

    def backward(
        self,
        tapes: Sequence[Any],
        dy: Array | None,
        dlast: Sequence[Array | None],
        dweights: Sequence[Sequence[Array | None]],
        need_dx: bool,
        need_dfirst: Sequence[bool],
    ) -> tuple[Any, list[Any]]:
        """Gradients, from those of the outputs and of the last states; None stands for zeros.

        Args:
            dweights: for each layer and direction arrays that are added to, or None.
            need_dfirst: for each state.

        Returns:
            dx or None, and for each state the gradient of the first ones or None.
        """
        order, D = self.order, self.directions
        B, (H, *_), dtype, n = order.B, self.packed[0].sizes, self.packed[0].dtype, len(self.packed)
        sizes = zip(self.packed[0].sizes, need_dfirst, strict=True)
        dfirst = [np.empty((n, B, size), dtype) if need else None for size, need in sizes]
        wanted = [any(a is not None for a in sums) for sums in dweights]
        none = (None,) * len(dfirst)
        calls: list[Any] = []
        for top in range(n - D, -1, -D):
            # what is asked for below this layer, and from here on down
            below = need_dx if top == 0 else need_dx or any(need_dfirst) or any(wanted[:top])
            if not (below or any(need_dfirst) or any(wanted[top : top + D])):
                break
            owns: list[Any] = []
            for direction in range(D):
                k = top + direction
                columns = ALL if D == 1 else slice(direction * H, direction * H + H)
                packed = self.packed[k]
                own = order.empty(packed.I, dtype) if below else None
                target = None if own is None else order.target(own, direction, ALL)
                rows = None if dy is None else order.rows(dy, direction, columns, clean=True)
                dends = [None if d is None else d[k] for d in dlast]
                dstates = none if not any(need_dfirst) else [None if d is None else d[k] for d in dfirst]
                arguments = (packed.weights, tapes[k], rows, dends, target, dweights[k], dstates, none)
                core.add(calls, packed.backend, "backward", arguments)
                if own is not None:
                    core.then(calls, partial(order.store, own, direction, ALL, target))
                owns.append(own)
            if not self.in_line:
                core.make(calls)
            dy = owns[0]
            for own in owns[1:] if below else ():
                np.add(dy, own, out=dy)
            if top and self.noise is not None and dy is not None:
                dy *= self.noise[top // D - 1]
        core.make(calls)
        return dy if need_dx else None, dfirst
