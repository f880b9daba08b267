"""Grouped: a batch of sequences of different lengths, as arrays of rows of similar lengths.

A layer whose rows do not depend on each other runs group by group. Gradients of the weights add up over the groups;
what a row gets is what it gets in the padded batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import core
from . import nested
from .context import Applied, Context
from .ragged import Ragged, gradients, groups, refuse_steps
from .runner import Array

if TYPE_CHECKING:
    from .base import Layer


class Grouped:
    """What one tensor of a model is for a batch.

    Attributes:
        rows: the numbers of the rows of each group.
        parts: for each group an array of its rows; (n, T, ...) with T the longest of them where there are lengths.
        lengths: (B,) how many steps each row of the batch has; None where there are none to count.
    """

    def __init__(self, rows: Sequence[Array], parts: Sequence[Array], lengths: Array | None = None) -> None:
        self.rows, self.parts, self.lengths = rows, list(parts), lengths

    @classmethod
    def split(cls, rows: Sequence[Array], whole: Any, lengths: Array | None = None) -> Grouped:
        """An array of the batch, (B, T, ...) where there are lengths; or Ragged."""
        if isinstance(whole, Ragged):
            steps = [_longest(whole.lengths, group) for group in rows]
            return cls(rows, [whole[n].padded(T) for n, T in zip(rows, steps, strict=True)], whole.lengths)
        if lengths is None:
            return cls(rows, [whole[group] for group in rows])
        return cls(rows, [whole[group, : _longest(lengths, group)] for group in rows], lengths)

    def __len__(self) -> int:
        return sum(map(len, self.rows))

    @property
    def ndim(self) -> int:
        return self.parts[0].ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.parts[0].dtype

    def __add__(self, other: Grouped) -> Grouped:
        return Grouped(self.rows, [a + b for a, b in zip(self.parts, other.parts, strict=True)], self.lengths)

    def __mul__(self, scale: Any) -> Grouped:
        return Grouped(self.rows, [part * scale for part in self.parts], self.lengths)

    def joined(self) -> Array:
        """One array of the batch, with zeros behind the last steps of rows."""
        first = self.parts[0]
        shape = first.shape[1:]
        if self.lengths is not None:
            shape = (int(self.lengths.max(initial=0)), *first.shape[2:])
        out: Array = np.zeros((len(self), *shape), first.dtype)
        for group, part in zip(self.rows, self.parts, strict=True):
            if self.lengths is None:
                out[group] = part
            else:
                out[group, : part.shape[1]] = part
        return out

    def sequences(self) -> list[Array]:
        """The rows, each with its own steps."""
        assert self.lengths is not None
        sequences: list[Any] = [None] * len(self)
        for group, part in zip(self.rows, self.parts, strict=True):
            for i, row in zip(group, part, strict=True):
                sequences[i] = row[: self.lengths[i]]
        return sequences

    def rows_or_array(self) -> Any:
        """What a user gets: the rows where they have steps of their own, else one array."""
        return self.joined() if self.lengths is None else self.sequences()

    def there(self) -> list[Array]:
        """For each group booleans (n, T), True where a row has a step."""
        lengths: Any = self.lengths
        pairs = zip(self.rows, self.parts, strict=True)
        return [np.arange(part.shape[1]) < lengths[group, None] for group, part in pairs]

    def steps(self) -> Array:
        """(N, ...): the steps of all rows, one row after another, group by group."""
        return np.concatenate([part[there] for part, there in zip(self.parts, self.there(), strict=True)])

    def of_steps(self, steps: Array) -> Grouped:
        """From what `steps` gives, (N, ...), back to groups, with zeros behind the last steps of rows."""
        parts, begin = [], 0
        for there in self.there():
            end = begin + int(np.count_nonzero(there))
            part = np.zeros((*there.shape, *steps.shape[1:]), steps.dtype)
            part[there] = steps[begin:end]
            parts.append(part)
            begin = end
        return Grouped(self.rows, parts, self.lengths)


def _longest(lengths: Array, group: Any) -> int:
    """The steps of a group; one at least, if any row of the batch has one, as some layers need."""
    return max(int(lengths[group].max(initial=0)), min(int(lengths.max(initial=0)), 1))


def masks_of(value: Grouped) -> Grouped:
    """True where a row has a step."""
    return Grouped(value.rows, value.there(), value.lengths)


def output_lengths(layer: Layer, y: Any, mask: Any, x: Any) -> list[Any]:
    """For each output of a layer the lengths that its rows have, if a mask of such steps comes with it."""
    own: list[Any] = [a.lengths for a in nested.flatten(x) if isinstance(a, Grouped)]
    known: Any = None
    if all(n is not None for n in own):
        # attention gives an output for each step of its query; others have their inputs side by side
        known = own[0] if layer.skips_masked or len(own) == 1 else np.maximum.reduce(own)
    outputs, masks = nested.flatten(y), nested.flatten(mask)
    masks += [None] * (len(outputs) - len(masks))
    return [None if m is None else known for m in masks]


def by_group(
    call: Callable[..., Applied], layer: Layer, x: Any, mask: Any, context: Context, options: dict[str, Any]
) -> Applied:
    """`call(layer, x, mask, context, **options)` for each group; what is Grouped is taken apart, and results are put
    together."""
    first = nested.flatten(x)[0]
    count = len(first.rows)

    def part(structure: Any, i: int) -> Any:
        return nested.change(structure, lambda a: a.parts[i] if isinstance(a, Grouped) else a)

    def together(structures: Sequence[Any], lengths: Any) -> Any:
        columns = zip(*map(nested.flatten, structures), strict=True)
        groups = [None if c[0] is None else Grouped(first.rows, c, n) for c, n in zip(columns, lengths, strict=False)]
        return nested.pack(structures[0], groups)

    contexts = [context if context.penalties is None else context.but(penalties=[]) for _ in range(count)]
    ys, masks, backs = zip(
        *(call(layer, part(x, i), part(mask, i), own, **part(options, i)) for i, own in enumerate(contexts)),
        strict=True,
    )
    lengths = output_lengths(layer, ys[0], masks[0], x)
    if context.penalties is not None:
        sums = [sum(some) for some in zip(*(own.penalties or () for own in contexts), strict=True)]
        context.penalties += sums
        if sums:
            layer.remember(sums)

    def pullback(dy: Any, need_dx: bool = True) -> Any:
        gradients = [back(part(dy, i), need_dx=need_dx) for i, back in enumerate(backs)]
        return None if gradients[0] is None else together(gradients, gradient_lengths(gradients[0], x))

    return together(ys, lengths), together(masks, lengths), pullback


def gradient_lengths(gradients: Any, x: Any) -> list[Any]:
    """The lengths of what gradients are for: of the inputs, and of initial states, which have none."""
    own = [a.lengths if isinstance(a, Grouped) else None for a in nested.flatten(x)]
    return own + [None] * (len(nested.flatten(gradients)) - len(own))


def run_rows(
    apply: Callable[..., Applied], layer: Any, x: Sequence[Array], context: Context, initial_state: Any, **steps: Any
) -> Applied:
    """`apply` of a recurrent layer for a list of sequences; outputs with steps are such lists too.

    Args:
        x: cast to the layer's dtype.
        initial_state: None, or one (B, size) array a state, as the layer nests them.
        steps: mask, lengths and resets, None each, as a list says by itself where rows end.
    """
    refuse_steps(**steps)
    ragged = Ragged(x)
    rows = [np.arange(len(x))] if layer.stateful else groups(ragged.lengths)
    sequences = Grouped.split(rows, ragged)
    options = {}
    if initial_state is not None:
        options["initial_state"] = nested.change(initial_state, lambda state: Grouped.split(rows, state))
    context = context.but(padding=True, rows=len(x) if context.rows is None else context.rows)
    y, passed, back = by_group(apply, layer, sequences, masks_of(sequences), context, options)

    def split(output: Any, dy: Any) -> Any:
        """Gradients in groups, for outputs in groups."""
        if dy is None:
            return None
        if isinstance(output, list):
            if not isinstance(dy, (list, tuple)) or len(dy) != len(output):
                got = f"{len(dy)}" if isinstance(dy, (list, tuple)) else type(dy).__name__
                raise ValueError(f"expected dy to be a list of {len(output)}, for each output and state, got {got}")
            return [split(o, d) for o, d in zip(output, dy, strict=True)]
        width = output.parts[0].shape[-1]
        if output.lengths is None:
            return Grouped.split(rows, core.as_array("dy", dy, layer.dtype, (len(x), width)))
        return Grouped.split(rows, Ragged(gradients(dy, output.lengths, layer.dtype, width)))

    def pullback(dy: Any, need_dx: bool = True) -> Any:
        return rows_or_arrays(back(split(y, dy), need_dx))

    return rows_or_arrays(y), rows_or_arrays(passed), pullback if context.tape else None


def rows_or_arrays(structure: Any) -> Any:
    """The same structure with what a user gets in the place of each Grouped."""
    return nested.change(structure, lambda a: a.rows_or_array() if isinstance(a, Grouped) else a)
