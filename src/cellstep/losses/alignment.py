"""Targets, weights and masks in shapes that go with predictions, or a sentence that says why they do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import core

Array = NDArray[Any]
LossPullback = Callable[[Array], Array]

#: What probabilities and divisors are kept away from 0 by.
EPSILON = 1e-7


def as_weights(sample_weight: ArrayLike) -> Array:
    """`sample_weight` as an array of real numbers, or TypeError."""
    weights = core.plain("sample_weight", sample_weight)
    if weights.dtype.kind not in "fiub":
        raise TypeError(f"sample_weight must hold real numbers, got {core.kind('sample_weight', weights)}")
    return weights


def as_mask(mask: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask as booleans that broadcast to `shape` from the left; see `align`."""
    return align("mask", core.plain("mask", mask).astype(bool, copy=False), shape)


def align(name: str, array: Array, shape: tuple[int, ...]) -> Array:
    """Give `array` the rank of `shape` so that it broadcasts to it from the left: (B,) to (B, 1) for (B, T).

    Raises:
        ValueError: it does not broadcast, naming it `name`.
    """
    out = array
    while out.ndim > len(shape) and out.shape[-1] == 1:
        out = out[..., 0]
    sizes: tuple[int, ...] = out.shape + (1,) * (len(shape) - out.ndim)
    if len(sizes) != len(shape) or any(have not in (1, want) for have, want in zip(sizes, shape, strict=True)):
        raise ValueError(f"{name} must broadcast to the shape {shape} of the loss values, got {array.shape}")
    return out.reshape(sizes)


def steps_hint(have: int, want: int) -> str:
    """The usual reason why targets of `have` axes do not go with predictions of `want`, for the end of a message."""
    if want == 3 and have < 3:
        return "; return_sequences=False in the last recurrent layer gives one prediction a row"
    if want == 2 and have == 3:
        return "; return_sequences=True in the last recurrent layer gives one prediction a step"
    return ""


def match(y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
    """Targets cast to the predictions' dtype and given their shape, where only a last axis of length 1 differs.

    Targets that are not `live` become 0.

    Raises:
        TypeError: they are not real numbers.
        ValueError: any other difference of shape. Nothing is broadcast: (B, 1) against (B, 4) is a mistake.
    """
    if y_true.dtype.kind not in "fiub":
        raise TypeError(f"y_true must hold real numbers, got {core.kind('y_true', y_true)}")
    if live is None and y_true.shape == y_pred.shape and y_true.dtype == y_pred.dtype:
        return y_true
    if y_true.shape != y_pred.shape and (*y_true.shape, 1) != y_pred.shape and y_true.shape != (*y_pred.shape, 1):
        hint = steps_hint(y_true.ndim, y_pred.ndim)
        raise ValueError(f"y_true must have the shape {y_pred.shape} of y_pred, got {y_true.shape}{hint}")
    true = y_true.reshape(y_pred.shape).astype(y_pred.dtype, copy=False)
    return true if live is None else np.where(live[..., None], true, 0)


def match_rank(y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None = None) -> Array:
    """Targets in the predictions' dtype and, where an axis of length 1 at the end is all that is amiss, of their rank;
    0 where not `live`."""
    if y_true.dtype.kind not in "fiub":
        raise TypeError(f"y_true must hold real numbers, got dtype {y_true.dtype}")
    if len(y_true) != len(y_pred):
        raise ValueError(f"y_true must have {len(y_pred)} rows, as y_pred has, got {len(y_true)}")
    true = y_true
    if true.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
        true = true[..., None]
    elif true.ndim == y_pred.ndim + 1 and true.shape[-1] == 1:
        true = true[..., 0]
    true = true.astype(y_pred.dtype, copy=False)
    if live is None or live.ndim > true.ndim:
        return true
    return np.where(live.reshape(live.shape + (1,) * (true.ndim - live.ndim)), true, true.dtype.type(0))
