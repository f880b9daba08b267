"""SeparableConv1D: a convolution over time of each feature alone, then a dense layer over the features."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from .. import core
from ..activations import Activation
from .base import Array
from .conv1d import Back, Convolution
from .module import NamedOptions
from .variable import Variable


class SeparableConv1D(Convolution):
    """activation(m pointwise_kernel + bias), m[t, c] = sum_k x[t * strides + k * dilation_rate, c]
    depthwise_kernel[k, c], (B, T, C) to (B, windows, filters).

    Args:
        filters: the features of the outputs.
        kernel_size, strides, dilation_rate: as for `Conv1D`. padding: "valid" or "same", as there.
        data_format: "channels_last", or "channels_first" for (B, C, T).
        depth_multiplier: how many numbers each feature becomes between the two.
        activation, use_bias, *_initializer, *_regularizer, *_constraint: as for `Conv1D`, for each of the weights.
        **options: name, dtype, trainable, as for every layer.

    Weights: depthwise_kernel (kernel_size, C, depth_multiplier), pointwise_kernel (1, C depth_multiplier, filters),
    bias (filters,). A mask has no effect, and is not passed on.

    Source: Chollet 2017.

    Example:
        >>> y = SeparableConv1D(8, 3, padding="same")(np.ones((2, 10, 4)))
    """

    depthwise_kernel: Variable
    pointwise_kernel: Variable

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **options: Unpack[NamedOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **options)
        self.keep_arguments(locals())
        self.depth_multiplier = core.check_count("depth_multiplier", depth_multiplier)

    def make_kernels(self, channels: int) -> None:
        M = self.depth_multiplier
        self.depthwise_kernel = self._add_kernel("depthwise", (*self.kernel_size, channels, M))
        self.kernel = self.pointwise_kernel = self._add_kernel("pointwise", (1, channels * M, self.filters))

    def _add_kernel(self, which: str, shape: tuple[int, ...]) -> Variable:
        initializer, *more = (getattr(self, f"{which}_{kind}") for kind in ("initializer", "regularizer", "constraint"))
        return self.add_weight(f"{which}_kernel", shape, initializer, True, *more)

    def convolve(self, x: Array, activation: Activation) -> tuple[Array, Back]:
        _, T, C = x.shape
        taps = self.windows.taps(self.windows.pad(x), self.count(T))
        depthwise = self.depthwise_kernel.numpy()  # a copy: it may change before the pullback
        parts = (tap[..., None] * part for tap, part in zip(taps, depthwise, strict=True))
        between = sum(parts, np.zeros(1, x.dtype))
        rows = between.reshape(*between.shape[:2], C * self.depth_multiplier)
        y, activation_pullback = self.multiply(rows, activation)

        def back(dy: Array, need_dx: bool) -> Array | None:
            dz = activation_pullback(dy)
            self.add_gradients(rows, dz)
            dbetween = self.matrix(backward=True).multiply(dz).reshape(between.shape)
            (grad,) = self.grads_of((self.depthwise_kernel,))
            if grad is not None:
                with self._lock:  # threads may add to the same gradients
                    for part, tap in zip(grad, taps, strict=True):
                        part += np.einsum("btc,btcm->cm", tap, dbetween)
            if not need_dx:
                return None
            drows = np.einsum("btcm,kcm->btkc", dbetween, depthwise)
            return self.windows.unpad(self.add_up(drows, T + sum(self.windows.margins(T)), C), T)

        return y, back


SeparableConvolution1D = SeparableConv1D
