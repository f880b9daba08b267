"""What every module of cellstep.torch has beside torch.nn's: the layers that kernels run, and its states in a list."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .function import INSTEAD, taken
from .weights import CELLS, Layer, options_of, projected

if TYPE_CHECKING:
    from torch.nn import Module
else:
    Module = object


#: The attributes of a module that its layers are made by.
MADE_BY = frozenset(("bias", "bidirectional", "nonlinearity", "num_layers", "proj_size"))


class Layers(list[Layer]):
    """The layers of a module, with the names of its parameters. Copies and pickles of the module make their own."""

    names: Sequence[str] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return Layers, ()


@cache
def _left_out(forward: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which torch.compile calls and does not look into."""
    left_out: Callable[..., Any] = torch.compiler.disable(forward, reason="kernels of cellstep are compiled already")
    return left_out


class Runs(Module):
    """Beside a class of torch.nn, by whose name the cell is known."""

    _cellstep: Layers

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in MADE_BY:
            self.__dict__.pop("_cellstep", None)

    @classmethod
    def kind(cls) -> type:
        """The class of torch.nn that this one is."""
        return next(base for base in cls.__mro__ if base.__module__.startswith("torch.nn.modules"))

    def forward(self, input: Any, hx: Any = None) -> Any:
        run = type(self).run
        if "torch._dynamo" in sys.modules:  # which takes seconds to import, and is there where something is compiled
            run = _left_out(run)
        return run(self, input, hx)

    def run(self, input: Any, hx: Any) -> Any:
        """As torch.nn's `forward`."""
        raise NotImplementedError

    def suffixes(self) -> list[str]:
        """What the names of the parameters end with, for each layer and direction."""
        raise NotImplementedError

    def weights(self) -> tuple[Layers, list[Tensor]]:
        """The layers, made when they are first asked for, and the tensors of all of them."""
        layers = self.__dict__.get("_cellstep")
        if not layers:
            cell, suffixes = CELLS[self.kind().__name__.removesuffix("Cell")], self.suffixes()
            options, tensors = options_of(cell, self), ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
            del tensors[4 if self.bias else 2 :]
            if getattr(self, "proj_size", 0):
                cell, options = projected()
                tensors.append("weight_hr")
            layers = Layers(Layer(cell, options) for _ in suffixes)
            layers.names = [name + suffix for suffix in suffixes for name in tensors]
            self.__dict__["_cellstep"] = layers
        own = self._parameters
        try:
            return layers, [own[name] for name in layers.names]  # type: ignore[misc]
        except KeyError:  # some are computed of other parameters, as torch.nn.utils does
            return layers, [getattr(self, name) for name in layers.names]

    def states(self, hx: Any) -> list[Tensor]:
        """hx as a list of tensors, one a state, or an empty one for None."""
        if hx is None:
            return []
        cell = CELLS[self.kind().__name__.removesuffix("Cell")]
        n = len(cell.states)
        if n > 1 and (not isinstance(hx, (tuple, list)) or len(hx) != n):
            got = f"{len(hx)}" if isinstance(hx, (tuple, list)) else f"a {type(hx).__name__}"
            raise TypeError(f"expected hx to be {n} tensors ({', '.join(cell.state_names)}), got {got}")
        return [taken("hx", state) for state in (hx if n > 1 else [hx])]

    def check_dtypes(self, wanted: torch.dtype, tensors: Sequence[Tensor]) -> None:
        """ValueError where input or states have another dtype than the weights."""
        if any([tensor.dtype is not wanted for tensor in tensors]):
            got = ", ".join(str(tensor.dtype) for tensor in tensors)
            raise ValueError(f"expected input and hx of the weights' dtype, {wanted}, got {got}")

    def nested(self, states: Sequence[Tensor]) -> Any:
        """States as torch.nn has them: a tuple of several, or one alone."""
        return tuple(states) if len(states) > 1 else states[0]

    def __prepare_scriptable__(self) -> Any:
        raise RuntimeError(f"cellstep.torch cannot be compiled to TorchScript; {INSTEAD}")
