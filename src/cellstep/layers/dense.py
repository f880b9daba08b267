"""Dense: y = activation(x kernel + bias), over the last axis."""

from __future__ import annotations

import warnings
from typing import Any, Unpack

from .. import activations, core
from ..configured import levels_to_user
from ..kernels import stages
from .base import Array
from .configuration import not_built
from .context import Applied, Context
from .matmul_layer import MatmulLayer
from .module import NamedOptions, Shape
from .variable import Variable


class Dense(MatmulLayer):
    """A fully connected layer on the last axis of inputs (B, ..., I).

    Args:
        units: the size of the outputs' last axis.
        activation: a name or an `Activation` from `activations`; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: whatever `initializers.get` takes.
        kernel_regularizer, bias_regularizer: whatever `regularizers.get` takes.
        kernel_constraint, bias_constraint: whatever `constraints.get` takes.
        activity_regularizer: likewise, for a penalty of the outputs over the number of rows.
        lora_*, quantization_config: not built; None.
        **options: name, dtype, trainable, as for every layer.

    Weights: kernel (I, units), bias (units,). A mask is passed on.

    Example:
        >>> layer = Dense(10, activation="softmax")
        >>> y, pullback = layer.forward(np.ones((2, 5)))
    """

    kernel: Variable
    bias: Variable | None

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        quantization_config: None = None,
        **options: Unpack[NamedOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **options)
        self.units = core.check_count("units", units)
        self.activation = activations.get(activation)
        if self.units == 1 and self.activation.name in ("softmax", "log_softmax"):
            warnings.warn(
                f"activation={self.activation.name!r} over units=1 gives a constant: use 'sigmoid', or 2 units",
                stacklevel=levels_to_user(),
            )
        self.use_bias = core.check_bool("use_bias", use_bias)
        self.keep_weight_arguments(locals())
        not_built(lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)

    def make_weights(self, input_shape: Shape) -> None:
        if len(input_shape) < 2 or not input_shape[-1]:
            raise ValueError(
                f"expected inputs of shape (batch, ..., features) with known features, got {core.describe(input_shape)}"
            )
        self.kernel = self.add_configured_weight("kernel", (input_shape[-1], self.units))
        self.bias = None
        if self.use_bias:
            self.bias = self.add_configured_weight("bias", (self.units,))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.same_features(input_shape[-1], self.kernel.shape[0] if self.built else None)
        return (*input_shape[:-1], self.units)

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """y (B, ..., units) for x (B, ..., I)."""
        x = self.input_array(x)
        if x.ndim < 2:
            raise ValueError(f"expected x of shape (batch, ..., features), got {x.shape}")
        if not self.built:
            self.build(x.shape)
        kernel = self.kernel
        if x.shape[-1] != kernel.buffer.shape[0]:
            raise ValueError(f"expected x of shape (batch, ..., {kernel.shape[0]}), got {x.shape}")
        version = kernel.version
        y, activation_pullback = self.multiply(x)

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            self.check_version(version)
            dz = activation_pullback(self.gradient_array(dy, y.shape))
            self.add_gradients(x, dz)
            return self.matrix(backward=True).multiply(dz) if need_dx else None

        return y, mask, pullback

    def reach(self, rank: int) -> str:
        return "step" if rank > 2 else "sequence"

    def stages(self) -> list[stages.Stage]:
        activation = activations.for_kernels(self.activation, stages.STREAMED)
        return [stages.Dense(self.kernel.value, None if self.bias is None else self.bias.value, activation)]
