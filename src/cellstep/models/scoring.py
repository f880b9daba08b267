"""Scoring: the loss of a model's outputs, its parts, their gradients, and what metrics need of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..layers import nested
from .compiled import Compiled
from .data import Batch, Pass
from .sides import Sides, sides


class Score(NamedTuple):
    """What the loss says of a run.

    value: the total. parts: the losses of the outputs that have one. gradients: by the outputs, flat, None for zeros;
    empty where none were asked for. scored: names, targets, predictions, weights and masks, one an output. Of
    sequences of different lengths predictions are the steps of all rows where losses and metrics need no more.
    """

    value: Any
    parts: list[Any]
    gradients: list[Any]
    scored: tuple[Any, ...]


def score(
    compiled: Compiled, ran: Pass, made: Batch, names: Sequence[str | None], penalty: float, gradient: bool
) -> Score:
    """The losses of what was run, together with `penalty`, which is not averaged with the rows.

    Raises:
        ValueError: targets, weights or losses that do not go with the outputs.
    """
    kinds = compiled.outputs(names)
    found = _sides(compiled, ran, made, names)
    targets, outputs, weights, masks = _columns(found)
    total: Any = penalty
    parts: list[Any] = []
    gradients: list[Any] = []
    for i, loss in enumerate(kinds):
        if loss is None:
            gradients.append(None)
            continue
        if targets[i] is None:
            raise ValueError(f"y must be given for output {names[i] or i}, which has a loss, got None")
        factor = compiled.weights[i]
        if gradient:
            value, slope = loss.value_and_grad(targets[i], outputs[i], weights[i], masks[i])
            gradients.append(found[i].back(slope if factor is None else slope * slope.dtype.type(factor)))
        else:
            value = loss(targets[i], outputs[i], weights[i], masks[i])
        parts.append(value)
        total = total + (value if factor is None else factor * value)
    return Score(total, parts, gradients if gradient else [], (names, targets, outputs, weights, masks))


def entries(compiled: Compiled, ran: Pass, made: Batch, names: Sequence[str | None]) -> tuple[Any, ...]:
    """What metrics need of a batch: names, targets, predictions, weights and masks, each with one entry an output."""
    return names, *_columns(_sides(compiled, ran, made, names))


def _sides(compiled: Compiled, ran: Pass, made: Batch, names: Sequence[str | None]) -> list[Sides]:
    outputs = nested.flatten(ran.y)
    kinds: Sequence[Any] = [None] * len(names) if compiled.loss is None else compiled.outputs(names)
    targets = _per_output("y", made.y, ran.y, names, kinds)
    weights = _per_output("sample_weight", made.sample_weight, ran.y, names, kinds)
    masks = [None] * len(outputs) if ran.mask is None else nested.flatten(ran.mask)
    parts = zip(outputs, masks, targets, weights, strict=True)
    return [sides(*part, by_step=compiled.by_step) for part in parts]


def _columns(found: list[Sides]) -> tuple[list[Any], ...]:
    """Targets, predictions, weights and masks."""
    return [s.target for s in found], [s.y for s in found], [s.weight for s in found], [s.mask for s in found]


def _per_output(name: str, value: Any, y: Any, names: Sequence[Any], kinds: Sequence[Any]) -> list[Any]:
    """Targets or weights for each output: in the structure of the outputs, a list of them, or one array.

    Raises:
        ValueError: there are more or fewer than outputs.
    """
    n = len(names)
    if n == 1 and isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict) and not isinstance(y, dict):
        found = [value.get(key) for key in names]
        unknown = [key for key in value if key not in names]
        if unknown:
            raise ValueError(f"{name} must have names of outputs ({', '.join(map(str, names))}), got {unknown[0]!r}")
        return found
    if isinstance(value, dict):
        return [value.get(key) for key in sorted(y)]
    if isinstance(value, list | tuple):
        found = nested.flatten(value)
        if len(found) == sum(kind is not None for kind in kinds) != n:
            rest = iter(found)
            return [None if kind is None else next(rest) for kind in kinds]
        if len(found) != n:
            raise ValueError(f"expected {name} to be {n} arrays, one an output, got {len(found)}")
        return found
    if value is None or n == 1 or name == "sample_weight":
        return [value] * n
    raise ValueError(f"expected {name} to be {n} arrays, one an output, got one")
