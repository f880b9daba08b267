"""Resting: what an optimizer keeps for variables that it does not train at present, as long as these exist."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from functools import partial
from typing import Any

from .flat import State, Trainable


class Resting:
    """States by variable; variables are told apart by which they are, as their `==` compares values."""

    def __init__(self, states: Mapping[Trainable, State] | None = None) -> None:
        kept: dict[int, tuple[weakref.ref[Trainable], State]] = {}
        for variable, state in (states or {}).items():
            kept[id(variable)] = weakref.ref(variable, partial(_drop, kept, id(variable))), state
        self._kept = kept

    def states(self) -> dict[Trainable, State]:
        """The states of those that still exist."""
        pairs = [(reference(), state) for reference, state in list(self._kept.values())]
        return {variable: state for variable, state in pairs if variable is not None}


def _drop(kept: dict[int, Any], number: int, _: Any) -> None:
    """Forget a variable that is gone."""
    kept.pop(number, None)
