"""The data of many models: each model's rows, checked as `fit` checks them, laid into one array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import core, kernels
from .. import data
from ..data import Batch
from .net import Net

Array = NDArray[Any]


class Rows:
    """x (R, T, I) of all models, one after another, shorter sequences padded at the end.

    Attributes:
        first, counts, lengths: (n,) where each model's rows begin, how many it has, and of how many steps.
        there: (R, T) whether a step is one of the model's and no mask hides it; None where all are.
        y: (R, ...) targets, or None.
    """

    def __init__(self, net: Net, batches: Sequence[Batch]) -> None:
        xs = [batch.x for batch in batches]
        self.net = net
        self.counts = np.array([len(x) for x in xs])
        self.lengths = np.array([x.shape[1] for x in xs])
        self.first = np.cumsum([0, *self.counts])[:-1]
        self.x = _padded(xs, net.dtype)
        there = np.arange(self.x.shape[1]) < np.repeat(self.lengths, self.counts)[:, None]
        if net.masking is not None:
            there &= net.masking.compute_mask(self.x)
            self.x[~there] = 0
        self.there = None if there.all() else there
        ys = [batch.y for batch in batches]
        shapes = {y.shape[2 if net.steps else 1 :] for y in ys if y is not None}
        if len(shapes) > 1:
            raise ValueError(f"y must have one shape but for rows and steps, got {' and '.join(map(str, shapes))}")
        self.y: Array | None = None
        if ys[0] is not None:
            self.y = _padded(ys, np.result_type(*ys)) if net.steps else np.concatenate(ys)

    def batches(self, models: Array, size: int) -> Iterator[list[tuple[Array, int, int]]]:
        """Batch after batch of these models, each as lists of those whose batches have one shape: their places among
        `models`, the first row and the number of rows."""
        counts, lengths = self.counts[models], self.lengths[models]
        for start in range(0, int(counts.max()), size):
            some = np.minimum(counts - start, size)
            keys = some * (self.x.shape[1] + 1) + (lengths if self.net.even else 0)
            yield [(np.flatnonzero(keys == key), start, int(some[keys == key][0])) for key in np.unique(keys[some > 0])]

    def take(self, models: Array, rows: Array) -> tuple[Array, Array | None, Array | None]:
        """x, and which of its rows run, in lanes, for rows (k, B) of k models; and their mask (k, B, T), or None."""
        lanes, (k, B) = self.net.lanes, rows.shape
        blocks, T = -(-k // lanes), int(self.lengths[models].max())
        chosen = np.full((blocks * lanes, B), -1, np.int64)
        chosen[:k] = rows
        chosen = np.ascontiguousarray(chosen.reshape(blocks, lanes, B).transpose(0, 2, 1))
        backend = kernels.active()
        x = backend.empty((blocks, T, B, self.x.shape[2], lanes), self.x.dtype)
        backend.many.lanes_take(self.x, chosen, x)
        if self.there is None:
            return x, None, None
        mask = self.there[rows, :T] if self.net.steps and self.net.masking is not None else None
        runs = self.there[chosen, :T]
        if runs.all():
            return x, None, mask
        return x, np.ascontiguousarray(runs.transpose(0, 3, 1, 2)).view(np.uint8), mask


def checked(model: Any, xs: Any, ys: Any, n: int) -> list[Batch]:
    """Each model's data as `fit` checks them.

    Raises:
        ValueError, TypeError: not those of n models; or of one that does not fit, which the message names.
    """
    for name, value in (("x", xs), ("y", ys)):
        got = len(value) if isinstance(value, list | tuple) or np.ndim(value) else core.brief(value)
        if got != n and (value is not None or name == "x"):
            raise ValueError(f"{name} must have one entry for each of {n} models, got {got}")
    if type(xs) is np.ndarray and xs.ndim == 4 and xs.size and (ys is None or np.shape(ys)[:2] == xs.shape[:2]):
        # of one shape: all rows together, in a hundredth of the time
        targets = None if ys is None else np.asarray(ys).reshape(-1, *np.shape(ys)[2:])
        whole = model._signature.batch(xs.reshape(-1, *xs.shape[2:]), targets)
        x = whole.x.reshape(*xs.shape[:2], *whole.x.shape[1:])
        y = None if ys is None else whole.y.reshape(*xs.shape[:2], *whole.y.shape[1:])
        return [Batch(x[i], None if y is None else y[i]) for i in range(n)]
    batches = []
    for i in range(n):
        try:
            batch = model._signature.batch(xs[i], None if ys is None else ys[i])
            if type(batch.x) is not np.ndarray or batch.x.ndim != 3 or not batch.x.size:
                raise ValueError(
                    "expected x of shape (batch, time, features), with one row or more, of sequences of one length "
                    f"(shorter ones padded, and Masking first in the model), got {described(batch.x)}"
                )
            if ys is not None and not (type(batch.y) is np.ndarray and len(batch.y)):
                raise ValueError(f"expected y to be an array, got {described(batch.y)}")
        except (ValueError, TypeError) as error:
            raise type(error)(f"data of model {i}: {error}") from None
        batches.append(batch)
    return batches


def split(batches: Sequence[Batch], fraction: float) -> tuple[list[Batch], list[Batch]]:
    """Each model's first rows for training, its last for validation."""
    parts = [data.split(batch, fraction) for batch in batches]
    return [part[0] for part in parts], [part[1] for part in parts]


def _padded(arrays: Sequence[Array], dtype: Any) -> Array:
    """Arrays (rows, steps, ...) as one, zeros behind shorter ones."""
    steps = max(a.shape[1] for a in arrays)
    if all(a.shape[1] == steps for a in arrays):
        return np.concatenate(arrays, dtype=dtype)
    whole = np.zeros((sum(map(len, arrays)), steps, *arrays[0].shape[2:]), dtype)
    at = 0
    for a in arrays:
        whole[at : at + len(a), : a.shape[1]] = a
        at += len(a)
    return whole


def described(value: Any) -> str:
    """For a message."""
    return str(value.shape) if isinstance(value, np.ndarray) else type(value).__name__
