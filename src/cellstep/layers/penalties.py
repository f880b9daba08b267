"""Penalties of outputs: what `activity_regularizer` adds to a loss, and to the gradient of the outputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..regularizers import Regularizer
from . import nested


class Run(NamedTuple):
    """What a model needs of one run of a layer.

    y: the outputs. mask: theirs, or None; a list where there are several. pullback: None without a tape. penalties:
    those of the outputs of the layer and of layers inside it; the pullback adds their gradients, also where dy is None.
    """

    y: Any
    mask: Any
    pullback: Any
    penalties: tuple[float, ...] = ()


class Share(NamedTuple):
    """How penalties count. rows: over how many they are averaged, where not those of the outputs themselves, as in
    TimeDistributed, which makes rows of steps. scale: of their gradients alone, as an optimizer scales a loss."""

    rows: int | None = None
    scale: float = 1.0


#: As most runs count them.
PLAIN = Share()


def penalized(regularizer: Regularizer, ran: Run, padding: bool, share: Share) -> Run:
    """A run with the penalty of each of its outputs, over the number of rows as in Keras.

    Masked steps count as they do there; steps that do not exist at all, which the mask says where `padding` is True,
    count as zeros and have no gradient. (A mask that says both, as of Masking over sequences of different lengths, does
    not tell them apart: then masked steps do not count either.)
    """
    y, mask, pullback, inner = ran
    outputs = nested.flatten(y)
    seen = outputs
    real: list[Any] = [None] * len(outputs)
    if padding and mask is not None:
        masks = nested.flatten(mask)
        real = [
            None if m is None else m.reshape(*m.shape, *(1,) * (a.ndim - m.ndim))
            for a, m in zip(outputs, masks, strict=True)
        ]
        seen = [a if m is None else np.where(m, a, a.dtype.type(0)) for a, m in zip(outputs, real, strict=True)]
    rows = [len(a) if share.rows is None else share.rows for a in seen]
    own = tuple(float(regularizer(a)) / n if len(a) else 0.0 for a, n in zip(seen, rows, strict=True))

    def with_penalty(dy: Any, need_dx: bool = True) -> Any:
        given = nested.flatten(dy) if dy is not None else [None] * len(outputs)
        total = []
        for a, m, n, d in zip(seen, real, rows, given, strict=True):
            slope = np.asarray(regularizer.gradient(a), a.dtype) * a.dtype.type(share.scale / max(n, 1))
            if m is not None:
                slope = np.where(m, slope, a.dtype.type(0))
            total.append(slope if d is None else d + slope)
        return pullback(nested.pack(y, total), need_dx=need_dx)

    return Run(y, mask, None if pullback is None else with_penalty, (*own, *inner))
