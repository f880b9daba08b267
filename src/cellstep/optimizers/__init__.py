"""Optimizers, by class or by name, as in `keras.optimizers`.

optimizer = optimizers.Adam(1e-3, clipnorm=1.0)
optimizer.build(variables)     # once; moves them into flat buffers
optimizer.zero_grad()          # then for each step: add to each variable's `grad`, and
optimizer.apply()
"""

from __future__ import annotations

from .base import Optimizer
from .rules import SGD, Adam, RMSprop

__all__ = ["SGD", "Adam", "Optimizer", "RMSprop", "get"]

_BY_NAME: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "rmsprop": RMSprop}


def get(identifier: str | Optimizer) -> Optimizer:
    """The optimizer for a name, in any case, with its defaults; or the optimizer itself.

    Raises:
        ValueError: no optimizer has this name; the message lists the names.
        TypeError: neither a name nor an Optimizer.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        if identifier.lower() in _BY_NAME:
            return _BY_NAME[identifier.lower()]()
        raise ValueError(f"optimizer must be one of {', '.join(_BY_NAME)}, got {identifier!r}")
    raise TypeError(f"optimizer must be a name or a cellstep.optimizers.Optimizer, got {identifier!r}")
