"""LayerNormalization: each row, or each step of it, gets mean 0 and variance 1 over its features."""

from __future__ import annotations

import math
from typing import Any, Unpack

import numpy as np

from .. import core, kernels
from .base import Array, LayerOptions
from .configuration import not_built
from .context import Applied, Context
from .module import Shape
from .over_axes import OverAxes
from .variable import Variable


class LayerNormalization(OverAxes):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, with mean and variance over `axis` of each row.

    Args:
        axis: what to take the mean over; or a list of axes.
        epsilon: keeps the division from zero.
        center: whether there is a beta. scale: whether there is a gamma.
        beta_initializer, gamma_initializer: whatever `initializers.get` takes.
        beta_regularizer, gamma_regularizer: whatever `regularizers.get` takes.
        beta_constraint, gamma_constraint: whatever `constraints.get` takes.
        rms_scaling: Keras deprecates it; not built.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Weights: gamma, beta, of the sizes of the axes. A mask is passed on.

    Source: Ba, Kiros and Hinton 2016.

    Example:
        >>> y = LayerNormalization()(np.arange(6.0).reshape(2, 3))
    """

    gamma: Variable | None
    beta: Variable | None

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        *,
        rms_scaling: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.axis = core.check_axes("axis", axis)
        self.epsilon = core.check_number("epsilon", epsilon, 0)
        self.center = core.check_bool("center", center)
        self.scale = core.check_bool("scale", scale)
        self.keep_weight_arguments(locals())
        not_built(False, rms_scaling=rms_scaling)
        self.rms_scaling = False

    def make_weights(self, input_shape: Shape) -> None:
        sizes = self._sizes(input_shape)
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_configured_weight("gamma", sizes)
        if self.center:
            self.beta = self.add_configured_weight("beta", sizes)

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        sizes = [shape[place] for place in core.places("axis", self.axis, shape)]
        known = tuple(size for size in sizes if size)
        if len(known) < len(sizes):
            raise ValueError(
                f"expected inputs with a known size, 1 or more, along axis {self.axis}, got {core.describe(shape)}"
            )
        return known

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """y of x's shape."""
        x = self.input_array(x)
        if not self.built:
            self.build(x.shape)
        self._check(x)
        axes = core.places("axis", self.axis, x.shape)
        rows = tuple(place for place in range(x.ndim) if place not in axes)
        order = (*rows, *axes)
        moved = x.transpose(order)

        features = math.prod(x.shape[place] for place in axes)
        norms = kernels.active().norms

        def flattened(a: Array) -> Array:
            """(N, F): the rows that are normalized."""
            return core.contiguous(a.transpose(order).reshape(-1, features))

        def shaped(a: Array) -> Array:
            return a.reshape(moved.shape).transpose(np.argsort(order))

        # copies: the weights may change before the pullback
        gamma, beta = (None if w is None else w.numpy().reshape(-1) for w in (self.gamma, self.beta))
        flat = flattened(x)
        y, normal = core.empty(flat.shape, x.dtype), core.empty(flat.shape, x.dtype)
        inverse = np.empty(len(flat), x.dtype)
        norms.normalized(flat, self.epsilon, gamma, beta, y, normal, inverse)

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            dy = flattened(self.gradient_array(dy, x.shape))
            dx = core.empty(dy.shape, dy.dtype) if need_dx else None
            with self._lock:  # threads may add to the same gradients
                grads = [None if d is None else d.reshape(-1) for d in self.grads_of((self.gamma, self.beta))]
                norms.normalized_back(dy, normal, inverse, gamma, dx, *grads)
            return None if dx is None else shaped(dx)

        return shaped(y), mask, pullback

    def _check(self, x: Array) -> None:
        """ValueError where x has not the sizes that the weights have."""
        for weight in self.weights:
            if self._sizes(x.shape) != weight.shape:
                raise ValueError(f"expected x of sizes {weight.shape} along axis {self.axis}, got shape {x.shape}")
