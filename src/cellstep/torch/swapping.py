"""accelerate and restore: the recurrent modules inside a model become cellstep's, and again PyTorch's, in place."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from .cells import GRUCell, LSTMCell, RNNCell
from .modules import GRU, LSTM, RNN

M = TypeVar("M", bound=nn.Module)

OURS = {ours.kind(): ours for ours in (GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell)}


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
    found = [part for part in module.modules() if type(part) in OURS]
    if not found and not any(type(part) in OURS.values() for part in module.modules()):
        names = ", ".join(sorted(kind.__name__ for kind in OURS))
        raise ValueError(f"expected module to have one of torch.nn's {names} in it, got a {type(module).__name__}")
    for part in found:
        part.__class__ = OURS[type(part)]
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
        if type(part) in OURS.values():
            part.__dict__.pop("_cellstep", None)
            part.__class__ = type(part).kind()
    return module
