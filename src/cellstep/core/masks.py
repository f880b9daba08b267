"""Which steps of a batch run, and from which of them on a row begins anew, as kernels take it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import check_lengths, check_mask


def running(mask: Any, lengths: Any, B: int, T: int, go_backwards: bool) -> NDArray[np.bool_] | None:
    """(B, T) booleans in the order of processing, from a mask or from lengths; None where every step runs.

    Raises:
        ValueError, TypeError: a wrong mask or wrong lengths, or both of them.
    """
    if mask is not None and lengths is not None:
        raise ValueError("expected mask or lengths, got both")
    if mask is not None:
        steps = check_mask(mask, B, T)
    elif lengths is not None:
        steps = np.arange(T) < check_lengths(lengths, B, T)[:, None]
    else:
        return None
    return steps[:, ::-1] if go_backwards else steps


def fast_form(steps: NDArray[np.bool_]) -> tuple[NDArray[np.bool_] | None, NDArray[np.int32] | None]:
    """(mask, lengths) for a kernel: neither where every step runs, lengths where the padding is on the right."""
    if steps.all():
        return None, None
    if (steps[:, 1:] <= steps[:, :-1]).all():
        return None, steps.sum(axis=1, dtype=np.int32)
    return steps, None


def resets_that_run(
    resets: NDArray[np.bool_], mask: NDArray[np.bool_] | None, go_backwards: bool
) -> NDArray[np.bool_] | None:
    """Resets in the order of processing, each at a step that runs; None where there are none."""
    if go_backwards:
        resets = resets[:, ::-1]
    if mask is not None:
        # how many there were up to this step, and up to the last one before it that ran
        count = np.cumsum(resets, axis=1)
        done = np.maximum.accumulate(np.where(mask, count, 0), axis=1)
        resets = mask & (count > np.pad(done, ((0, 0), (1, 0)))[:, :-1])
    return resets if resets.any() else None
