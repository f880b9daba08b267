"""Batches: from arrays, or from an iterable that makes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import ops

Array = NDArray[Any]
ClassWeight = Mapping[int, float]


class Batch(NamedTuple):
    """x (B, ...), targets y and weights, either None where there are none."""

    x: Array
    y: Array | None
    sample_weight: Array | None


class Source(Protocol):
    """Something that gives batches; `batches` is their number in one pass, None if unknown."""

    batches: int | None

    def __iter__(self) -> Iterator[Batch]: ...


def is_stream(x: Any) -> bool:
    """Whether x makes batches rather than being data: an iterator, a generator, or an iterable that is no array."""
    if isinstance(x, np.ndarray | list | tuple | str | bytes | dict) or hasattr(x, "__array__"):
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__next__") or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


def numbers(name: str, value: Any) -> Array:
    """An array of real numbers with at least one axis, in the dtype that it has.

    Raises:
        TypeError: no real numbers, or None. ValueError: ragged, or a scalar.
    """
    array = ops.plain(name, value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected {name} to hold real numbers, got dtype {array.dtype}")
    if array.ndim == 0:
        raise ValueError(f"expected {name} to have one row a sample, got a scalar")
    return array


def batch(x: Any, y: Any = None, sample_weight: Any = None) -> Batch:
    """Arrays of the same number of rows.

    Raises:
        TypeError, ValueError: as `numbers`; or the numbers of rows differ.
    """
    arrays = {"x": numbers("x", x)}
    if y is not None:
        arrays["y"] = numbers("y", y)
    if sample_weight is not None:
        arrays["sample_weight"] = numbers("sample_weight", sample_weight)
    for name, array in arrays.items():
        if len(array) != len(arrays["x"]):
            raise ValueError(f"expected {name} to have the {len(arrays['x'])} rows of x, got {len(array)}")
    return Batch(arrays["x"], arrays.get("y"), arrays.get("sample_weight"))


class Arrays:
    """Batches cut from arrays; the last one of a pass may be smaller.

    Args:
        data: all rows.
        batch_size: rows in a batch.
        rng: shuffles the rows anew for each pass; None keeps their order, and batches are views.
    """

    def __init__(self, data: Batch, batch_size: int, rng: np.random.Generator | None = None) -> None:
        self.data, self.batch_size, self.rng = data, batch_size, rng
        self.batches: int | None = math.ceil(len(data.x) / batch_size)

    def __iter__(self) -> Iterator[Batch]:
        n = len(self.data.x)
        order = None if self.rng is None else self.rng.permutation(n)
        for start in range(0, n, self.batch_size):
            rows = slice(start, start + self.batch_size)
            yield take(self.data, rows if order is None else order[rows])


def take(whole: Batch, rows: Any) -> Batch:
    """Some rows of every array."""
    return Batch(
        whole.x[rows],
        None if whole.y is None else whole.y[rows],
        None if whole.sample_weight is None else whole.sample_weight[rows],
    )


class Stream:
    """Batches from an iterable of (x, y), (x, y, sample_weight), or x alone.

    Args:
        source: iterated once a pass. A generator has one pass.
        weigh: gives a batch the weights of its classes, or None.
    """

    def __init__(self, source: Iterable[Any], weigh: Callable[[Batch], Batch] | None = None) -> None:
        self.source, self.weigh = source, weigh
        self.batches: int | None = len(source) if isinstance(source, Sized) else None

    def __iter__(self) -> Iterator[Batch]:
        for item in self.source:
            parts = item if isinstance(item, tuple | list) else (item,)
            if not 1 <= len(parts) <= 3:
                raise ValueError(f"expected batches (x, y) or (x, y, sample_weight), got {len(parts)} parts")
            yield batch(*parts) if self.weigh is None else self.weigh(batch(*parts))


class Epochs:
    """A source cut into epochs: of `steps` batches each, or of one pass.

    Attributes:
        steps: batches in an epoch; None while it is not known.
        exhausted: the source ran dry before an epoch was complete.
    """

    def __init__(self, source: Source, steps: int | None = None) -> None:
        self.source = source
        self.steps = source.batches if steps is None else steps
        self.exhausted = False
        self._fixed = steps is not None
        self._pass: Iterator[Batch] = iter(())

    def epoch(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        seen = 0
        if not self._fixed:
            self._pass = iter(self.source)
        while not (self._fixed and seen == self.steps):
            made = next(self._pass, None)
            if made is None and self._fixed:
                self._pass = iter(self.source)
                made = next(self._pass, None)
            if made is None:
                break
            seen += 1
            yield made
        self.exhausted = seen == 0 or (self._fixed and seen != self.steps)
        self.steps = self.steps or seen


def class_weights(class_weight: ClassWeight, y: Array, one_hot: bool, sparse: bool) -> Array:
    """A weight for each row, or each row and step, from the class that its target says; 1 for classes not named.

    Args:
        class_weight: class to weight.
        y: targets.
        one_hot: their class is the largest entry of the last axis, else the target itself, rounded.
        sparse: targets may be (B, T) labels.

    Raises:
        TypeError: class_weight is no dictionary. ValueError: targets do not say one class each.
    """
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight must be a dictionary of class to weight, got {class_weight!r}")
    if not (one_hot or sparse) and y.ndim > 1 and y.shape[-1] != 1:
        raise ValueError(f"class_weight needs one class a row, got y of shape {y.shape}")
    labels = y.argmax(-1) if one_hot else np.round(y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 else y)
    weights = np.ones(labels.shape)
    for label, weight in class_weight.items():
        weights[labels == label] = weight
    return weights


def split(data: Batch, fraction: float) -> tuple[Batch, Batch]:
    """The first rows for training, the last `fraction` of them for validation.

    Raises:
        ValueError: the fraction is not between 0 and 1, or a part would be empty.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"validation_split must be between 0 and 1, got {fraction!r}")
    n = len(data.x)
    at = math.floor(n * (1 - fraction))
    if at in (0, n):
        raise ValueError(f"validation_split={fraction!r} leaves no rows on one side of {n} rows")
    return take(data, slice(at)), take(data, slice(at, n))
