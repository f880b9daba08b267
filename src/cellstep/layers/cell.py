"""What the three cells share: weights, packed weights and their cache, one step by hand.

A cell owns `kernel` (I, G*H), `recurrent_kernel` (H, G*H) and `bias`; its subclass says which row of the kernel
contract it is. `RNN` runs it over sequences; `cell(x_t, states)` runs one step.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import activations, constraints, initializers, kernels, ops, random, regularizers
from .module import Module, Shape, not_built
from .variable import Variable

Array = NDArray[Any]


class RecurrentCell(Module):
    """Base of SimpleRNNCell, LSTMCell and GRUCell.

    Attributes:
        units, activation, use_bias, ...: as given to the constructor.
        kernel, recurrent_kernel, bias: the weights, once built; bias is None without `use_bias`.
        state_size: as in Keras, [units, units] for an LSTM and units for the others. output_size: units.
    """

    contract: ClassVar[kernels.Cell]
    #: Keys of `get_config` after name, trainable and dtype; each is an attribute.
    config_keys: ClassVar[tuple[str, ...]]

    kernel: Variable
    recurrent_kernel: Variable
    bias: Variable | None

    def __init__(
        self,
        units: int,
        *,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        name: str | None,
        dtype: Any,
        trainable: bool,
    ) -> None:
        super().__init__(name, dtype, trainable)
        self.units = ops.check_count("units", units)
        self.activation = activations.get_recurrent(activation, "activation")
        self.use_bias = ops.check_bool("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer, "kernel_regularizer")
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer, "recurrent_regularizer")
        self.bias_regularizer = regularizers.get(bias_regularizer, "bias_regularizer")
        self.kernel_constraint = constraints.get(kernel_constraint, "kernel_constraint")
        self.recurrent_constraint = constraints.get(recurrent_constraint, "recurrent_constraint")
        self.bias_constraint = constraints.get(bias_constraint, "bias_constraint")
        self.dropout = ops.check_rate("dropout", dropout)
        self.recurrent_dropout = ops.check_rate("recurrent_dropout", recurrent_dropout)
        not_built(0.0, recurrent_dropout=self.recurrent_dropout)
        self.seed = None if seed is None else random.check_seed(seed)
        self.generator = random.generator(self.seed)
        self._dropout_mask: Array | None = None

    @property
    def output_size(self) -> int:
        return self.units

    @property
    def state_size(self) -> int | list[int]:
        n = len(self.contract.states)
        return self.units if n == 1 else [self.units] * n

    def get_initial_state(self, batch_size: int) -> list[Array]:
        """Zeros (batch_size, units), one array a state."""
        return [np.zeros((batch_size, self.units), self.dtype) for _ in self.contract.states]

    def make_weights(self, input_shape: Shape) -> None:
        features = input_shape[-1] if input_shape else None
        if not features:
            raise ValueError(f"expected inputs with a known number of features, 1 or more, got shape {input_shape}")
        columns = self.contract.G * self.units
        self.kernel = self.add_weight(
            "kernel",
            (features, columns),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            "recurrent_kernel",
            (self.units, columns),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                self.bias_shape,
                self.initial_bias,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    @property
    def bias_shape(self) -> tuple[int, ...]:
        return self.contract.bias_shape(self.units)

    def initial_bias(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """The first values of the bias."""
        return self.bias_initializer(shape, dtype=dtype)

    @property
    def options(self) -> dict[str, Any]:
        """What `pack` takes besides the weights: names of activations, and flags."""
        values = {name: getattr(self, name) for name in self.contract.options}
        return {k: v.name if isinstance(v, activations.Activation) else v for k, v in values.items()}

    def packed(self, backward: bool) -> ops.Packed:
        """The weights packed for the active backend; packed again only when a weight or the backend changed.

        Threads may call this at once: what is cached is replaced whole, never written to, and the versions in its key
        are read before the values, so that values of an older version are never kept under a newer one.
        """
        backend = kernels.active()
        bias = self.bias
        versions = (self.kernel.version, self.recurrent_kernel.version, 0 if bias is None else bias.version)
        slot = "_cached_backward" if backward else "_cached_forward"
        cached: tuple[Any, Any, ops.Packed] | None = self.__dict__.get(slot)
        if cached is not None and cached[0] is backend and cached[1] == versions:
            return cached[2]
        packed = ops.pack(
            self.contract,
            self.kernel.value,
            self.recurrent_kernel.value,
            None if bias is None else bias.value,
            backward=backward,
            backend=backend,
            **self.options,
        )
        self.__dict__[slot] = (backend, versions, packed)
        return packed

    def __call__(self, inputs: Any, states: Any, training: bool = False) -> tuple[Array, Any]:
        """One step, by the compiled `step`; no gradient.

        Args:
            inputs: (B, I).
            states: a list of (B, units) arrays, one a state; a lone array where there is one.
            training: with `dropout` set, drop inputs; the mask is kept until `reset_dropout_mask`, so that a loop
                over time drops the same inputs at each step.

        Returns:
            The output (B, units) and the new states, in the form in which they came.

        Example:
            >>> cell = LSTMCell(4)
            >>> output, states = cell(np.ones((2, 3)), cell.get_initial_state(2))
        """
        if not self.built or (training and self.dropout > 0):
            inputs = ops.as_array("inputs", inputs, self.dtype, ("batch", self._features))
            self.build(inputs.shape)
        if training and self.dropout > 0:
            if self._dropout_mask is None or self._dropout_mask.shape != inputs.shape:
                self._dropout_mask = self.draw_dropout(inputs.shape)
            inputs = dropped(inputs, self._dropout_mask, self.dropout)
        new = ops.step(self.packed(backward=False), inputs, states, "inputs")
        return new[0], list(new) if isinstance(states, (list, tuple)) else new[0]

    @property
    def _features(self) -> int | str:
        return self.kernel.shape[0] if self.built else "features"

    def draw_dropout(self, shape: tuple[int, ...]) -> Array:
        """A new mask, True where an input is kept."""
        return np.asarray(self.generator.random(shape) >= self.dropout)

    def reset_dropout_mask(self) -> None:
        """Draw a new dropout mask at the next step in training."""
        self._dropout_mask = None

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for key in self.config_keys:
            value = getattr(self, key)
            if isinstance(value, activations.Activation):
                value = value.name
            elif key.endswith("_initializer"):
                value = initializers.serialize(value)
            elif key.endswith("_regularizer"):
                value = regularizers.serialize(value)
            elif key.endswith("_constraint"):
                value = constraints.serialize(value)
            config[key] = value
        return config


def check_implementation(implementation: Any, dropout: float) -> int:
    """Keras's hint of how to order the products, 1 or 2. Results do not depend on it, but for one thing: in Keras 1
    draws a dropout mask for each gate, which is not built."""
    if implementation not in (1, 2):
        raise ValueError(f"implementation must be 1 or 2, got {implementation!r}")
    if implementation == 1 and dropout > 0:
        raise NotImplementedError("implementation=1 with dropout (a mask for each gate) is not built yet; use 2")
    return int(implementation)


def dropped(x: Array, keep: Array, rate: float) -> Array:
    """x / (1 - rate) where kept, 0 elsewhere: NaN in a dropped place does not spread, rate 1 gives zeros.

    The same function maps the gradient of the result to that of x.
    """
    scale = x.dtype.type(1 / (1 - rate) if rate < 1 else 0)
    return np.asarray(np.where(keep, x * scale, x.dtype.type(0)))
