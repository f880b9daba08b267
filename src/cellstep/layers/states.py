"""The states of a layer: flat, one array a state, or nested, one list for each of the cells of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import core
from . import nested
from .runner import Array


def nest(runner: Any, flat: Sequence[Any]) -> list[Any]:
    """From one entry a state, as the cell itself has its states: a list, or for a stack one list for each cell."""
    return list(flat) if not is_stack(runner) else nested.pack(runner.nested_sizes, flat)


def is_stack(runner: Any) -> bool:
    """Whether states are nested by cell."""
    return hasattr(runner, "nested_sizes")


def given_states(
    runner: Any, states: Any, dtype: Any, B: int | str, way: str = "", argument: str = "initial_state"
) -> list[Array]:
    """The initial states that a caller gave, flat and cast. B may be a word, for any number of rows; `way` goes with
    their names in messages.

    Raises:
        ValueError, TypeError: too few, too many, or one that does not fit.
    """
    names, sizes = [f"{name} {way}".strip() for name in runner.state_names], runner.state_sizes
    flat = nested.flatten(states) if is_stack(runner) else states
    if not isinstance(flat, (list, tuple)):
        flat = [flat]
    if len(flat) != len(sizes):
        wanted = f"{len(sizes)} array{'s' if len(sizes) > 1 else ''} ({', '.join(names)})"
        got: Any = len(flat)
        if not isinstance(states, (list, tuple)) and not np.ndim(states):
            got = f"a {type(states).__name__}" if isinstance(states, dict) else core.brief(states)
        raise ValueError(f"expected {argument} to be {wanted}, got {got}")
    arrays: list[Array] = []
    for name, n, s in zip(names, sizes, flat, strict=True):
        arrays.append(core.contiguous(core.as_array(f"{argument} {name}", s, dtype, (B, n))))
        B = arrays[0].shape[0]
    return arrays


def gradients_like(runner: Any, states: Any, flat: list[Any]) -> list[Any]:
    """Gradients of initial states, in lists as the states of a stack were given."""
    return nested.pack(list(states), flat) if is_stack(runner) else flat


def split_gradients(runner: Any, dy: Any, dtype: Any, B: int) -> tuple[Any, list[Array | None]]:
    """From [gradient of the output, one of each final state, nested for a stack]: the first, and the others flat.

    Raises:
        ValueError, TypeError: dy is no such list, or an array does not fit.
    """
    names, sizes = runner.state_names, runner.state_sizes
    groups = nest(runner, sizes)
    if not isinstance(dy, (list, tuple)) or len(dy) != len(groups) + 1:
        got = f"{len(dy)}" if isinstance(dy, (list, tuple)) else type(dy).__name__
        raise ValueError(f"expected dy to be a list of {len(groups) + 1}, for the output and each state, got {got}")
    dy, *dlast = dy
    if is_stack(runner):
        pairs = zip(dlast, groups, strict=True)
        none = (nested.pack(group, [None] * len(nested.flatten(group))) if d is None else d for d, group in pairs)
        dlast = nested.flatten(list(none))
        if len(dlast) != len(sizes):
            raise ValueError(f"expected dy to have gradients of {len(sizes)} states, got {len(dlast)}")
    return dy, [
        None if d is None else core.as_array(f"the gradient of state {name}", d, dtype, (B, n))
        for d, name, n in zip(dlast, names, sizes, strict=True)
    ]


def with_rows(states: list[Array], rows: Any, first: list[Array]) -> list[Array]:
    """New states in which some rows are those of `first`; ValueError where there are no such rows."""
    chosen = core.check_rows(rows, states[0].shape[0])
    changed = [s.copy() for s in states]
    for state, value in zip(changed, first, strict=True):
        state[chosen] = value[chosen]
    return changed
