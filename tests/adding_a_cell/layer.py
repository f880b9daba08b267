"""The cell and its layer: constructors. Weights, options, states and all else follow from the row."""

from __future__ import annotations

from typing import Any

from cellstep.configured import arguments_of
from cellstep.layers import RecurrentCell
from cellstep.layers.cell_layer import CellLayer

from .row import ROW


class PeepLSTMCell(RecurrentCell):
    """One step of an LSTM whose gates see c."""

    contract = ROW

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**arguments_of(locals()))


class PeepLSTM(CellLayer):
    """An LSTM with peepholes over sequences."""

    cell_class = PeepLSTMCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        num_layers: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(**arguments_of(locals()))
