"""Conv1D: a dense layer over each window of steps."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from .. import activations, core
from .base import Array
from .context import Applied, Context
from .matmul_layer import MatmulLayer
from .module import NamedOptions, Shape
from .sliding_windows import SlidingWindows, by_time
from .variable import Variable


class Conv1D(MatmulLayer):
    """activation(sum_k x[t * strides + k * dilation_rate] kernel[k] + bias), (B, T, C) to (B, windows, filters).

    All windows are multiplied at once where they lie; with dilation or groups they are copied side by side first.

    Args:
        filters: the features of the outputs.
        kernel_size: the steps of a window.
        strides: the steps from one window to the next. dilation_rate: the steps from one place in a window to the next;
            one of the two must be 1.
        padding: "valid", only windows that lie in the sequence; "same", ceil(T / strides) windows, zeros around; or
            "causal", zeros on the left alone: an output sees no step after its own.
        data_format: "channels_last", or "channels_first" for (B, C, T).
        groups: into so many parts the features of the inputs and the filters are cut, each part seeing its own alone.
        activation: a name or an `Activation` from `activations`; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: whatever `initializers.get` takes.
        kernel_regularizer, bias_regularizer: whatever `regularizers.get` takes.
        kernel_constraint, bias_constraint: whatever `constraints.get` takes.
        activity_regularizer: likewise, for a penalty of the outputs over the number of rows.
        **options: name, dtype, trainable, as for every layer.

    Weights: kernel (kernel_size, C / groups, filters), bias (filters,). A mask goes no further, and has no effect.

    Example:
        >>> y = Conv1D(8, 3, padding="causal")(np.ones((2, 10, 4)))
    """

    supports_masking = False
    kernel: Variable
    bias: Variable | None

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
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
        self.filters = core.check_count("filters", filters)
        self.kernel_size = core.check_sizes("kernel_size", kernel_size, 1)
        self.strides = core.check_sizes("strides", strides, 1)
        self.padding = core.check_choice("padding", padding, ("valid", "same", "causal"))
        self.data_format = core.check_data_format(data_format)
        self.dilation_rate = core.check_sizes("dilation_rate", dilation_rate, 1)
        self.groups = core.check_count("groups", groups)
        if self.strides[0] > 1 and self.dilation_rate[0] > 1:
            raise ValueError(f"expected strides or dilation_rate to be 1, got {strides!r} and {dilation_rate!r}")
        if self.filters % self.groups:
            raise ValueError(f"filters must be a multiple of groups, got {filters} filters and {groups} groups")
        self.activation = activations.get(activation)
        self.use_bias = core.check_bool("use_bias", use_bias)
        self.keep_weight_arguments(locals())
        self.windows = SlidingWindows(self.kernel_size[0], self.strides[0], self.dilation_rate[0], self.padding)

    def make_weights(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        channels = by_time(input_shape, self.data_format)[2]
        if not channels:
            raise ValueError(f"expected inputs with a known number of features, got {core.describe(input_shape)}")
        if channels % self.groups:
            raise ValueError(f"expected inputs whose features are a multiple of groups={self.groups}, got {channels}")
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.add_configured_weight("kernel", shape)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_configured_weight("bias", (self.filters,))

    def reach(self, rank: int) -> str:
        one = self.windows.size == self.windows.stride == 1 and self.data_format == "channels_last"
        return "step" if one else "sequence"

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3:
            raise ValueError(f"expected inputs of shape (batch, time, features), got {core.describe(input_shape)}")
        batch, time, features = by_time(tuple(input_shape), self.data_format)
        self.same_features(features, self.kernel.shape[1] * self.groups if self.built else None)
        return by_time((batch, None if time is None else self.windows.count(time), self.filters), self.data_format)

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """y (B, windows, filters) for x (B, T, C)."""
        x = core.as_array("x", x, self.dtype, by_time(("batch", "time", "features"), self.data_format))
        if not self.built:
            self.build(x.shape)
        version = self.kernel.version
        part = self.kernel.shape[1]
        first = self.data_format == "channels_first"
        seen = np.swapaxes(x, 1, 2) if first else x
        if self.groups * part != seen.shape[2]:
            raise ValueError(f"expected x with {self.groups * part} features, got {seen.shape[2]} in shape {x.shape}")
        rows = self._rows(seen, self.windows.count(seen.shape[1]))
        if self.groups == 1:
            z, activation_pullback = self.multiply(rows)
            y = np.swapaxes(z, 1, 2) if first else z
        else:
            z = self._multiply_groups(rows)
            y, activation_pullback = self.activation.forward(np.swapaxes(z, 1, 2) if first else z)

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            self.check_version(version)
            dy = self.gradient_array(dy, y.shape)
            if self.groups == 1:
                dz = activation_pullback(np.ascontiguousarray(np.swapaxes(dy, 1, 2)) if first else dy)
                self.add_gradients(rows, dz)
                drows = self.matrix(backward=True).multiply(dz) if need_dx else None
            else:
                dz = activation_pullback(dy)
                drows = self._groups_back(rows, np.swapaxes(dz, 1, 2) if first else dz)
            if drows is None or not need_dx:
                return None
            dx = self._add_up(drows, seen)
            return np.swapaxes(dx, 1, 2) if first else dx

        return y, None, pullback

    def _rows(self, x: Array, count: int) -> Array:
        """Every window of x (B, T, C) as a row, group after group: (B, count, K C); a view where that can be."""
        B, _, C = x.shape
        K, G = self.kernel_size[0], self.groups
        padded = self.windows.pad(x)
        if G == 1 and (K == 1 or self.windows.rate == 1):
            padded = core.contiguous(padded)
            # not its own strides: NumPy lets those of an axis of one entry be anything
            size = padded.itemsize
            strides = (padded.shape[1] * C * size, self.windows.stride * C * size, size)
            return np.lib.stride_tricks.as_strided(padded, (B, count, K * C), strides, writeable=False)
        columns = core.empty((B, count, G, K, C // G), x.dtype)
        for k, tap in enumerate(self.windows.taps(padded, count)):
            columns[:, :, :, k] = tap.reshape(B, count, G, C // G)
        return columns.reshape(B, count, K * C)

    def _multiply_groups(self, rows: Array) -> Array:
        """The sums (B, count, F) where each group of filters sees its own part of a row."""
        G, N = self.groups, self.kernel.shape[-1] // self.groups
        z = core.empty((*rows.shape[:2], G * N), rows.dtype)
        for g, (mine, W) in enumerate(self._groups(rows)):
            bias = None if self.bias is None else self.bias.value[g * N : (g + 1) * N]
            z[:, :, g * N : (g + 1) * N] = core.Matrix.of(W, bias).multiply(mine)
        return z

    def _groups_back(self, rows: Array, dz: Array) -> Array:
        """Gradients of kernel and bias, added; and those of the rows."""
        N = self.kernel.shape[-1] // self.groups
        drows = np.empty_like(rows)
        with self._lock:  # threads may add to the same gradients
            dkernel, dbias = self.grads_of((self.kernel, self.bias))
            for g, ((mine, W), dmine) in enumerate(zip(self._groups(rows), self._parts_of(drows), strict=True)):
                own = slice(g * N, (g + 1) * N)
                dW, db = np.zeros_like(W, order="C"), np.zeros(N, W.dtype)
                core.add_gradients(mine, dz[:, :, own], dW, db)
                if dkernel is not None:
                    dkernel[:, :, own] += dW.reshape(dkernel.shape[0], -1, N)
                if dbias is not None:
                    dbias[own] += db
                dmine[...] = core.Matrix.of(W.T).multiply(dz[:, :, own])
        return drows

    def _parts_of(self, rows: Array) -> list[Array]:
        return np.split(rows, self.groups, axis=2)

    def _groups(self, rows: Array) -> list[tuple[Array, Array]]:
        """Each group's part of the rows, and its matrix (K part, F / groups)."""
        by_group = np.split(self.kernel.value, self.groups, axis=2)
        return [
            (mine, np.ascontiguousarray(k).reshape(-1, k.shape[2]))
            for mine, k in zip(self._parts_of(rows), by_group, strict=True)
        ]

    def _add_up(self, drows: Array, x: Array) -> Array:
        """The way back from `_rows`: what each step of x gets from all windows that it is in."""
        B, count, G = drows.shape[0], drows.shape[1], self.groups
        K, C = self.kernel_size[0], x.shape[2]
        taps = drows.reshape(B, count, G, K, C // G)
        dpadded = np.zeros_like(self.windows.pad(x), order="C")
        for k, dtap in enumerate(self.windows.taps(dpadded, count)):
            dtap += taps[:, :, :, k].reshape(B, count, C)
        return self.windows.unpad(dpadded, x.shape[1])


Convolution1D = Conv1D
