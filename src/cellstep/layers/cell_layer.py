"""SimpleRNN, LSTM and GRU: an RNN that makes its own cell and shows the cell's attributes as its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from .. import core, kernels
from ..lookup import snake_case
from .cell import RecurrentCell
from .configuration import check_config, check_cudnn, check_seed
from .recurrent import RNN
from .stacked_rnn_cells import StackedRNNCells


def of_cell(name: str) -> Any:
    """A read-only attribute that is the cell's, or with several layers the first one's."""
    return property(lambda self: getattr(self.first_cell, name), doc=f"The cell's `{name}`.")


class CellLayer(RNN):
    """An RNN over a cell of its own, configured as one layer.

    Its constructor takes the arguments of the cell and those of RNN, and
        num_layers: how many cells lie on top of each other; of the dropout's seed each further one has the next number.
    """

    cell_class: ClassVar[type[RecurrentCell]]
    config_keys = ()  # a subclass's constructor names them all
    _unwritten_defaults: ClassVar[Mapping[str, Any]] = {
        **RNN._unwritten_defaults,
        "num_layers": 1,
        "weight_dropout": 0.0,
        "zoneout": 0.0,
        "use_cudnn": "auto",
        "implementation": 2,
    }

    def __init__(self, **arguments: Any) -> None:
        if "cell" in arguments:
            raise TypeError(f"{type(self).__name__} takes no argument 'cell'; RNN runs a cell that is given")
        self.num_layers = core.check_count("num_layers", arguments.pop("num_layers"))
        if "use_cudnn" in arguments:
            self.use_cudnn = check_cudnn("use_cudnn", arguments.pop("use_cudnn"))
        of_cell = {key: arguments.pop(key) for key in self.cell_class.config_keys}
        of_cell |= {key: arguments[key] for key in ("dtype", "trainable") if key in arguments}
        arguments.pop("dtype", None)
        seed, name = check_seed("seed", of_cell.pop("seed")), snake_case(self.cell_class.__name__)
        cells = [
            self.cell_class(name=f"{name}_{i}" if i else name, seed=None if seed is None else seed + i, **of_cell)
            for i in range(self.num_layers)
        ]
        super().__init__(cells[0] if self.num_layers == 1 else StackedRNNCells(cells, name="cells"), **arguments)

    @property
    def first_cell(self) -> Any:
        """The cell; with several layers the first one's."""
        return self.cell if self.num_layers == 1 else self.cell.cells[0]

    units: int = of_cell("units")
    activation = of_cell("activation")
    use_bias: bool = of_cell("use_bias")
    kernel_initializer = of_cell("kernel_initializer")
    recurrent_initializer = of_cell("recurrent_initializer")
    bias_initializer = of_cell("bias_initializer")
    kernel_regularizer = of_cell("kernel_regularizer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_regularizer = of_cell("bias_regularizer")
    kernel_constraint = of_cell("kernel_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")
    bias_constraint = of_cell("bias_constraint")
    dropout: float = of_cell("dropout")
    recurrent_dropout: float = of_cell("recurrent_dropout")
    weight_dropout: float = of_cell("weight_dropout")
    zoneout = of_cell("zoneout")
    seed: int | None = of_cell("seed")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        check_config(cls, config)
        return cls(**config)


def layers_of_cells() -> dict[str, Callable[..., Any]]:
    """The layer, built in or a user's, of each cell in `kernels.CELLS` that has one."""
    layers = CellLayer.__subclasses__()
    for layer in layers:
        layers += layer.__subclasses__()
    return {
        layer.cell_class.contract.name: layer
        for layer in reversed(layers)
        if kernels.CELLS.get(layer.cell_class.contract.name) is layer.cell_class.contract
    }


def layer_of(cell: str) -> Callable[..., Any]:
    """The layer, built in or a user's, that runs the cell of this name in `kernels.CELLS`.

    Raises:
        ValueError: there is none.
    """
    known = layers_of_cells()
    if cell not in known:
        raise ValueError(f"cell must be one that has a layer, {', '.join(sorted(known))}, got {cell!r}")
    return known[cell]
