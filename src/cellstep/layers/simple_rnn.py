"""SimpleRNN: h = act(x W + b + h U)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from .. import kernels
from ..configured import arguments_of
from .cell import RecurrentCell
from .cell_layer import CellLayer
from .module import NamedOptions


class SimpleRNNCell(RecurrentCell):
    """One step of a SimpleRNN: h = act(x kernel + bias + h recurrent_kernel).

    Args:
        units: the size of h.
        activation: a name or an `Activation` from `activations`; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: whatever `initializers.get` takes.
        *_regularizer, *_constraint: whatever `regularizers.get` and `constraints.get` take.
        dropout: the share of inputs dropped in training.
        recurrent_dropout: the share of h dropped in training before products with recurrent_kernel, one mask for all
            gates and steps.
        weight_dropout: the share of numbers of recurrent_kernel dropped in training, one mask a call (DropConnect).
        zoneout: how likely a number of a state stays as it was in a step, for all states or one for each; outside of
            training so much of it stays. Such a layer runs step by step, from Python.
        seed: of the dropout; a new one where None.
        name, dtype, trainable: as for every layer.

    Weights: kernel (I, units), recurrent_kernel (units, units), bias (units,).

    Example:
        >>> cell = SimpleRNNCell(4)
        >>> output, states = cell(np.ones((2, 3)), cell.get_initial_state(2))
    """

    contract = kernels.CELLS["rnn"]

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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
        weight_dropout: float = 0.0,
        zoneout: float | Sequence[float] = 0.0,
        **options: Unpack[NamedOptions],
    ) -> None:
        super().__init__(**arguments_of(locals()))


class SimpleRNN(CellLayer):
    """A SimpleRNN over sequences: arguments of SimpleRNNCell, then those of RNN.

    Args:
        num_layers: how many layers of SimpleRNN lie on top of each other, each with the arguments given, dropout of its
            inputs too; the states are then one list for each.

    Example:
        >>> layer = SimpleRNN(8, return_sequences=True)
        >>> y, pullback = layer.forward(np.ones((2, 5, 3)))
        >>> dx = pullback(np.ones_like(y))
    """

    cell_class = SimpleRNNCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        *,
        zero_output_for_mask: bool = False,
        num_layers: int = 1,
        trainable_initial_state: bool = False,
        recompute: bool | int = False,
        weight_dropout: float = 0.0,
        zoneout: float | Sequence[float] = 0.0,
        **options: Unpack[NamedOptions],
    ) -> None:
        super().__init__(**arguments_of(locals()))
