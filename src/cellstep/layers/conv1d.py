"""Conv1D: a dense layer over each window of steps."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from .. import activations, constraints, initializers, ops, regularizers
from .base import Array, Layer, NamedOptions, Pullback
from .module import Shape
from .variable import Variable
from .windows import Windows, by_time


class Conv1D(Layer):
    """activation(sum_k x[t * strides + k * dilation_rate] kernel[k] + bias), (B, T, C) to (B, windows, filters).

    The windows are copied side by side and multiplied at once, so the work is one matrix product.

    Args:
        filters: the features of the outputs.
        kernel_size: the steps of a window.
        strides: the steps from one window to the next. dilation_rate: the steps from one place in a window to the next;
            one of the two must be 1.
        padding: "valid", only windows that lie in the sequence; "same", ceil(T / strides) windows, zeros around; or
            "causal", zeros on the left alone: an output sees no step after its own.
        data_format: "channels_last", or "channels_first" for (B, C, T).
        groups: into so many parts the features of the inputs and the filters are cut, each part seeing its own alone.
        activation: a name from `activations`; None is linear.
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
        self.filters = ops.check_count("filters", filters)
        self.kernel_size = ops.check_sizes("kernel_size", kernel_size, 1)
        self.strides = ops.check_sizes("strides", strides, 1)
        self.padding = ops.check_choice("padding", padding, ("valid", "same", "causal"))
        self.data_format = ops.check_data_format(data_format)
        self.dilation_rate = ops.check_sizes("dilation_rate", dilation_rate, 1)
        self.groups = ops.check_count("groups", groups)
        if self.strides[0] > 1 and self.dilation_rate[0] > 1:
            raise ValueError(f"expected strides or dilation_rate to be 1, got {strides!r} and {dilation_rate!r}")
        if self.filters % self.groups:
            raise ValueError(f"filters must be a multiple of groups, got {filters} filters and {groups} groups")
        self.activation = activations.get(activation)
        self.use_bias = ops.check_bool("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer, "kernel_regularizer")
        self.bias_regularizer = regularizers.get(bias_regularizer, "bias_regularizer")
        self.kernel_constraint = constraints.get(kernel_constraint, "kernel_constraint")
        self.bias_constraint = constraints.get(bias_constraint, "bias_constraint")
        self.windows = Windows(self.kernel_size[0], self.strides[0], self.dilation_rate[0], self.padding)

    def make_weights(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        channels = by_time(input_shape, self.data_format)[2]
        if not channels:
            raise ValueError(f"expected inputs with a known number of features, got {ops.describe(input_shape)}")
        if channels % self.groups:
            raise ValueError(f"expected inputs whose features are a multiple of groups={self.groups}, got {channels}")
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.add_weight(
            "kernel",
            shape,
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                (self.filters,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3:
            raise ValueError(f"expected inputs of shape (batch, time, features), got {ops.describe(input_shape)}")
        batch, time, _ = by_time(tuple(input_shape), self.data_format)
        return by_time((batch, None if time is None else self.windows.count(time), self.filters), self.data_format)

    def forward(
        self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False
    ) -> tuple[Array, Pullback]:
        """y (B, windows, filters) for x (B, T, C)."""
        self.stateless(initial_state)
        self.drops_mask(mask)
        x = ops.as_array("x", x, self.dtype, by_time(("batch", "time", "features"), self.data_format))
        if not self.built:
            self.build(x.shape)
        kernel, bias, version = self.kernel, self.bias, self.kernel.version
        K, part, F = kernel.shape
        first = self.data_format == "channels_first"
        seen = np.swapaxes(x, 1, 2) if first else x
        B, T, C = seen.shape
        if self.groups * part != C:
            raise ValueError(f"expected x with {self.groups * part} features, got {C} in shape {x.shape}")
        count = self.windows.count(T)
        columns = self._columns(seen, count)
        weights = self._by_group(kernel.value)
        z = np.matmul(columns, weights).transpose(1, 0, 2).reshape(B, count, F)
        if bias is not None:
            z += bias.value
        y, activation_pullback = self.activation.forward(np.swapaxes(z, 1, 2) if first else z)

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            if kernel.version != version:
                raise RuntimeError(f"{kernel.path} changed between forward and its pullback; run forward again")
            dz = activation_pullback(self.gradient_array(dy, y.shape))
            dz = (np.swapaxes(dz, 1, 2) if first else dz).reshape(-1, self.groups, F // self.groups)
            by_group = dz.transpose(1, 0, 2)
            with self._lock:  # threads may add to the same gradients
                dkernel, dbias = self.gradients((kernel, bias))
                if dkernel is not None:
                    # (groups, K part, F / groups) to (K, part, F)
                    dweights = np.matmul(columns.transpose(0, 2, 1), by_group)
                    dkernel += dweights.reshape(self.groups, K, part, -1).transpose(1, 2, 0, 3).reshape(K, part, F)
                if dbias is not None:
                    dbias += dz.reshape(-1, F).sum(axis=0)
            if not need_dx:
                return None
            dcolumns = np.matmul(by_group, weights.transpose(0, 2, 1))
            dx = self._add_up(dcolumns.reshape(self.groups, B, count, K, part), seen)
            return np.swapaxes(dx, 1, 2) if first else dx

        return y, pullback

    def _by_group(self, kernel: Array) -> Array:
        """The kernel as one matrix a group: (groups, K part, filters / groups)."""
        K, part, F = kernel.shape
        cut = kernel.reshape(K, part, self.groups, F // self.groups)
        return cut.transpose(2, 0, 1, 3).reshape(self.groups, K * part, F // self.groups)

    def _columns(self, x: Array, count: int) -> Array:
        """Every window of x (B, T, C) as a row, of one group's features: (groups, B count, K C / groups)."""
        B, _, C = x.shape
        taps = self.windows.taps(self.windows.pad(x), count)
        K, G = len(taps), self.groups
        if K == G == 1:
            return taps[0].reshape(1, B * count, C)
        columns = np.empty((G, B, count, K, C // G), x.dtype)
        for k, tap in enumerate(taps):
            columns[:, :, :, k] = tap.reshape(B, count, G, C // G).transpose(2, 0, 1, 3)
        return columns.reshape(G, B * count, K * (C // G))

    def _add_up(self, dcolumns: Array, x: Array) -> Array:
        """The way back: what each step of x gets from all windows that it is in."""
        G, B, count, _, part = dcolumns.shape
        dpadded = np.zeros_like(self.windows.pad(x), order="C")
        for k, dtap in enumerate(self.windows.taps(dpadded, count)):
            dtap += dcolumns[:, :, :, k].transpose(1, 2, 0, 3).reshape(B, count, G * part)
        return self.windows.unpad(dpadded, x.shape[1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": list(self.dilation_rate),
            "groups": self.groups,
            "activation": self.activation.name,
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


Convolution1D = Conv1D
