"""What objects are made of: the modules and arrays that are their attributes, and a count of its changes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from typing import Any, TypeVar, cast

import numpy as np

Held = TypeVar("Held")

#: What attributes may be set to without changing what the object of a user's class is made of.
VALUES = frozenset((type(None), int, float, str, np.ndarray))
#: Attributes that calls set again and again.
MOVING = frozenset(
    (
        *(
            "states",
            "carried",
            "carry_at",
            "_dropout_mask",
            "_recurrent_dropout_mask",
            "_weight_dropout_mask",
            "history",
        ),
        *("stop_training", "stop_evaluating", "stop_predicting"),
    )
)


#: The attribute of modules that are watched; like caches it does not travel with copies.
WATCHED = "_cached_watched"


class Structure:
    """What modules are made of, as far as something that is remembered depends on it.

    Attributes:
        version: a number that changes whenever a watched module may have changed otherwise than in the values of
            weights and states.
    """

    def __init__(self) -> None:
        self._versions = itertools.count(1)
        self.version = 0

    def changed(self) -> None:
        """Give it a version that was never there before, whatever threads do."""
        self.version = next(self._versions)

    def watch(self, modules: Iterable[Any]) -> int:
        """Count the changes of these modules from now on; gives the version now. Until someone asks for it, setting an
        attribute of a module costs little: modules that are made set dozens."""
        for module in modules:
            vars(module)[WATCHED] = True
        return self.version


structure = Structure()


def held(owner: Any, kind: type[Held]) -> list[Held]:
    """The objects of a class that are attributes of an object, alone or in a list, tuple or dictionary of such."""
    values, wanted = list(vars(owner).values()), cast(Any, kind)
    alone, lists, dictionaries = _places(tuple(map(type, values)), wanted)
    objects = [values[i] for i in alone]
    for parts in [values[i] for i in lists] + [list(values[i].values()) for i in dictionaries]:
        if parts and isinstance(parts[0], kind):
            objects += [part for part in parts if isinstance(part, kind)]
    return objects


@functools.lru_cache(maxsize=1000)
def _places(classes: tuple[type, ...], kind: Any) -> tuple[list[int], list[int], list[int]]:
    """Which values of these classes are objects of a class, and which lists, tuples and dictionaries may hold such.
    Each step of training asks, of the same classes."""

    def those(kinds: Any, besides: Any = ()) -> list[int]:
        return [i for i, one in enumerate(classes) if issubclass(one, kinds) and not issubclass(one, besides)]

    return those(kind), those((list, tuple), kind), those(dict, kind)
