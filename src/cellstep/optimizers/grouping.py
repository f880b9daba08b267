"""Grouping: which variables an optimizer updates together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from .flat import Flat, State, Trainable
from .table import RowTrainable, Table


def group(
    variables: Sequence[Trainable], slots: Mapping[str, float], states: Mapping[Trainable, State]
) -> list[Flat | Table]:
    """One Flat for the variables of each dtype that have taken part in the same number of steps; a Table for each
    variable that says of itself that its gradients are of few rows.

    Args:
        variables: their order is kept; one that is given twice is taken once.
        slots: the names of the slots, and what they hold for a variable that is not in `states`.
        states: what there is for variables already; it is copied.
    """
    alike: dict[tuple[np.dtype[Any], int, int], list[Trainable]] = {}
    for i, variable in enumerate(dict.fromkeys(variables)):
        calls = states[variable].calls if variable in states else 0
        alone = i + 1 if getattr(variable, "by_rows", False) else 0
        alike.setdefault((np.dtype(variable.dtype), calls, alone), []).append(variable)
    held = [
        Table(cast(RowTrainable, members[0]), slots, calls) if alone else Flat(dtype, members, slots, calls)
        for (dtype, calls, alone), members in alike.items()
    ]
    for one in held:
        for variable, at in zip(one.variables, one.segments, strict=True):
            if variable in states:
                before = states[variable].slots
                for name, array in one.slots.items():
                    array[at] = before.get(name, slots[name])
    return held
