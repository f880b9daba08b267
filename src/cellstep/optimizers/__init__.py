"""Optimizers, by class or by name, as in `keras.optimizers`.

optimizer = optimizers.Adam(1e-3, clipnorm=1.0)
optimizer.build(variables)     # once; moves them into flat buffers
optimizer.zero_grad()          # then for each step: add to each variable's `grad`, and
optimizer.apply()
"""

from __future__ import annotations

from typing import Any

from ..lookup import Lookup, absent, both
from . import schedules
from .base import Optimizer
from .numpy_rules import Adadelta, Adagrad, Adamax, Lamb, Lion, Nadam
from .rules import SGD, Adam, AdamW, RMSprop

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lamb",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

_LOOKUP: Lookup[Optimizer] = Lookup(
    "optimizer",
    Optimizer,
    {c.__name__.lower(): c for c in (SGD, Adam, RMSprop, AdamW, Nadam, Adamax, Adagrad, Adadelta, Lion, Lamb)},
)


def get(identifier: Any) -> Optimizer:
    """The optimizer for a name, in any case, with its defaults; for a configuration; or the optimizer itself.

    Raises:
        ValueError: no optimizer has this name; the message lists the names.
        TypeError: neither a name nor an Optimizer.
    """
    known = isinstance(identifier, str) and identifier.lower() in _LOOKUP.by_name
    return _LOOKUP.get(identifier.lower() if known else identifier)


serialize, deserialize = both(get)

absent(globals())
