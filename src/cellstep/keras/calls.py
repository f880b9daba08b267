"""One call of a layer as functions of arrays: forward, and backward from what forward kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import core, kernels
from ..core.masks import fast_form, running

Array = Any


class Kept(NamedTuple):
    """What the backward pass needs: weights and tape, the shape of x, and where outputs were set to 0, or None."""

    packed: core.Packed
    tape: Any
    shape: tuple[int, ...]
    hidden: Array


class Call(NamedTuple):
    """What one call runs besides its arrays; equal ones compute the same.

    The arrays are x (B, T, I), the first states (B, H), the weights as Keras has them, then a mask (B, T) and what
    recurrent dropout multiplies h with (B, H), where there are such.

    Attributes:
        cell: by its name in `kernels.CELLS`. options: of it, in its order. biased: whether there is a bias.
        backwards: whether the last step comes first. sequences: whether the outputs of all steps are wanted.
        masked, dropped: whether there is a mask, and recurrent dropout.
        zeros: whether outputs are 0 at masked steps. blank: whether they are before a row's first step that runs.
    """

    cell: str
    options: tuple[Any, ...]
    biased: bool
    backwards: bool
    sequences: bool
    masked: bool
    dropped: bool
    zeros: bool
    blank: bool

    @property
    def states(self) -> int:
        return len(kernels.CELLS[self.cell].states)

    @property
    def alone(self) -> bool:
        """Whether the first state is the output, and no other array is."""
        return not (self.sequences or (self.masked and (self.zeros or self.blank)))

    def shapes(self, arrays: Sequence[Any]) -> list[tuple[int, ...]]:
        """The shapes of what a call gives: the output, where the first state is not that, and the last states."""
        (B, T, _), state = arrays[0].shape, tuple(arrays[1].shape)
        output = [] if self.alone else [(B, T, state[1])] if self.sequences else [state]
        return [*output, *[state] * self.states]

    def _parts(self, arrays: Sequence[Array]) -> tuple[Sequence[Array], list[Array | None], Array, Array]:
        """The first states, the weights, the mask and the dropout, None for what there is not."""
        S, names = self.states, kernels.CELLS[self.cell].weight_names
        n = len(names) - (not self.biased)
        rest = list(arrays[1 + S + n :])
        mask = rest.pop(0) if self.masked else None
        weights = [*arrays[1 + S : 1 + S + n], *([] if self.biased else [None])]
        return arrays[1 : 1 + S], weights, mask, rest[0] if self.dropped else None

    def forward(self, arrays: Sequence[Array], outputs: Sequence[Array], taped: bool) -> Kept | None:
        """Write what `shapes` lists, the states C-contiguous; with `taped` give what `backward` needs.

        Then x, mask and dropout must stay as they are until that was called.
        """
        cell = kernels.CELLS[self.cell]
        first, weights, mask, drop = self._parts(arrays)
        options = dict(zip(cell.option_names, self.options, strict=True))
        packed = core.pack(cell, *weights, backward=taped, **options)
        x = arrays[0][:, ::-1] if self.backwards else arrays[0]
        B, T, _ = x.shape
        steps = running(mask, None, B, T, self.backwards)
        kernel_mask, lengths = (None, None) if steps is None else fast_form(steps)
        last = outputs[-self.states :]
        y = outputs[0] if self.sequences else None
        tape = packed.backend.tape(packed.weights, B, T, False) if taped else None
        first = [core.contiguous(state) for state in first]
        drop = None if drop is None else core.contiguous(drop)
        packed.backend.forward(packed.weights, core.rows(x), first, kernel_mask, lengths, None, drop, y, last, tape)
        hidden = None if steps is None or self.alone else self._hidden(steps)
        if not self.alone and not self.sequences:
            outputs[0][:] = last[0]
        if hidden is not None:
            outputs[0][hidden] = 0
        return Kept(packed, tape, arrays[0].shape, hidden) if taped else None

    def _hidden(self, steps: Array) -> Array:
        """Where outputs are 0: (B, T) booleans in the order of processing, or (B,) of the last step alone."""
        if not (self.zeros or self.blank):
            return None
        hidden = ~steps if self.zeros else ~np.logical_or.accumulate(steps, axis=1)
        return hidden if self.sequences else hidden[:, -1]

    def backward(self, kept: Kept, gradients: Sequence[Array | None], sums: Sequence[Array | None]) -> None:
        """Write the gradients of the arrays, from those of the outputs.

        Args:
            kept: of `forward`. gradients: one for each output; None is zeros.
            sums: one for x, each state and each weight, C-contiguous; None is not wanted.
        """
        packed, tape, _, hidden = kept
        S = self.states
        dy, dlast = (None, list(gradients)) if self.alone else (gradients[0], list(gradients[1:]))
        if dy is not None and hidden is not None:
            dy = np.where(hidden[..., None], 0, dy).astype(packed.dtype, copy=False)
        if dy is not None and not self.sequences:
            dlast[0] = dy if dlast[0] is None else dlast[0] + dy
            dy = None
        dx, dfirst, dweights = sums[0], sums[1 : 1 + S], list(sums[1 + S :])
        for array in dweights:
            if array is not None:
                array.fill(0)
        if dx is not None and self.backwards:
            dx = dx[:, ::-1]
        packed.backend.backward(
            packed.weights,
            tape,
            None if dy is None else core.rows(dy),
            [None if d is None else core.contiguous(d) for d in dlast],
            dx,
            [*dweights, *([] if self.biased else [None])],
            dfirst,
            (None,) * S,
        )
