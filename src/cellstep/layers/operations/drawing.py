"""Operations that draw random numbers: others each time that one runs, unless its seed is an integer. Rules are as in
`arithmetic`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import core, seeds
from ...initializers import truncated
from .arithmetic import Array, Back, Rule
from .shaping import take


def drawn(draw: Callable[..., Any]) -> Rule:
    """A rule of numbers by a method of generators: of what they depend on, and of a shape."""

    def rule(shape: Any, dtype: Any = None, seed: Any = None, **options: Any) -> tuple[Any, Back]:
        y = draw(seeds.generator(seed), *options.values(), tuple(shape))
        return np.asarray(y, dtype or core.floatx()), lambda dy: []

    return rule


def truncated_normal(rng: np.random.Generator, mean: float, stddev: float, shape: Any) -> Array:
    return mean + stddev * truncated(rng, shape)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> tuple[Any, Back]:
    """So many numbers a row of logits (rows, classes), each drawn with the probability that its logit says."""
    rows, classes = np.shape(logits)
    noise = seeds.generator(seed).gumbel(size=(rows, num_samples, classes))
    return np.argmax(np.asarray(logits)[:, None] + noise, -1).astype(dtype), lambda dy: [None]


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> tuple[Any, Back]:
    """A share of the entries made 0, the others that much larger."""
    x = np.asarray(inputs)
    sizes = x.shape if noise_shape is None else [n or m for n, m in zip(noise_shape, x.shape, strict=True)]
    kept = (seeds.generator(seed).random(sizes) >= rate).astype(x.dtype) / x.dtype.type(1 - rate)
    return x * kept, lambda dy: [dy * kept]


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> tuple[Any, Back]:
    """The parts along an axis in another order."""
    y, back = take(x, seeds.generator(seed).permutation(np.shape(x)[axis]), axis=axis)
    return y, lambda dy: back(dy)[:1]
