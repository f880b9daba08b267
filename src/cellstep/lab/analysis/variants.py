"""A model as it is, with another forget bias, and after some updates: side by side, each put back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np

from ...models import Model
from ...models.rollback import unchanged
from ..cell_rows import keeping_gate
from .traced_cells import Place, places

#: Rows in a batch of the updates.
BATCH = 32


@contextmanager
def _kept(weights: list[Any]) -> Iterator[None]:
    before = [(weight, weight.numpy().copy()) for weight in weights]
    try:
        yield
    finally:
        for weight, value in before:
            weight.assign(value)


def updates_done(model: Any) -> int | None:
    """How many updates the optimizer of a compiled model has made; None of anything else."""
    optimizer = getattr(model, "optimizer", None) if isinstance(model, Model) else None
    return None if optimizer is None else int(optimizer.iterations)


def _biased(place: Place) -> bool:
    """Whether a cell has a gate that keeps, and a bias for it."""
    return keeping_gate(place.row) is not None and bool(place.cell.use_bias)


@contextmanager
def variant(model: Any, x: Any, y: Any, forget_bias: float | None, updates: int) -> Iterator[None]:
    """The model with this bias of the gates that keep (None: as it is), after so many updates, within the block.

    The updates are those of a new optimizer with the settings of the model's, in batches of BATCH rows.
    """
    with _kept(list(model.weights)):
        if forget_bias is not None:
            for place in places(model):
                if _biased(place):
                    _set_forget_bias(place, forget_bias)
        if updates:
            _train(model, x, y, updates)
        yield


def _set_forget_bias(place: Place, value: float) -> None:
    keep = keeping_gate(place.row)
    assert keep is not None
    assert place.cell.bias is not None
    first = place.row.gates.index(keep) * place.cell.units
    bias = place.cell.bias.numpy().copy()
    # of a GRU that resets after the product two biases are added: the second is 0
    rows = bias.reshape(-1, bias.shape[-1])
    rows[:, first : first + place.cell.units] = 0
    rows[0, first : first + place.cell.units] = value
    place.cell.bias.assign(bias)


def _train(model: Any, x: Any, y: Any, updates: int) -> None:
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    x, y = np.asarray(x), np.asarray(y)
    rng = np.random.default_rng(0)
    size = min(BATCH, len(x))
    with unchanged(model):
        for _ in range(updates):
            rows = rng.choice(len(x), size, replace=False)
            gradients = model.gradients(x[rows], y[rows])[0]
            optimizer.apply(list(gradients.values()), model.trainable_weights)


def checked(models: list[Any], y: Any, forget_bias: float | None, updates: int) -> list[tuple[float | None, int, str]]:
    """What to look at: forget bias, updates, and what labels say of it; first the models as they are.

    Raises:
        ValueError: updates without y, or a forget bias for cells that have none.
    """
    if updates and y is None:
        raise ValueError(f"y must be given for updates={updates}: a net learns from targets")
    if forget_bias is not None and not any(_biased(place) for model in models for place in places(model)):
        raise ValueError(f"forget_bias={forget_bias} needs a cell with a gate that keeps and a bias, got none")
    biases = [None] if forget_bias is None else [None, forget_bias]
    found = []
    for bias, count in product(biases, [0, updates] if updates else [0]):
        said = "" if bias is None else f", forget bias {bias:g}"
        found.append((bias, count, said + (f", after {count} updates" if count else "")))
    return found
