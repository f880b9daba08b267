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
    """`penalties.run_layer` for Grouped in place of arrays, in x, mask, options, outputs and gradients; weights, and
    what is made of whole batches, are arrays here too."""
    leaves = nested.flatten(x)
    grouped = [isinstance(a, Grouped) for a in leaves]
    if not any(grouped):
        return penalties.run_layer(layer, x, mask, context, **options)
    if not all(grouped):
        return _padded(layer, x, mask, context, options)
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
    given = nested.flatten(x)
    rows = next(a.rows for a in given if isinstance(a, Grouped))
    batch = sum(map(len, rows))
    y, passed, back = penalties.run_layer(layer, join(x), join(mask), context, **join(options))
    lengths = output_lengths(layer, y, passed, x)
    steps = [None if n is None else int(n.max(initial=0)) for n in lengths]
    rowwise = [a.ndim > 0 and len(a) == batch for a in nested.flatten(y)]
    masks = nested.flatten(passed)
    lengths = [
        n if n is not None and m.shape[1] == T else None for n, m, T in zip(lengths, masks, steps, strict=False)
    ] + lengths[len(masks) :]

    def split(structure: Any, lengths: Sequence[Any], rowwise: Sequence[bool]) -> Any:
        triples = zip(nested.flatten(structure), lengths, rowwise, strict=False)
        groups = [Grouped.split(rows, a, n) if a is not None and each else a for a, n, each in triples]
        return nested.pack(structure, groups)

    def pullback(dy: Any, need_dx: bool = True) -> Any:
        gradients = back(join(dy), need_dx=need_dx)
        if gradients is None:
            return None
        known = gradient_lengths(gradients, x)
        own = [isinstance(a, Grouped) for a in given]
        return split(gradients, known, own + [True] * (len(known) - len(own)))

    return split(y, lengths, rowwise), split(passed, lengths, rowwise), pullback
