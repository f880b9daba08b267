"""Activation: a layer that applies an activation."""

from __future__ import annotations

from typing import Any, Unpack

from .. import activations
from ..kernels.stages import STREAMED, Activate, Stage
from .base import Array, Layer, LayerOptions
from .context import Applied, Context


class Activation(Layer):
    """Applies an activation to inputs of any shape.

    Args:
        activation: whatever `activations.get` takes.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    A mask is passed on.

    Example:
        >>> y = Activation("relu")([[-1.0, 2.0]])
    """

    def __init__(
        self,
        activation: Any,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.activation = activations.get(activation)

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """y of x's shape."""
        y, activation_pullback = self.activation.forward(self.input_array(x))

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            dy = self.gradient_array(dy, y.shape)
            return activation_pullback(dy) if need_dx else None

        return y, mask, pullback

    def reach(self, rank: int) -> str:
        return "step" if rank > 2 else "sequence"

    def stages(self) -> list[Stage]:
        return [Activate(activations.for_kernels(self.activation, STREAMED))]
