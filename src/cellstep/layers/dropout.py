"""Dropout: in training a share of the inputs is set to 0, and the rest made larger."""

from __future__ import annotations

import operator
from typing import Any, Unpack

from .. import core, seeds
from ..kernels.stages import Stage
from .base import Array, LayerOptions
from .runner import dropped
from .transform import Back, Transform


class Dropout(Transform):
    """Sets inputs to 0 with probability `rate`, and divides the others by 1 - rate, in training; else does nothing.

    Args:
        rate: from 0 to 1.
        noise_shape: the shape in which to draw, where it is not that of the inputs: 1 along an axis that shares one
            draw, None for an axis's own size. (None, 1, None) drops whole features of a sequence.
        seed: of the draws, which differ from call to call; a new one where None.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    A mask is passed on.

    Example:
        >>> layer = Dropout(0.5, seed=1)
        >>> y, pullback = layer.forward(np.ones((2, 3)), training=True)
    """

    over_time = "step"

    def __init__(
        self,
        rate: float,
        noise_shape: Any = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.rate = core.check_rate("rate", rate)
        self.noise_shape = None if noise_shape is None else _noise_shape(noise_shape)
        self.seed = None if seed is None else seeds.check_seed(seed)
        self.generator = seeds.generator(self.seed)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        """y of x's shape; x itself where nothing is dropped."""
        if not training or self.rate == 0:
            return x, lambda dy: dy
        keep = self.generator.random(self._drawn_shape(x.shape)) >= self.rate
        return dropped(x, keep, self.rate), lambda dy: dropped(dy, keep, self.rate)

    def _drawn_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        wanted = self.noise_shape
        if wanted is None:
            return shape
        if len(wanted) != len(shape) or any(w not in (None, 1, s) for w, s in zip(wanted, shape, strict=True)):
            raise ValueError(f"expected x of a shape that noise_shape {wanted} broadcasts to, got {shape}")
        return tuple(s if w is None else w for w, s in zip(wanted, shape, strict=True))

    def independent_rows(self, training: bool) -> bool:
        return not training or self.noise_shape is None or self.noise_shape[0] is None

    def stages(self) -> list[Stage]:
        """None: a stream does not train."""
        return []


class SpatialDropout1D(Dropout):
    """Sets whole features of a sequence (B, T, C) to 0, at all steps, with probability `rate`, in training.

    Args:
        rate: from 0 to 1.
        seed: of the draws, which differ from call to call; a new one where None.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    A mask is passed on.

    Example:
        >>> layer = SpatialDropout1D(0.5, seed=1)
        >>> y = layer(np.ones((2, 3, 4)), training=True)
    """

    axes = ("batch", "time", "features")

    def __init__(
        self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None, **options: Any
    ) -> None:
        super().__init__(rate, (None, 1, None), seed, name=name, dtype=dtype, **options)

    def get_config(self) -> dict[str, Any]:
        """The keys that Keras has here."""
        return {key: value for key, value in super().get_config().items() if key != "trainable"}


def _noise_shape(value: Any) -> tuple[int | None, ...]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise TypeError(f"noise_shape must be a tuple of integers and None, got {value!r}")
    sizes = tuple(value)
    for size in sizes:
        if size is not None:
            core.check_count("each size of noise_shape", size)
    return tuple(None if size is None else operator.index(size) for size in sizes)
