"""LSTM: gates i f c o, c' = f c + i act(zc), h' = o act(c')."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .. import activations, kernels, ops
from .cell import Array, RecurrentCell, check_implementation
from .cell_layer import CellLayer, check_cudnn, of_cell
from .module import without_defaults


class LSTMCell(RecurrentCell):
    """One step of an LSTM. With z = x kernel + bias + h recurrent_kernel, cut into zi, zf, zc, zo:

        i, f, o = recurrent_activation(zi, zf, zo)
        c' = f c + i activation(zc)
        h' = o activation(c')

    Args:
        units: the size of h and of c.
        activation, recurrent_activation: names or `Activation`s from `activations`; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: whatever `initializers.get` takes.
        unit_forget_bias: begin the forget gate's bias at 1, and the other gates' as bias_initializer says.
        *_regularizer, *_constraint: whatever `regularizers.get` and `constraints.get` take.
        dropout: the share of inputs dropped in training, one mask for all gates and steps.
        recurrent_dropout: the share of h dropped in training before products with recurrent_kernel, one mask for all
            gates and steps.
        seed: of the dropout; a new one where None.
        implementation: Keras's hint; results do not depend on it.
        name, dtype, trainable: as for every layer.

    Weights: kernel (I, 4 units), recurrent_kernel (units, 4 units), bias (4 units,). States: [h, c].

    Example:
        >>> cell = LSTMCell(4)
        >>> output, (h, c) = cell(np.ones((2, 3)), cell.get_initial_state(2))
    """

    contract = kernels.CELLS["lstm"]
    config_keys = (
        *("units", "activation", "recurrent_activation", "use_bias"),
        *("kernel_initializer", "recurrent_initializer", "bias_initializer", "unit_forget_bias"),
        *("kernel_regularizer", "recurrent_regularizer", "bias_regularizer"),
        *("kernel_constraint", "recurrent_constraint", "bias_constraint"),
        *("dropout", "recurrent_dropout", "seed", "implementation"),
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        *,
        implementation: int = 2,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            name=name,
            dtype=dtype,
            trainable=trainable,
        )
        self.recurrent_activation = activations.get(recurrent_activation, "recurrent_activation")
        self.unit_forget_bias = ops.check_bool("unit_forget_bias", unit_forget_bias)
        self.implementation = check_implementation(implementation)

    def initial_bias(self, shape: tuple[int, ...], dtype: Any) -> Array:
        u = self.units
        if not self.unit_forget_bias:
            return super().initial_bias(shape, dtype)
        # i, f, and c with o, each by a call of its own, as Keras does it
        i, co = self.bias_initializer((u,), dtype=dtype), self.bias_initializer((2 * u,), dtype=dtype)
        return np.concatenate([i, np.ones(u, dtype), co])


class LSTM(CellLayer):
    """An LSTM over sequences: arguments of LSTMCell, then those of RNN.

    Args:
        use_cudnn: "auto" or False, which both mean this library's kernels.
        num_layers: how many layers of LSTM lie on top of each other, each with the arguments given, dropout of its
            inputs too; the states are then one list for each.

    Example:
        >>> layer = LSTM(8, return_state=True)
        >>> (y, h, c), pullback = layer.forward(np.ones((2, 5, 3)))
        >>> dx = pullback([np.ones_like(y), None, None])
    """

    recurrent_activation = of_cell("recurrent_activation")
    unit_forget_bias = of_cell("unit_forget_bias")
    implementation = of_cell("implementation")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        *,
        implementation: int = 2,
        zero_output_for_mask: bool = False,
        num_layers: int = 1,
        trainable_initial_state: bool = False,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        make_cell = partial(
            LSTMCell,
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            implementation=implementation,
            dtype=dtype,
            trainable=trainable,
        )
        super().__init__(
            make_cell,
            "lstm_cell",
            num_layers,
            seed,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            trainable_initial_state=trainable_initial_state,
            activity_regularizer=activity_regularizer,
            name=name,
            trainable=trainable,
        )
        self.use_cudnn = check_cudnn(use_cudnn)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | without_defaults(use_cudnn=(self.use_cudnn, "auto"))
