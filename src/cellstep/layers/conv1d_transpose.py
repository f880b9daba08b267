"""Conv1DTranspose: each step spreads over a window of steps, as gradients do on the way back through Conv1D."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from .. import core
from ..activations import Activation
from .base import Array
from .conv1d import Back, Convolution
from .module import NamedOptions


class Conv1DTranspose(Convolution):
    """activation(bias + sums of x[t] kernel[k] at t * strides + k * dilation_rate), (B, T, C) to (B, steps, filters).

    Args:
        filters: the features of the outputs.
        kernel_size: the steps that one step spreads over.
        strides: the steps from where one step begins to where the next does. dilation_rate: the steps from one place in
            a window to the next; one of the two must be 1.
        padding: "valid", all steps that get something, (T - 1) strides + the reach of a window, or T strides where that
            is more; or "same", T strides, cut from both sides.
        output_padding: steps that are added on the right, fewer than strides, in place of what padding adds.
        data_format, activation, use_bias, *_initializer, *_regularizer, *_constraint: as for `Conv1D`.
        **options: name, dtype, trainable, as for every layer.

    Weights: kernel (kernel_size, filters, C), bias (filters,). A mask has no effect, and is not passed on.

    Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning".

    Example:
        >>> y = Conv1DTranspose(8, 3, strides=2)(np.ones((2, 10, 4)))
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **options: Unpack[NamedOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **options)
        self.keep_arguments(locals())
        self.one_way(strides, dilation_rate)
        self.output_padding: tuple[int, ...] | None = None
        if output_padding is not None:
            self.output_padding = core.check_sizes("output_padding", output_padding, 1, zero=True)
            if self.output_padding[0] >= self.strides[0]:
                raise ValueError(f"output_padding must be less than strides, {strides}, got {output_padding}")

    def make_kernels(self, channels: int) -> None:
        self.kernel = self.add_configured_weight("kernel", (*self.kernel_size, self.filters, channels))

    def count(self, steps: int) -> int:
        """The steps of the outputs."""
        K, stride = self.windows.reach, self.windows.stride
        more = None if self.output_padding is None else self.output_padding[0]
        if self.padding == "valid":
            return (steps - 1) * stride + (max(K, stride) if more is None else K + more)
        return steps * stride if more is None else (steps - 1) * stride + K % 2 + more

    def _cut(self, steps: int) -> int:
        """How many steps are left out on the left."""
        if self.padding == "valid":
            return 0
        K, stride = self.windows.reach, self.windows.stride
        return max(K - 1 - (self.count(steps) - (steps - 1) * stride + K - 1) // 2, 0)

    def convolve(self, x: Array, activation: Activation) -> tuple[Array, Back]:
        (B, T, C), F = x.shape, self.filters
        cut = self._cut(T)
        seen = slice(cut, cut + self.count(T))
        steps = max((T - 1) * self.windows.stride + self.windows.reach, seen.stop)
        spread = self.matrix(backward=True).multiply(x)
        z = self.add_up(spread.reshape(B, T, spread.shape[-1] // F, F), steps, F)[:, seen]
        if self.bias is not None:
            z = z + self.bias.value
        y, activation_pullback = activation.forward(z)

        def back(dy: Array, need_dx: bool) -> Array | None:
            dz = activation_pullback(dy)
            dsteps = np.zeros((B, steps, F), dz.dtype)
            dsteps[:, seen] = dz
            drows = self.rows_in(dsteps, T)
            with self._lock:  # threads may add to the same gradients
                dkernel, dbias = self.grads_of((self.kernel, self.bias))
                if dkernel is not None:
                    core.add_gradients(drows, x, dkernel.reshape(-1, C), None)
                if dbias is not None:
                    dbias += dz.sum(axis=(0, 1))
            return core.Matrix.of(self.kernel.value.reshape(-1, C)).multiply(drows) if need_dx else None

        return y, back


Convolution1DTranspose = Conv1DTranspose
