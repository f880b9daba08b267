"""accelerate and restore: the recurrent modules inside a model become cellstep's, and again PyTorch's, in place."""

from __future__ import annotations

from typing import TypeVar

from torch import nn
from torch.nn.utils import parametrize

from .cells import GRUCell, LSTMCell, RNNCell
from .modules import GRU, LSTM, RNN
from .runs import Runs

M = TypeVar("M", bound=nn.Module)

OURS: dict[type, type] = {ours.kind(): ours for ours in (GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell)}
THEIRS: dict[type, type] = {ours: theirs for theirs, ours in OURS.items()}


def accelerate(module: M) -> M:
    """Run every nn.LSTM, nn.GRU, nn.RNN and their cells inside a model, or the model itself, on cellstep's kernels.

    The modules stay the objects that they are, of another class: parameters, hooks and names are the same, and
    optimizers that hold the parameters go on. Subclasses of a user's own are left alone.

    Returns:
        The module.

    Raises:
        TypeError: module is no nn.Module. ValueError: nothing in it can be accelerated.

    Example:
        >>> model = accelerate(nn.Sequential(nn.Embedding(9, 4), nn.GRU(4, 8)))
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"expected module to be a torch.nn.Module, got {type(module).__name__}")
    if not any([_swap(part, OURS) or isinstance(part, Runs) for part in module.modules()]):
        names = ", ".join(sorted(kind.__name__ for kind in OURS))
        raise ValueError(f"expected module to have one of torch.nn's {names} in it, got a {type(module).__name__}")
    return module


def restore(module: M) -> M:
    """Undo `accelerate`: every module of cellstep.torch inside a model is torch.nn's again.

    Returns:
        The module.

    Raises:
        TypeError: module is no nn.Module.

    Example:
        >>> model = restore(accelerate(nn.GRU(4, 8)))
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"expected module to be a torch.nn.Module, got {type(module).__name__}")
    for part in module.modules():
        if _swap(part, THEIRS):
            part.__dict__.pop("_cellstep", None)
    return module


def _swap(part: nn.Module, classes: dict[type, type]) -> bool:
    """Give a module the class that stands in the place of its own, if any, and say whether one does."""
    kind = type(part)
    if kind in classes:
        part.__class__ = classes[kind]
    elif parametrize.is_parametrized(part) and kind.__base__ in classes:
        # its computed weights are properties of a class that PyTorch has made for it
        own = {name: value for name, value in vars(kind).items() if name not in ("__dict__", "__weakref__")}
        part.__class__ = type(kind.__name__, (classes[kind.__base__],), own)
    else:
        return False
    return True
