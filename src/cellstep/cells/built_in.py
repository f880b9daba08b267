"""The built-in cells as their equations, for what is made of equations alone: derivatives along a direction."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..configured import hook
from .cell import Cell


@cache
def _classes() -> dict[str, type[Cell]]:
    class WrittenRNN(Cell):
        gates = "n"
        activation: Any = "tanh"

        @hook
        def step(self, z: Any, h: Any) -> Any:
            return 1.0 * self.activation(z.n)

    class WrittenLSTM(Cell):
        gates = "i f c o"
        states = "h c"
        activation: Any = "tanh"
        recurrent_activation: Any = "sigmoid"

        @hook
        def step(self, z: Any, h: Any, c: Any) -> Any:
            gate = self.recurrent_activation
            c = gate(z.f) * c + gate(z.i) * self.activation(z.c)
            return gate(z.o) * self.activation(c), c

    class WrittenGRU(Cell):
        gates = "z r n"
        activation: Any = "tanh"
        recurrent_activation: Any = "sigmoid"
        reset_after = True

        @hook
        def step(self, z: Any, h: Any) -> Any:
            u, r = self.recurrent_activation(z.z), self.recurrent_activation(z.r)
            of_h = r * z.h.n if self.reset_after else self.product(r * h, "n")
            return u * h + (1 - u) * self.activation(z.x.n + of_h)

    return {"rnn": WrittenRNN, "lstm": WrittenLSTM, "gru": WrittenGRU}


def equations_of(cell: Any) -> Any:
    """The equations of a cell.

    Raises:
        NotImplementedError: it has none that are known, or an activation that kernels do not have.
    """
    row, options = cell.contract, cell.options
    unknown = [name for name, value in options.items() if name in row.activations and not isinstance(value, str)]
    if unknown or (row.equations is None and row.name not in _classes()):
        raise NotImplementedError(f"expected a cell of known equations, got {cell.name!r}, a {type(cell).__name__}")
    return row.equations if row.equations is not None else _classes()[row.name].row(options).equations
