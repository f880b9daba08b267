"""The initial states of recurrent operators: zeros, vectors that all rows share, or tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import ops
from ..importer import Importer
from ..reading import Operator, Unsupported
from ..sizes import Dim
from ..views import Spread, is_array
from .moving import select


def first_state(g: Importer, node: Operator, i: int, what: Any, batch: Any) -> Any:
    """An initial state (directions, batch, units), or of layout 1 with the batch first; None for zeros."""
    value = g.maybe(node, i)
    if value is None or (isinstance(value, Spread) and value.zero):
        return None
    if is_array(value) and value.dtype != object and not value.any():
        return None
    if g.ndim(value) != 3 or g.dims(value)[1 if what.layout else 0] != what.D:
        raise Unsupported(f"an initial state must have {what.D} directions and three axes, got {g.dims(value)}")
    return value


def as_weights(given: list[Any], what: Any, dtype: Any) -> list[list[Any]] | None:
    """The initial states as weights, one vector a state for each direction, where all rows begin alike; else None."""
    if all(value is None for value in given):
        return None
    found: list[list[Any]] = [[] for _ in range(what.D)]
    for value in given:
        if value is None:
            vectors: Any = np.zeros((what.D, what.H), dtype)
        elif isinstance(value, Spread):
            full = value.array.reshape((1,) * (3 - value.array.ndim) + value.array.shape)
            full = full.transpose(1, 0, 2) if what.layout else full
            if full.shape[1] != 1:
                return None
            vectors = np.broadcast_to(full[:, 0], (what.D, what.H))
        else:
            return None
        for d in range(what.D):
            found[d].append(np.array(vectors[d], dtype))
    return found


def as_tensors(g: Importer, given: list[Any], what: Any, x: Any, batch: Any) -> list[Any]:
    """One (batch, units) a state, for one direction after the other."""
    axis = 1 if what.layout else 0
    states = []
    for d in range(what.D):
        for value in given:
            if value is None:
                first = next(v for v in given if v is not None)
                part = g.tensor(select(g, first, axis, d))
                states.append(np.zeros_like(part) if is_array(part) else ops.zeros_like(part))
            else:
                states.append(g.tensor(select(g, value, axis, d)))
    if all(map(is_array, states)) or is_array(x):
        return states
    rows = ops.zeros_like(next(s for s in states if not is_array(s)))
    states = [s[:1] if is_array(s) and (s == s[:1]).all() else s for s in states]
    if isinstance(batch, Dim) and any(is_array(s) and len(s) > 1 for s in states):
        raise Unsupported("an initial state must be for any number of rows, as X is, got constants of several rows")
    return [rows + s if is_array(s) else s for s in states]
