"""Dropout: in training a share of the inputs is set to 0, and the rest made larger."""

from __future__ import annotations

import operator
from typing import Any

from .. import ops, random
from ..kernels.stages import Stage
from .base import Array, Layer, Pullback
from .cell import dropped


class Dropout(Layer):
    """Sets inputs to 0 with probability `rate`, and divides the others by 1 - rate, in training; else does nothing.

    Args:
        rate: from 0 to 1.
        noise_shape: the shape in which to draw, where it is not that of the inputs: 1 along an axis that shares one
            draw, None for an axis's own size. (None, 1, None) drops whole features of a sequence.
        seed: of the draws, which differ from call to call; a new one where None.
        name, dtype, trainable: as for every layer.

    A mask is passed on.

    Example:
        >>> layer = Dropout(0.5, seed=1)
        >>> y, pullback = layer.forward(np.ones((2, 3)), training=True)
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Any = None,
        seed: int | None = None,
        *,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, dtype, trainable)
        self.rate = ops.check_rate("rate", rate)
        self.noise_shape = None if noise_shape is None else _noise_shape(noise_shape)
        self.seed = None if seed is None else random.check_seed(seed)
        self.generator = random.generator(self.seed)

    def forward(
        self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False
    ) -> tuple[Array, Pullback]:
        """y of x's shape; x itself where nothing is dropped."""
        self.stateless(initial_state)
        x = self.input_array(x)
        keep = None
        if training and self.rate > 0:
            keep = self.generator.random(self._drawn_shape(x.shape)) >= self.rate

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            dy = self.gradient_array(dy, x.shape)
            if not need_dx:
                return None
            return dy if keep is None else dropped(dy, keep, self.rate)

        return (x if keep is None else dropped(x, keep, self.rate)), pullback

    def _drawn_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        wanted = self.noise_shape
        if wanted is None:
            return shape
        if len(wanted) != len(shape) or any(w not in (None, 1, s) for w, s in zip(wanted, shape, strict=True)):
            raise ValueError(f"expected x of a shape that noise_shape {wanted} broadcasts to, got {shape}")
        return tuple(s if w is None else w for w, s in zip(wanted, shape, strict=True))

    def stages(self) -> list[Stage]:
        """None: a stream does not train."""
        return []

    def get_config(self) -> dict[str, Any]:
        noise_shape = None if self.noise_shape is None else list(self.noise_shape)
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": noise_shape}


def _noise_shape(value: Any) -> tuple[int | None, ...]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise TypeError(f"noise_shape must be a tuple of integers and None, got {value!r}")
    sizes = tuple(value)
    for size in sizes:
        if size is not None:
            ops.check_count("each size of noise_shape", size)
    return tuple(None if size is None else operator.index(size) for size in sizes)
