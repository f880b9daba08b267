"""GRU: gates z r h, h' = z h + (1 - z) hh, with the reset gate after or before the recurrent product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from .. import kernels
from ..activations import Activation
from ..configured import arguments_of
from .cell import RecurrentCell
from .cell_layer import CellLayer, of_cell
from .module import NamedOptions


class GRUCell(RecurrentCell):
    """One step of a GRU. With W = kernel, U = recurrent_kernel, each cut into the parts z, r, h:

        z, r = recurrent_activation(x W + b + h U), parts z and r
        hh = activation(x Wh + b0h + r * (h Uh + b1h))    with reset_after
        hh = activation(x Wh + bh + (r * h) Uh)           without
        h' = z h + (1 - z) hh

    Args:
        units: the size of h.
        activation, recurrent_activation: names or `Activation`s from `activations`; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: whatever `initializers.get` takes.
        *_regularizer, *_constraint: whatever `regularizers.get` and `constraints.get` take.
        dropout: the share of inputs dropped in training, one mask for all gates and steps.
        recurrent_dropout: the share of h dropped in training before products with recurrent_kernel, one mask for all
            gates and steps.
        reset_after: apply the reset gate after the recurrent product (cuDNN's and PyTorch's form), or before it.
        weight_dropout: the share of numbers of recurrent_kernel dropped in training, one mask a call (DropConnect).
        zoneout: how likely a number of a state stays as it was in a step, for all states or one for each; outside of
            training so much of it stays. Such a layer runs step by step, from Python.
        seed: of the dropout; a new one where None.
        implementation: Keras's hint; results do not depend on it.
        name, dtype, trainable: as for every layer.

    Weights: kernel (I, 3 units), recurrent_kernel (units, 3 units), bias (2, 3 units) with reset_after, row 0 for x and
    row 1 for h, else (3 units,).

    Example:
        >>> cell = GRUCell(4)
        >>> output, (h,) = cell(np.ones((2, 3)), cell.get_initial_state(2))
    """

    contract = kernels.CELLS["gru"]

    recurrent_activation: Activation
    reset_after: bool
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
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        *,
        implementation: int = 2,
        weight_dropout: float = 0.0,
        zoneout: float | Sequence[float] = 0.0,
        **options: Unpack[NamedOptions],
    ) -> None:
        super().__init__(**arguments_of(locals()))


class GRU(CellLayer):
    """A GRU over sequences: arguments of GRUCell, then those of RNN.

    Args:
        use_cudnn: "auto" or False, which both mean this library's kernels.
        num_layers: how many layers of GRU lie on top of each other, each with the arguments given, dropout of its
            inputs too; the states are then one list for each.

    Example:
        >>> layer = GRU(8)
        >>> y, pullback = layer.forward(np.ones((2, 5, 3)), lengths=[5, 2])
        >>> dx = pullback(np.ones_like(y))
    """

    cell_class = GRUCell
    recurrent_activation = of_cell("recurrent_activation")
    reset_after = of_cell("reset_after")
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
        reset_after: bool = True,
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
