"""Noise in training, nothing else: added (GaussianNoise), or multiplied by (GaussianDropout)."""

from __future__ import annotations

import math
from typing import Any, Unpack

from .. import core, seeds
from ..kernels.stages import Stage
from .base import Array, LayerOptions
from .transform import Back, Transform


class _Noise(Transform):
    over_time = "step"

    def __init__(self, seed: int | None, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.seed = None if seed is None else seeds.check_seed(seed)
        self.generator = seeds.generator(self.seed)

    def normal(self, x: Array, stddev: float) -> Array:
        """Numbers of mean 0 in x's shape and dtype."""
        drawn = self.generator.standard_normal(x.shape, x.dtype.type)
        drawn *= stddev
        return drawn

    def stages(self) -> list[Stage]:
        """None: a stream does not train."""
        return []


class GaussianNoise(_Noise):
    """Adds normal noise of mean 0 in training; else does nothing.

    Args:
        stddev: of the noise, from 0 to 1.
        seed: of the draws, which differ from call to call; a new one where None.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    A mask is passed on.

    Example:
        >>> y = GaussianNoise(0.1)(np.zeros((2, 3)), training=True)
    """

    def __init__(
        self,
        stddev: float,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(seed, **options)
        self.stddev = core.check_number("stddev", stddev, 0, 1)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        y = x + self.normal(x, self.stddev) if training and self.stddev > 0 else x
        return y, lambda dy: dy


class GaussianDropout(_Noise):
    """Multiplies by normal noise of mean 1 and variance rate / (1 - rate) in training; else does nothing.

    Args:
        rate: from 0 to below 1; the noise has the mean and the variance that Dropout's has.
        seed: of the draws, which differ from call to call; a new one where None.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    A mask is passed on.

    Example:
        >>> y = GaussianDropout(0.1)(np.ones((2, 3)), training=True)
    """

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(seed, **options)
        self.rate = core.check_rate("rate", rate)
        if self.rate == 1:
            raise ValueError(f"rate must be below 1 for GaussianDropout, whose noise it scales, got {rate!r}")

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        if not training or self.rate == 0:
            return x, lambda dy: dy
        factor = self.normal(x, math.sqrt(self.rate / (1 - self.rate)))
        factor += 1
        return x * factor, lambda dy: dy * factor
