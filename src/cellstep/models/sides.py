"""Sides: outputs, targets and weights of one output, side by side, for losses and metrics.

Sequences of different lengths stand there as the steps of all rows, one after another, (N, ...), where losses and
metrics take each step by itself; else padded to the longest row, with a mask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grouped import Grouped
from .ragged import Ragged

Array = NDArray[Any]


class Sides(NamedTuple):
    """Arrays for a loss. back: from the gradient of y to that of the output as the model gave it."""

    y: Array
    mask: Array | None
    target: Any
    weight: Any
    back: Callable[[Array], Any]


def sides(output: Any, mask: Any, target: Any, weight: Any, by_step: bool) -> Sides:
    """The sides of an output.

    Args:
        output: an array or Grouped. mask: likewise, or None.
        target, weight: arrays, Ragged or None.
        by_step: losses and metrics take each step by itself.

    Raises:
        ValueError: sequences of other lengths than those of the output.
    """
    if not isinstance(output, Grouped):
        return Sides(output, mask, _padded(target, output, mask), _padded(weight, output, mask), lambda slope: slope)
    lengths = output.lengths
    if lengths is not None and by_step and output.ndim > 2:
        true, weights = _steps("y", target, output), _steps("sample_weight", weight, output)
        if (true is None) == (target is None) and (weights is None) == (weight is None):
            steps = mask.steps()
            return Sides(output.steps(), None if steps.all() else steps, true, weights, output.of_steps)
    y, shown = output.joined(), None if mask is None else mask.joined()

    def back(slope: Array) -> Grouped:
        return Grouped.split(output.rows, slope, lengths)

    return Sides(y, shown, _padded(target, y, shown, lengths), _padded(weight, y, shown, lengths), back)


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
