"""LSTM: gates i f c o, c' = f c + i act(zc), h' = o act(c')."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from .. import kernels
from ..activations import Activation
from ..configured import arguments_of
from .cell import Array, RecurrentCell
from .cell_layer import CellLayer, of_cell
from .module import NamedOptions


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
        weight_dropout: the share of numbers of recurrent_kernel dropped in training, one mask a call (DropConnect).
        zoneout: how likely a number of a state stays as it was in a step, for all states or one for each; outside of
            training so much of it stays. Such a layer runs step by step, from Python.
        seed: of the dropout; a new one where None.
        implementation: Keras's hint; results do not depend on it.
        name, dtype, trainable: as for every layer.

    Weights: kernel (I, 4 units), recurrent_kernel (units, 4 units), bias (4 units,). States: [h, c].

    Example:
        >>> cell = LSTMCell(4)
        >>> output, (h, c) = cell(np.ones((2, 3)), cell.get_initial_state(2))
    """

    contract = kernels.CELLS["lstm"]

    recurrent_activation: Activation
    unit_forget_bias: bool
    implementation: int

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
        weight_dropout: float = 0.0,
        zoneout: float | Sequence[float] = 0.0,
        **options: Unpack[NamedOptions],
    ) -> None:
        super().__init__(**arguments_of(locals()))

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

    cell_class = LSTMCell
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
        recompute: bool | int = False,
        weight_dropout: float = 0.0,
        zoneout: float | Sequence[float] = 0.0,
        **options: Unpack[NamedOptions],
    ) -> None:
        super().__init__(**arguments_of(locals()))
