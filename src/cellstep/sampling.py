"""Drawing the next symbol from what a model says of it: temperature, top-k, top-p.

    y = stream.step(x)                                        # (1, symbols) probabilities
    x = sampling.sample(y, temperature=0.7, top_p=0.9)        # (1,) the numbers of the symbols drawn

A temperature below 1 sharpens the distribution and one above 1 flattens it, as if the logits were divided by it. top_k
keeps the k most likely symbols. top_p keeps the fewest most likely symbols that have probability p together: many where
the model hesitates, one where it is sure (nucleus sampling; Holtzman, Buys, Du, Forbes and Choi 2020). The three act in
this order, and what is left is divided by its sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import core, seeds
from .exports import public

__all__ = [
    "distribution",
    "sample",
]

Array = NDArray[Any]


def distribution(
    values: Any,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    from_logits: bool = False,
) -> NDArray[np.float64]:
    """The probabilities that `sample` draws with, (..., N) in float64; each row adds up to 1.

    Args:
        values: (..., N) probabilities of N symbols, as a softmax gives them; logits with `from_logits`.
        temperature: 0 or more. At 0 the most likely symbol has probability 1, the first of several.
        top_k: how many symbols stay, and those that are as likely as the last of them. None: all.
        top_p: above 0, at most 1. Of equally likely symbols the first come first. None: all. What `values` lost when
            they were rounded to their dtype is allowed for: 0.7 + 0.2 is enough for 0.9 in float32 too.
        from_logits: whether `values` are logits, whose softmax is meant.

    Raises:
        ValueError, TypeError: an argument that is none of these; a row of values that is no distribution.

    Example:
        >>> distribution([0.5, 0.3, 0.15, 0.05], top_p=0.75).round(3).tolist()
        [0.625, 0.375, 0.0, 0.0]
    """
    temperature = core.check_number("temperature", temperature, 0)
    array = core.plain("values", values)
    logits = _logits(array, core.check_bool("from_logits", from_logits))
    N = logits.shape[-1]
    if top_k is not None:
        top_k = min(core.check_count("top_k", top_k), N)
    if top_p is not None:
        top_p = core.check_number("top_p", top_p, 0, 1)
        if top_p == 0:
            raise ValueError("top_p must be above 0 and at most 1, got 0")
    if temperature == 0:
        return np.asarray(np.arange(N) == logits.argmax(axis=-1)[..., None], np.float64)
    with np.errstate(over="ignore", under="ignore"):  # far below the largest one lies -inf
        p = _softmax((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    if top_k is not None and top_k < N:
        least = np.partition(p, N - top_k, axis=-1)[..., N - top_k, None]
        p = np.where(p >= least, p, 0.0)
        p /= p.sum(axis=-1, keepdims=True)
    if top_p is not None and top_p < 1:
        order = np.argsort(-p, axis=-1, kind="stable")
        ranked = np.take_along_axis(p, order, axis=-1)
        before = np.cumsum(ranked, axis=-1) - ranked
        rounding = max(np.finfo(t).eps for t in (np.float64, array.dtype if array.dtype.kind == "f" else np.float64))
        np.put_along_axis(p, order, np.where(before < top_p * (1 - 4 * rounding), ranked, 0.0), axis=-1)
        p /= p.sum(axis=-1, keepdims=True)
    return p


def sample(
    values: Any,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    from_logits: bool = False,
    seed: int | np.random.Generator | None = None,
) -> NDArray[np.int64]:
    """One symbol a row, (...) integers from 0 to N - 1, drawn from `distribution` of the same arguments.

    Args:
        seed: a number, for the same draw at each call; a generator of NumPy's, which is drawn from; or None for the one
            that `cellstep.set_random_seed` restarts.

    Raises:
        ValueError, TypeError: as `distribution`; seed is none of these.

    Example:
        >>> int(sample([0.1, 0.8, 0.1], temperature=0))
        1
    """
    p = distribution(values, temperature, top_k, top_p, from_logits)
    generator = seeds.generator(seed)
    edges = np.cumsum(p, axis=-1)
    # a draw below the last edge, whatever rounding made of it, so that what comes out has a probability
    draws = generator.random(p.shape[:-1]) * edges[..., -1]
    return np.asarray((edges <= draws[..., None]).sum(axis=-1), np.int64)


def _logits(values: Array, from_logits: bool) -> NDArray[np.float64]:
    """Logits in float64, checked; -inf where the probability is 0."""
    a = np.asarray(core.plain("values", values), np.float64)
    if a.ndim == 0 or a.shape[-1] == 0:
        raise ValueError(f"expected values of shape (..., symbols) with one symbol or more, got shape {a.shape}")
    if from_logits:
        if np.isnan(a).any() or (a == np.inf).any() or np.isneginf(a).all(axis=-1).any():
            raise ValueError("values must be logits, numbers or -inf for what is impossible, got NaN, inf or no number")
        return a
    with np.errstate(over="ignore", invalid="ignore"):
        total = a.sum(axis=-1)
    if not (a >= 0).all() or not (np.abs(total - 1) < 1e-3).all():
        raise ValueError(
            "values must be probabilities, 0 or more and 1 in all along the last axis, got rows that add up to "
            f"{total.min():.4g} ... {total.max():.4g}; pass from_logits=True for logits"
        )
    with np.errstate(divide="ignore"):
        return np.log(a)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of logits whose largest is 0."""
    e = np.exp(logits)
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


__dir__ = public(globals())
