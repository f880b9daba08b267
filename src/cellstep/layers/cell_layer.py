"""SimpleRNN, LSTM and GRU: an RNN that makes its own cell and shows the cell's attributes as its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from .. import ops, random, regularizers
from .cell import RecurrentCell
from .module import check_config
from .recurrent import RNN
from .stacked_rnn_cells import StackedRNNCells


def of_cell(name: str) -> Any:
    """A read-only attribute that is the cell's, or with several layers the first one's."""
    return property(lambda self: getattr(self.first_cell, name), doc=f"The cell's `{name}`.")


class CellLayer(RNN):
    """An RNN over a cell of its own, configured as one layer.

    Args:
        make_cell: makes one cell, given its name and seed.
        cell_name: the name of the first cell.
        num_layers: how many cells lie on top of each other.
        seed: of the first cell's dropout; each further one has the next number.
        **of_layer: arguments of RNN.
    """

    def __init__(
        self,
        make_cell: Callable[..., RecurrentCell],
        cell_name: str,
        num_layers: int,
        seed: int | None,
        **of_layer: Any,
    ) -> None:
        self.num_layers = ops.check_count("num_layers", num_layers)
        first = None if seed is None else random.check_seed(seed)
        cells = [
            make_cell(name=f"{cell_name}_{i}" if i else cell_name, seed=None if first is None else first + i)
            for i in range(self.num_layers)
        ]
        super().__init__(cells[0] if self.num_layers == 1 else StackedRNNCells(cells, name="cells"), **of_layer)

    @property
    def first_cell(self) -> Any:
        """The cell; with several layers the first one's."""
        return self.cell if self.num_layers == 1 else self.cell.cells[0]

    units = of_cell("units")
    activation = of_cell("activation")
    use_bias = of_cell("use_bias")
    kernel_initializer = of_cell("kernel_initializer")
    recurrent_initializer = of_cell("recurrent_initializer")
    bias_initializer = of_cell("bias_initializer")
    kernel_regularizer = of_cell("kernel_regularizer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_regularizer = of_cell("bias_regularizer")
    kernel_constraint = of_cell("kernel_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")
    bias_constraint = of_cell("bias_constraint")
    dropout = of_cell("dropout")
    recurrent_dropout = of_cell("recurrent_dropout")
    seed = of_cell("seed")

    def get_config(self) -> dict[str, Any]:
        own = self.first_cell
        config = {key: value for key, value in own.get_config().items() if key in own.config_keys}
        config |= {"num_layers": self.num_layers} if self.num_layers > 1 else {}
        return {**self._flags(), **config, "activity_regularizer": regularizers.serialize(self.activity_regularizer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        check_config(cls, config)
        return cls(**config)


def check_cudnn(use_cudnn: Any) -> Any:
    """Keras's `use_cudnn`: "auto" and False both mean this library's kernels; True asks for what a CPU has not."""
    if use_cudnn is True:
        raise NotImplementedError("use_cudnn=True is not built: cellstep runs on CPUs; expected 'auto' or False")
    if use_cudnn is not False and use_cudnn != "auto":
        raise ValueError(f"use_cudnn must be 'auto' or False, got {use_cudnn!r}")
    return use_cudnn
