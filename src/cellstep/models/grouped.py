"""Layers of a model over Grouped, a batch of sequences of different lengths.

A model runs a layer group by group where its rows do not depend on each other, over all steps of all rows as one
sequence where it pools them, and over the batch padded to its longest row where it looks at whole sequences, padding
included. What a row gets is what it gets in the padded batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers import Layer, nested, penalties
from ..layers.context import Applied, Context
from ..layers.grouped import Grouped, by_group, gradient_lengths, output_lengths


def join(structure: Any) -> Any:
    """The same structure with one array for each Grouped."""
    return nested.change(structure, lambda a: a.joined() if isinstance(a, Grouped) else a)


def run_layer(layer: Layer, x: Any, mask: Any, context: Context, /, **options: Any) -> Applied:
    """`penalties.run_layer` for Grouped in place of arrays, in x, mask, options, outputs and gradients."""
    leaves = nested.flatten(x)
    rank = max(a.ndim for a in leaves)
    counts = context.penalties is not None
    additive = not counts or all(regularizer.additive for regularizer in layer.regularizers_inside())
    if counts and context.rows is None:
        context = context.but(rows=len(leaves[0]))
    masked = any(m is not None for m in nested.flatten(mask))
    if masked:
        even = layer.skips_masked or all(a.lengths is leaves[0].lengths for a in leaves)
        known = all(a.lengths is not None for a in leaves)
        # another option may give outputs over pairs of steps, which no mask goes with
        plain = not options or set(options) == {"initial_state"}
        apart = known and even and plain and layer.skips_padding(rank)
    else:
        apart = True
    if additive and apart and layer.independent_rows(context.training):
        return by_group(penalties.run_layer, layer, x, mask, context, options)
    if additive and apart and layer.pools_steps and isinstance(x, Grouped) and masked:
        return _all_steps(layer, x, mask, context)
    return _padded(layer, x, mask, context, options)


def _all_steps(layer: Layer, x: Grouped, mask: Grouped, context: Context) -> Applied:
    steps = x.steps()[None], mask.steps()[None]
    y, _, back = penalties.run_layer(layer, *steps, context.but(padding=False))

    def pullback(dy: Any, need_dx: bool = True) -> Any:
        dx = back(None if dy is None else dy.steps()[None], need_dx=need_dx)
        return None if dx is None else x.of_steps(dx[0])

    return x.of_steps(y[0]), mask, pullback


def _padded(layer: Layer, x: Any, mask: Any, context: Context, options: dict[str, Any]) -> Applied:
    first = nested.flatten(x)[0]
    y, passed, back = penalties.run_layer(layer, join(x), join(mask), context, **join(options))
    lengths = output_lengths(layer, y, passed, x)
    steps = [None if n is None else int(n.max(initial=0)) for n in lengths]
    masks = nested.flatten(passed)
    lengths = [
        n if n is not None and m.shape[1] == T else None for n, m, T in zip(lengths, masks, steps, strict=False)
    ] + lengths[len(masks) :]

    def split(structure: Any, lengths: Sequence[Any]) -> Any:
        pairs = zip(nested.flatten(structure), lengths, strict=False)
        groups = [None if a is None else Grouped.split(first.rows, a, n) for a, n in pairs]
        return nested.pack(structure, groups)

    def pullback(dy: Any, need_dx: bool = True) -> Any:
        gradients = back(join(dy), need_dx=need_dx)
        return None if gradients is None else split(gradients, gradient_lengths(gradients, x, options))

    return split(y, lengths), split(passed, lengths), pullback
