"""A stack of recurrent layers in one or two directions: forward and backward over arrays."""

from __future__ import annotations

from collections.abc import Sequence
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
        for k, packed in enumerate(self.packed):
            layer, direction = divmod(k, D)
            if not direction:
                x = x if y is None else y
                final = k + D == len(self.packed)
                y = None if final and not sequences else order.empty(D * H, dtype)
            columns = ALL if D == 1 else slice(direction * H, direction * H + H)
            tape = packed.backend.tape(packed.weights, B, order.T, False) if taped else None
            target = None if y is None else order.target(y, direction, columns)
            packed.backend.forward(
                packed.weights,
                order.rows(x, direction, ALL),
                [s[k] for s in first],
                None,
                order.lengths,
                None,
                None,
                target,
                [s[k] for s in last],
                tape,
            )
            if y is not None:
                order.store(y, direction, columns, target)
            if self.noise is not None and direction == D - 1 and not final:
                y *= self.noise[layer]
            tapes.append(tape)
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
        for top in range(n - D, -1, -D):
            # what is asked for below this layer, and from here on down
            below = need_dx if top == 0 else need_dx or any(need_dfirst) or any(wanted[:top])
            if not (below or any(need_dfirst) or any(wanted[top : top + D])):
                break
            dx = None
            for direction in range(D):
                k = top + direction
                columns = ALL if D == 1 else slice(direction * H, direction * H + H)
                packed = self.packed[k]
                own = order.empty(packed.I, dtype) if below else None
                target = None if own is None else order.target(own, direction, ALL)
                packed.backend.backward(
                    packed.weights,
                    tapes[k],
                    None if dy is None else order.rows(dy, direction, columns, clean=True),
                    [None if d is None else d[k] for d in dlast],
                    target,
                    dweights[k],
                    none if not any(need_dfirst) else [None if d is None else d[k] for d in dfirst],
                    none,
                )
                if own is not None:
                    order.store(own, direction, ALL, target)
                    dx = own if dx is None else np.add(dx, own, out=dx)
            dy = dx
            if top and self.noise is not None and dy is not None:
                dy *= self.noise[top // D - 1]
        return dy if need_dx else None, dfirst
