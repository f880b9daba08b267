"""A layer within a pass: `run_layer`, with the penalty that `activity_regularizer` puts on its outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import nested, ragged
from .context import Applied, Context
from .forward_adapter import apply_forward

if TYPE_CHECKING:
    from .base import Layer


def run_layer(layer: Layer, x: Any, mask: Any, context: Context, /, **options: Any) -> Applied:
    """`layer.apply`, with all that does not depend on what the layer computes: options that it does not take are
    refused, a mask that ends here is warned of, and penalties of outputs are added to those of the pass.

    Returns:
        The outputs, their mask, and the pullback, which adds the gradients of penalties, also where dy is None.
    """
    if options:
        options = layer.check_options(options)
    if mask is not None and not layer.supports_masking:
        layer.drops_mask(mask)
    penalties = context.penalties
    before = 0 if penalties is None else len(penalties)
    attributes = layer.__dict__
    if ("forward" in attributes or "call" in attributes) and getattr(layer, "_tracer", None) is None:
        # which a user has put into this object
        y, passed, pullback = apply_forward(layer, x, mask, context, **options)
    else:
        y, passed, pullback = layer.apply(x, mask, context, **options)
    if layer.masks_itself:
        passed = layer.passed_mask(x, mask, context)
    if penalties is None:
        return y, passed, pullback
    if layer.activity_regularizer is not None:
        if context.rows is None and layer.takes_ragged and ragged.is_ragged(x):
            context = context.but(rows=len(x))
        of_outputs, pullback = _penalized(layer.activity_regularizer, y, passed, pullback, context)
        penalties[before:before] = of_outputs
    layer.remember(penalties[before:])
    return y, passed, pullback


def _penalized(regularizer: Any, y: Any, mask: Any, pullback: Any, context: Context) -> tuple[list[float], Any]:
    """The penalty of each output, over the number of rows as in Keras; and the pullback with their gradients.

    Masked steps count as they do there; steps that do not exist at all, which the mask says where `padding` is True,
    count as zeros and have no gradient. (A mask that says both, as of Masking over sequences of different lengths, does
    not tell them apart: then masked steps do not count either.)
    """
    outputs = nested.flatten(y)
    seen = outputs
    real: list[Any] = [None] * len(outputs)
    if context.padding and mask is not None:
        masks = nested.flatten(mask)
        real = [
            None if m is None else m.reshape(*m.shape, *(1,) * (a.ndim - m.ndim))
            for a, m in zip(outputs, masks, strict=True)
        ]
        seen = [a if m is None else np.where(m, a, a.dtype.type(0)) for a, m in zip(outputs, real, strict=True)]
    rows = [len(a) if context.rows is None else context.rows for a in seen]
    scale = context.scale

    def with_penalty(dy: Any, need_dx: bool = True) -> Any:
        gradients = nested.flatten(dy) if dy is not None else [None] * len(outputs)
        total = []
        for a, m, n, d in zip(seen, real, rows, gradients, strict=True):
            slope = np.asarray(regularizer.gradient(a), a.dtype) * a.dtype.type(scale / max(n, 1))
            if m is not None:
                slope = np.where(m, slope, a.dtype.type(0))
            total.append(slope if d is None else d + slope)
        return pullback(nested.pack(y, total), need_dx=need_dx)

    own = [float(regularizer(a)) / n if len(a) else 0.0 for a, n in zip(seen, rows, strict=True)]
    return own, with_penalty if context.tape else None
