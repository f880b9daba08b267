"""Scoring: the loss of a model's outputs, its parts, their gradients, and what metrics need of a batch.

Sequences of different lengths are scored as the steps of all rows, one after another, (N, ...), where losses and
metrics take each step by itself; else padded to the longest row, with a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers import nested
from ..layers.grouped import Grouped
from ..layers.ragged import Ragged
from .compiled import Compiled
from .data import Batch, Pass

Array = NDArray[Any]


@dataclass(slots=True)
class Scored:
    """One output as losses and metrics take it: arrays of one form. back: from the gradient of y to that of the output
    as the model gave it; None where these are the same."""

    y: Array
    mask: Array | None
    target: Any
    weight: Any
    back: Callable[[Array], Any] | None = None


@dataclass(slots=True)
class Score:
    """What the loss says of a batch.

    value: the total. parts: the losses of the outputs that have one. gradients: by the outputs, flat, None for zeros;
    empty where none were asked for. outputs: what losses and metrics took.
    """

    value: Any
    parts: list[Any]
    gradients: list[Any]
    outputs: list[Scored]


def score(
    compiled: Compiled, ran: Pass, batch: Batch, names: Sequence[str | None], penalty: float, gradient: bool
) -> Score:
    """The losses of what was run, together with `penalty`, which is not averaged with the rows.

    Raises:
        ValueError: targets, weights or losses that do not go with the outputs.
    """
    kinds = _losses(compiled, names)
    outputs = entries(compiled, ran, batch, names)
    total: Any = penalty
    parts: list[Any] = []
    gradients: list[Any] = []
    for i, loss in enumerate(kinds):
        if loss is None:
            gradients.append(None)
            continue
        output, factor = outputs[i], compiled.weights[i]
        target = output.target
        if target is None:
            raise ValueError(f"y must be given for output {names[i] or i}, which has a loss, got None")
        if gradient:
            value, slope = loss.value_and_grad(target, output.y, output.weight, output.mask)
            if factor is not None:
                slope = slope * slope.dtype.type(factor)
            gradients.append(slope if output.back is None else output.back(slope))
        else:
            value = loss(target, output.y, output.weight, output.mask)
        parts.append(value)
        total = total + (value if factor is None else factor * value)
    return Score(total, parts, gradients if gradient else [], outputs)


def entries(compiled: Compiled, ran: Pass, batch: Batch, names: Sequence[str | None]) -> list[Scored]:
    """What losses and metrics take of a batch, one entry an output."""
    y, target, weight = ran.y, batch.y, batch.sample_weight
    if type(y) is np.ndarray and type(target) is np.ndarray and (weight is None or type(weight) is np.ndarray):
        mask = ran.mask
        return [Scored(y, mask[0] if isinstance(mask, list | tuple) else mask, target, weight)]
    outputs = nested.flatten(y)
    kinds = _losses(compiled, names)
    targets = _per_output("y", target, y, names, kinds)
    weights = _per_output("sample_weight", weight, y, names, kinds)
    masks = [None] * len(outputs) if ran.mask is None else nested.flatten(ran.mask)
    parts = zip(outputs, masks, targets, weights, strict=True)
    return [_scored(*part, by_step=compiled.by_step) for part in parts]


def _losses(compiled: Compiled, names: Sequence[Any]) -> Sequence[Any]:
    """The loss of each output, None for one without."""
    return [None] * len(names) if compiled.loss is None else compiled.outputs(names)


def _per_output(name: str, value: Any, y: Any, names: Sequence[Any], kinds: Sequence[Any]) -> list[Any]:
    """Targets or weights for each output: in the structure of the outputs, a list of them, or one array.

    Raises:
        ValueError: there are more or fewer than outputs.
    """
    n = len(names)
    if n == 1 and isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict) and not isinstance(y, dict):
        unknown = [key for key in value if key not in names]
        if unknown:
            raise ValueError(f"{name} must have names of outputs ({', '.join(map(str, names))}), got {unknown[0]!r}")
        return [value.get(key) for key in names]
    if isinstance(value, dict):
        return [value.get(key) for key in sorted(y)]
    if isinstance(value, list | tuple):
        leaves = nested.flatten(value)
        if len(leaves) == sum(kind is not None for kind in kinds) != n:
            rest = iter(leaves)
            return [None if kind is None else next(rest) for kind in kinds]
        if len(leaves) != n:
            raise ValueError(f"expected {name} to be {n} arrays, one an output, got {len(leaves)}")
        return leaves
    if value is None or n == 1 or name == "sample_weight":
        return [value] * n
    if sum(kind is not None for kind in kinds) == 1:  # one alone has a loss
        return [None if kind is None else value for kind in kinds]
    raise ValueError(f"expected {name} to be {n} arrays, one an output, got one")


def _scored(output: Any, mask: Any, target: Any, weight: Any, by_step: bool) -> Scored:
    """One output with its target and weight.

    Args:
        output: an array or Grouped. mask: likewise, or None.
        target, weight: arrays, Ragged or None.
        by_step: losses and metrics take each step by itself.

    Raises:
        ValueError: sequences of other lengths than those of the output.
    """
    if not isinstance(output, Grouped):
        return Scored(output, mask, _padded(target, output, mask), _padded(weight, output, mask))
    lengths = output.lengths
    if lengths is not None and by_step and output.ndim > 2:
        true, weights = _steps("y", target, output), _steps("sample_weight", weight, output)
        if (true is None) == (target is None) and (weights is None) == (weight is None):
            steps = mask.steps()
            return Scored(output.steps(), None if steps.all() else steps, true, weights, output.of_steps)
    y, whole = output.joined(), None if mask is None else mask.joined()

    def back(slope: Array) -> Grouped:
        return Grouped.split(output.rows, slope, lengths)

    return Scored(y, whole, _padded(target, y, whole, lengths), _padded(weight, y, whole, lengths), back)


def _steps(name: str, value: Any, output: Grouped) -> Array | None:
    """(N, ...) the entries for each step, from Ragged, from an array padded likewise, or from (B,) or (B, 1) for all
    steps of a row; None where it is none of these."""
    lengths: Any = output.lengths
    if isinstance(value, Ragged):
        _check_lengths(value, lengths)
    elif value is None or len(value) != len(lengths):
        return None
    if isinstance(value, Ragged) or (value.ndim > 1 and value.shape[1] == lengths.max()):
        return Grouped.split(output.rows, value, lengths).steps()
    if name == "sample_weight" and value.size == len(lengths):
        order = np.concatenate(output.rows)
        return np.repeat(value.reshape(-1)[order], lengths[order])
    return None


def _padded(value: Any, y: Array, mask: Any, lengths: Array | None = None) -> Any:
    """An array for an output (B, T, ...)."""
    if not isinstance(value, Ragged):
        return value
    if mask is None or np.shape(mask) != y.shape[:2]:
        raise ValueError(
            f"expected even targets, as the outputs {y.shape} do not keep the lengths of x, got sequences of "
            f"different lengths up to {value.steps}"
        )
    if lengths is None:  # x was padded by hand: what is behind the last step that counts may be there or not
        last = (np.asarray(mask) * np.arange(1, y.shape[1] + 1)).max(axis=1, initial=0)
        lengths = np.clip(value.lengths, last, y.shape[1])
    _check_lengths(value, lengths)
    return value.padded(y.shape[1])


def _check_lengths(value: Ragged, lengths: Array) -> None:
    wrong = np.flatnonzero(value.lengths != lengths)
    if len(wrong):
        i = int(wrong[0])
        raise ValueError(
            f"expected y and sample_weight to have the steps of the outputs, {lengths[i]} in row {i}, got "
            f"{value.lengths[i]}"
        )
