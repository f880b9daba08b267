"""Datasets: batches by index, windows of a series, and a split of arrays in two."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import seeds
from ..configured import chosen
from ..core import brief, check_bool, check_count, check_natural, plain
from ..layers import nested

Array = NDArray[Any]


class PyDataset:
    """Batches that are made when they are asked for. A subclass writes `__len__` and `__getitem__`.

    `fit` takes them in random order, or as they come with `shuffle=False`, and calls `on_epoch_end` after each pass.

    Args:
        workers, use_multiprocessing, max_queue_size: Keras's hints for making batches ahead; batches are made one after
            another here, and results do not depend on these.

    Example:
        >>> class Squares(PyDataset):
        ...     def __len__(self):
        ...         return 4
        ...
        ...     def __getitem__(self, index):
        ...         x = np.random.default_rng(index).standard_normal((8, 3))
        ...         return x, x**2
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers = check_count("workers", workers)
        self.use_multiprocessing = check_bool("use_multiprocessing", use_multiprocessing)
        self.max_queue_size = check_count("max_queue_size", max_queue_size)

    def __len__(self) -> int:
        """How many batches there are."""
        raise NotImplementedError(f"{type(self).__name__} must write __len__, the number of its batches")

    def __getitem__(self, index: int) -> Any:
        """Batch number `index`: (x, y), (x, y, sample_weight), or x alone."""
        raise NotImplementedError(f"{type(self).__name__} must write __getitem__, which gives a batch by its number")

    @property
    def num_batches(self) -> int:
        """As `len`."""
        return len(self)

    def __iter__(self) -> Iterator[Any]:
        """One pass, in order."""
        return map(self.__getitem__, range(self.num_batches))

    def on_epoch_end(self) -> None:
        """Called after each pass; to shuffle, say."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({chosen(self)})"


class Spec(NamedTuple):
    """What an array of every batch is like; None stands for the rows of the batch."""

    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


class Windows(PyDataset):
    """Batches of windows of a series, cut when they are asked for; see `timeseries_dataset_from_array`.

    Some of them, or changed ones, are a dataset again: `windows.map(split).take(2)`.
    """

    #: What is made of each batch, one function after another.
    _changes: tuple[Callable[..., Any], ...] = ()

    def __init__(self, data: Array, targets: Array | None, starts: Array, steps: Array, batch_size: int) -> None:
        super().__init__()
        self.data, self.targets, self.starts, self.steps, self.batch_size = data, targets, starts, steps, batch_size
        self._numbers: Sequence[int] = range(-(-len(starts) // batch_size))

    def __len__(self) -> int:
        return len(self._numbers)

    def __repr__(self) -> str:
        n = sum(min(self.batch_size, len(self.starts) - i * self.batch_size) for i in self._numbers)
        return f"<{n} windows of {len(self.steps)} steps, in batches of {self.batch_size}>"

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index must be below {len(self)}, the number of batches, got {index}")
        at = self._numbers[index] * self.batch_size
        starts = self.starts[at : at + self.batch_size]
        x = self.data[starts[:, None] + self.steps]
        batch = x if self.targets is None else (x, self.targets[starts])
        for change in self._changes:
            batch = change(*batch) if isinstance(batch, tuple) else change(batch)
        return batch

    def _with(self, **attributes: Any) -> Windows:
        made = copy.copy(self)
        vars(made).update(attributes)
        return made

    def map(self, map_func: Callable[..., Any], num_parallel_calls: Any = None, deterministic: Any = None) -> Windows:
        """Each batch as a function makes it: `map_func(x, y)`, or of whatever arrays a batch has.

        Args:
            map_func: it. num_parallel_calls, deterministic: TensorFlow's hints, on which no result depends.
        """
        if not callable(map_func):
            raise TypeError(f"map_func must be a function of the arrays of a batch, got {brief(map_func)}")
        return self._with(_changes=(*self._changes, map_func))

    def take(self, count: int) -> Windows:
        """The first batches; all where count is -1."""
        return self._with(_numbers=self._numbers[: None if count == -1 else check_natural("count", count)])

    def skip(self, count: int) -> Windows:
        """All but the first batches."""
        return self._with(_numbers=self._numbers[check_natural("count", count) :])

    def shuffle(self, buffer_size: int, seed: int | None = None) -> Windows:
        """The batches in a random order; `fit` puts them into another one for each epoch by itself.

        Args:
            buffer_size: TensorFlow's; all batches are shuffled. seed: of the order.
        """
        check_count("buffer_size", buffer_size)
        return self._with(_numbers=seeds.generator(seed).permutation(self._numbers).tolist())

    def prefetch(self, buffer_size: Any = None) -> Windows:
        """The batches as they are; these are made when they are asked for."""
        return self

    def cache(self) -> Windows:
        """As `prefetch`."""
        return self

    @property
    def element_spec(self) -> Any:
        """The shape and the dtype of each array of a batch, in its structure."""
        return nested.change(self[0], lambda a: Spec((None, *np.shape(a)[1:]), np.asarray(a).dtype))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"a dataset of windows has no {name!r}; it has map, take, skip, shuffle, prefetch and cache"
        )


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Windows:
    """Windows of a series, in batches that `fit` takes.

    Args:
        data: (N, ...) the series.
        targets: (N, ...) targets[i] belongs to the window that begins at data[i]; None for windows alone.
        sequence_length: steps in a window.
        sequence_stride: from the beginning of a window to that of the next.
        sampling_rate: from one step in a window to the next.
        batch_size: windows in a batch; None for one batch of all.
        shuffle: put the windows into random order, once.
        seed: of that order.
        start_index, end_index: only what is between these in the series.
        format: taken for Keras's sake; batches are NumPy's arrays.

    Returns:
        Windows of shape (batch, sequence_length, ...), with targets (batch, ...); the last batch may be smaller.

    Raises:
        ValueError: a number out of range, or a series too short for one window.

    Example:
        >>> windows = timeseries_dataset_from_array(np.arange(6), np.arange(3, 9), 3, batch_size=2)
        >>> windows[0]
        (array([[0, 1, 2],
               [1, 2, 3]]), array([3, 4]))
    """
    series, wanted = plain("data", data), None if targets is None else plain("targets", targets)
    length, stride = check_count("sequence_length", sequence_length), check_count("sequence_stride", sequence_stride)
    rate = check_count("sampling_rate", sampling_rate)
    n = len(series)
    for name, index in (("start_index", start_index), ("end_index", end_index)):
        if index is not None and (isinstance(index, bool) or not isinstance(index, int | np.integer)):
            raise TypeError(f"{name} must be an integer or None, got {index!r}")
    first, end = start_index or 0, n if end_index is None else end_index
    if not 0 <= first < end <= n:
        raise ValueError(f"start_index and end_index must be in order within 0 .. {n}, got {first} and {end}")
    count = end - first - (length - 1) * rate
    if wanted is not None:
        count = min(count, len(wanted) - first)
    if count < 1:
        raise ValueError(
            f"data must have {(length - 1) * rate + 1} steps or more for a window, and targets one for its beginning, "
            f"got {end - first} steps" + ("" if wanted is None else f" and {max(len(wanted) - first, 0)} targets")
        )
    starts = np.arange(first, first + count, stride)
    if check_bool("shuffle", shuffle):
        seeds.generator(seed).shuffle(starts)
    size = len(starts) if batch_size is None else check_count("batch_size", batch_size)
    return Windows(series, wanted, starts, np.arange(length) * rate, size)


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Any, Any]:
    """Split rows in two.

    Args:
        dataset: an array, or a tuple or list of arrays of one length.
        left_size, right_size: a share between 0 and 1, or a number of rows; the other part is the rest where one is
            None.
        shuffle: in random order.
        seed: of that order.
        preferred_backend: taken for Keras's sake; the parts are of NumPy's arrays.

    Returns:
        (left, right), each in the form of `dataset`.

    Raises:
        ValueError: arrays of several lengths, or sizes that do not go together. TypeError: no sizes at all.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = split_dataset((x, y), left_size=0.8)
    """
    several = isinstance(dataset, list | tuple)
    arrays = [plain("dataset", a) for a in (dataset if several else [dataset])]
    lengths = {len(a) for a in arrays}
    if len(lengths) != 1:
        raise ValueError(f"dataset must hold arrays of one length, got {sorted(lengths)}")
    n = lengths.pop()
    left, right = _rows("left_size", left_size, n), _rows("right_size", right_size, n)
    if left is None and right is None:
        raise TypeError("left_size or right_size must be given, got None for both")
    if left is None:
        left = n - (right or 0)
    if right is None:
        right = n - left
    if left + right > n or left < 1 or right < 1:
        raise ValueError(f"left_size and right_size must be 1 or more, together at most {n}, got {left} and {right}")
    order = np.arange(n)
    if check_bool("shuffle", shuffle):
        seeds.generator(seed).shuffle(order)

    def part(rows: Array) -> Any:
        parts = [a[rows] for a in arrays]
        return type(dataset)(parts) if several else parts[0]

    return part(order[:left]), part(order[left : left + right])


def _rows(name: str, size: Any, n: int) -> int | None:
    """A number of rows from a share or a number."""
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int | float | np.number):
        raise TypeError(f"{name} must be a share, a number of rows or None, got {size!r}")
    if isinstance(size, int | np.integer):
        return int(size)
    if not 0 < size < 1:
        raise ValueError(f"{name} must be between 0 and 1 as a share, got {size!r}")
    return (math.floor if name == "left_size" else math.ceil)(n * float(size))
