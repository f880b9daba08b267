"""Conv1D: a dense layer over each window of steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Unpack

import numpy as np

from .. import activations, core
from ..activations import Activation
from .base import Array
from .context import Applied, Context
from .matmul_layer import MatmulLayer
from .module import NamedOptions, Shape
from .sliding_windows import SlidingWindows, by_time

#: From the gradient of a convolution's outputs to that of its inputs, or None where that is not asked for.
Back = Callable[[Array, bool], Array | None]


class Convolution(MatmulLayer):
    """What convolutions over time have in common: arguments, the order of axes, the features they are built for.

    A subclass writes `make_kernels(channels)`, `count(steps)` and `convolve`.
    """

    supports_masking = False
    row_axes = -1
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]

    def keep_arguments(self, arguments: Mapping[str, Any], paddings: tuple[str, ...] = ("valid", "same")) -> None:
        """Check and keep what a constructor was given, its `locals()`."""
        self.filters = core.check_count("filters", arguments["filters"])
        for name in ("kernel_size", "strides", "dilation_rate"):
            setattr(self, name, core.check_sizes(name, arguments[name], 1))
        self.padding = core.check_choice("padding", arguments["padding"], paddings)
        self.data_format = core.check_data_format(arguments["data_format"])
        self.activation = activations.get(arguments["activation"])
        self.use_bias = core.check_bool("use_bias", arguments["use_bias"])
        self.keep_weight_arguments(arguments)
        self.windows = SlidingWindows(self.kernel_size[0], self.strides[0], self.dilation_rate[0], self.padding)

    def one_way(self, strides: Any, dilation_rate: Any) -> None:
        """ValueError where both are more than 1."""
        if self.strides[0] > 1 and self.dilation_rate[0] > 1:
            raise ValueError(f"expected strides or dilation_rate to be 1, got {strides!r} and {dilation_rate!r}")

    def make_weights(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        channels = by_time(input_shape, self.data_format)[2]
        if not channels:
            raise ValueError(f"expected inputs with a known number of features, got {core.describe(input_shape)}")
        self.make_kernels(channels)
        self.channels = channels
        self.bias = None
        if self.use_bias:
            self.bias = self.add_configured_weight("bias", (self.filters,))

    def make_kernels(self, channels: int) -> None:
        """Make all weights but the bias."""
        raise NotImplementedError

    def count(self, steps: int) -> int:
        """The steps of the outputs."""
        return self.windows.count(steps)

    def convolve(self, x: Array, activation: Activation) -> tuple[Array, Back]:
        """The outputs (B, count, filters) for x (B, T, channels), and the way back."""
        raise NotImplementedError

    def reach(self, rank: int) -> str:
        one = self.windows.size == self.windows.stride == 1 and self.data_format == "channels_last"
        return "step" if one else "sequence"

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3:
            raise ValueError(f"expected inputs of shape (batch, time, features), got {core.describe(input_shape)}")
        batch, time, features = by_time(tuple(input_shape), self.data_format)
        self.same_features(features, self.channels if self.built else None)
        return by_time((batch, None if time is None else self.count(time), self.filters), self.data_format)

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """y (B, count, filters) for x (B, T, C)."""
        x = core.as_array("x", x, self.dtype, by_time(("batch", "time", "features"), self.data_format))
        if not self.built:
            self.build(x.shape)
        version = self.kernel.version
        first = self.data_format == "channels_first"
        seen = np.swapaxes(x, 1, 2) if first else x
        if seen.shape[2] != self.channels:
            raise ValueError(f"expected x with {self.channels} features, got {seen.shape[2]} in shape {x.shape}")
        # an activation such as softmax is along the last axis, whatever that is
        y, back = self.convolve(seen, activations.linear if first else self.activation)
        if first:
            y, activation_pullback = self.activation.forward(np.swapaxes(y, 1, 2))

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            self.check_version(version)
            dy = self.gradient_array(dy, y.shape)
            if first:
                dy = np.ascontiguousarray(np.swapaxes(activation_pullback(dy), 1, 2))
            dx = back(dy, need_dx)
            return np.swapaxes(dx, 1, 2) if first and dx is not None else dx

        return y, None, pullback

    def rows_in(self, padded: Array, count: int, groups: int = 1) -> Array:
        """Every window of (B, T, C) as a row, group after group: (B, count, size C); a view where that can be."""
        B, T, C = padded.shape
        K = self.kernel_size[0]
        if groups == 1 and (K == 1 or self.windows.rate == 1):
            padded = core.contiguous(padded)
            # not its own strides: NumPy lets those of an axis of one entry be anything
            size = padded.itemsize
            strides = (T * C * size, self.windows.stride * C * size, size)
            return np.lib.stride_tricks.as_strided(padded, (B, count, K * C), strides, writeable=False)
        columns = core.empty((B, count, groups, K, C // groups), padded.dtype)
        for k, tap in enumerate(self.windows.taps(padded, count)):
            columns[:, :, :, k] = tap.reshape(B, count, groups, C // groups)
        return columns.reshape(B, count, K * C)

    def add_up(self, rows: Array, steps: int, features: int) -> Array:
        """The way back from `rows_in`: what each of so many steps gets from all windows that it is in, for rows
        (B, count, size, ...) of so many features."""
        B, count = rows.shape[:2]
        total = np.zeros((B, steps, features), rows.dtype)
        for k, tap in enumerate(self.windows.taps(total, count)):
            tap += rows[:, :, k].reshape(B, count, features)
        return total


class Conv1D(Convolution):
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

    Weights: kernel (kernel_size, C / groups, filters), bias (filters,). A mask has no effect, and is not passed on.

    Example:
        >>> y = Conv1D(8, 3, padding="causal")(np.ones((2, 10, 4)))
    """

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
        self.keep_arguments(locals(), ("valid", "same", "causal"))
        self.groups = core.check_count("groups", groups)
        self.one_way(strides, dilation_rate)
        if self.filters % self.groups:
            raise ValueError(f"filters must be a multiple of groups, got {filters} filters and {groups} groups")

    def make_kernels(self, channels: int) -> None:
        if channels % self.groups:
            raise ValueError(f"expected inputs whose features are a multiple of groups={self.groups}, got {channels}")
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.add_configured_weight("kernel", shape)

    def convolve(self, x: Array, activation: Activation) -> tuple[Array, Back]:
        (_, T, C), G, count = x.shape, self.groups, self.count(x.shape[1])
        rows = self.rows_in(self.windows.pad(x), count, G)
        if G == 1:
            y, activation_pullback = self.multiply(rows, activation)
        else:
            y, activation_pullback = activation.forward(self._multiply_groups(rows))

        def back(dy: Array, need_dx: bool) -> Array | None:
            dz = activation_pullback(dy)
            if G > 1:
                drows = self._groups_back(rows, dz)
            else:
                self.add_gradients(rows, dz)
                drows = self.matrix(backward=True).multiply(dz) if need_dx else rows
            if not need_dx:
                return None
            taps = drows.reshape(len(drows), count, G, drows.shape[-1] // C, C // G).swapaxes(2, 3)
            return self.windows.unpad(self.add_up(taps, T + sum(self.windows.margins(T)), C), T)

        return y, back

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


Convolution1D = Conv1D
