"""ActivityRegularization: nothing but a penalty of what comes by."""

from __future__ import annotations

from typing import Any, Unpack

from .. import regularizers
from ..kernels.stages import Stage
from .base import Array
from .module import NamedOptions
from .transform import Back, Transform


class ActivityRegularization(Transform):
    """Gives its inputs as they are; training adds l1 sum(abs(x)) + l2 sum(x**2) over the number of rows to the loss.

    Args:
        l1, l2: numbers >= 0.
        **options: name, dtype, trainable, as for every layer.

    A mask is passed on.

    Example:
        >>> model = Sequential([Dense(4), ActivityRegularization(l2=0.01)])
    """

    over_time = "step"

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **options: Unpack[NamedOptions]) -> None:
        penalty = regularizers.L1L2(l1, l2)
        super().__init__(activity_regularizer=penalty, **options)
        self.l1, self.l2 = penalty.l1, penalty.l2

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        """x itself."""
        return x, lambda dy: dy

    def stages(self) -> list[Stage]:
        """None: a stream does not train."""
        return []

    def get_config(self) -> dict[str, Any]:
        """l1 and l2, and not the regularizer that is made of them."""
        return {key: value for key, value in super().get_config().items() if key != "activity_regularizer"}
