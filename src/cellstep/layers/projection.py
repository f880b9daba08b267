"""Projection: a dense layer whose kernel and bias have several axes, as those of attention heads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .. import activations, core
from .base import Array
from .context import Applied, Context
from .matmul_layer import MatmulLayer
from .module import Shape


class Projection(MatmulLayer):
    """activation(x kernel + bias) over the last axis of x, or its last two, to axes of these sizes."""

    sizes: tuple[int, ...]

    def __init__(self, name: str, over: int, activation: str, penalty: Any, settings: Mapping[str, Any]) -> None:
        super().__init__(name, activity_regularizer=penalty)
        self.row_axes, self.activation = over, activations.get(activation)
        vars(self).update(settings)

    def make_weights(self, input_shape: Shape) -> None:
        features = input_shape[-self.row_axes :]
        if None in features:
            raise ValueError(f"expected a {self.name} with known features, got shape {core.describe(input_shape)}")
        self.kernel = self.add_configured_weight("kernel", (*features, *self.sizes))  # type: ignore[arg-type]
        self.bias = self.add_configured_weight("bias", self.sizes) if self.use_bias else None

    def apply(self, x: Array, mask: Any, context: Context) -> Applied:
        over, version = self.row_axes, self.kernel.version
        if x.shape[-over:] != self.kernel.shape[:over]:
            raise ValueError(f"expected {self.name} with {self.kernel.shape[0]} features, got shape {x.shape}")
        rows = x.reshape(*x.shape[:-over], math.prod(x.shape[-over:]))
        y, activation_pullback = self.multiply(rows)

        def pullback(dy: Array, need_dx: bool = True) -> Array | None:
            self.check_version(version)
            dz = activation_pullback(dy.reshape(y.shape))
            self.add_gradients(rows, dz)
            return self.matrix(backward=True).multiply(dz).reshape(x.shape) if need_dx else None

        return y.reshape(*x.shape[:-over], *self.sizes), mask, pullback
