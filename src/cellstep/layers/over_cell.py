"""SimpleRNN, LSTM and GRU: an RNN that makes its own cell and shows the cell's attributes as its own."""

from __future__ import annotations

from typing import Any, Self

from .recurrent import RNN


def of_cell(name: str) -> Any:
    """A read-only attribute that is the cell's."""
    return property(lambda self: getattr(self.cell, name), doc=f"The cell's `{name}`.")


class OverCell(RNN):
    """An RNN over a cell of its own, configured as one layer. A subclass makes the cell in its constructor."""

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
        cell = {key: value for key, value in self.cell.get_config().items() if key in self.cell.config_keys}
        return {**self._flags(), **cell, "activity_regularizer": None}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


def check_cudnn(use_cudnn: Any) -> Any:
    """Keras's `use_cudnn`: "auto" and False both mean this library's kernels; True asks for what a CPU has not."""
    if use_cudnn is True:
        raise NotImplementedError("use_cudnn=True is not built: cellstep runs on CPUs; expected 'auto' or False")
    if use_cudnn is not False and use_cudnn != "auto":
        raise ValueError(f"use_cudnn must be 'auto' or False, got {use_cudnn!r}")
    return use_cudnn
