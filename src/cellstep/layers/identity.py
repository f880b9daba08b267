"""Identity: the inputs as they are."""

from __future__ import annotations

from typing import Any, Unpack

from ..kernels.stages import Stage
from .base import Array, LayerOptions
from .transform import Back, Transform


class Identity(Transform):
    """Gives its inputs back, in the place of a layer that does something.

    Args:
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    A mask is passed on. Integers stay integers.

    Example:
        >>> y = Identity()(np.ones((2, 3)))
    """

    over_time = "step"
    keeps_integers = True

    def __init__(self, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        """x itself."""
        return x, lambda dy: dy

    def stages(self) -> list[Stage]:
        return []
