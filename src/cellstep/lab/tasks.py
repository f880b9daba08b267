"""Tasks whose answer lies a known number of steps back, with the score of an answer that needs no memory.

Each task makes as many samples as are asked for, at any memory length, from a generator of random numbers. `baseline`
is that score: analytic for the generated tasks; for data, that of the constant answer which is best on training rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..exports import public

Array = NDArray[Any]
Samples = tuple[Array, Array]


class Data(NamedTuple):
    """What one run learns from and is judged on.

    batch: gives (x, y) of so many rows from a generator. held: x and y to be judged on. baseline: the score without
    memory.
    """

    batch: Callable[[np.random.Generator, int], Samples]
    held: Samples
    baseline: float


@dataclass(frozen=True)
class Task:
    """A task at every memory length.

    Attributes:
        name, about: in a word, and in a sentence.
        memory: what the memory length is called; its unit is steps.
        lengths: those that `compare` sweeps by default.
        score: "mse", "accuracy" or "crossentropy" (nats a step).
        outputs: how many numbers the net gives; of classes, as many as there are.
        sequences: an output at every step, not the last one alone.
        data: (length, generator, held-out rows) -> Data.
    """

    name: str
    about: str
    memory: str
    lengths: tuple[int, ...]
    score: str
    outputs: int
    sequences: bool
    data: Callable[[int, np.random.Generator, int], Data]

    @property
    def higher_is_better(self) -> bool:
        return self.score == "accuracy"

    @property
    def measure(self) -> tuple[str, str]:
        """The score in words, and its unit."""
        return {"mse": ("mean squared error", ""), "accuracy": ("accuracy", "")}.get(
            self.score, ("cross-entropy", "nats/step")
        )

    def judge(self, y: Array, output: Array) -> float:
        """The score, in float64, of what a net gave: (n, outputs) numbers or probabilities, or (n, T, outputs)."""
        if self.score == "mse":
            return float(np.mean((output.astype(np.float64) - y) ** 2))
        if self.score == "accuracy":
            return float(np.mean(output.argmax(-1) == y))
        picked = np.take_along_axis(output.astype(np.float64), y[..., None], axis=-1)
        return float(-np.mean(np.log(np.maximum(picked, 1e-12))))


def adding(length: int, rng: np.random.Generator, n: int) -> Samples:
    """The sum of two marked numbers of a sequence.

    The first input is uniform on [0, 1), the second 1 at two steps, one in each half, and else 0. Hochreiter and
    Schmidhuber 1997, experiment 4, in the form of Le, Jaitly and Hinton 2015, section 4.1.

    Args:
        length: steps, 2 or more.

    Returns:
        x (n, length, 2) float32, y (n, 1) float32. Saying 1 always has the mean squared error 1/6, the variance of the
        sum of two such numbers.
    """
    x = np.zeros((n, length, 2), np.float32)
    x[:, :, 0] = rng.random((n, length), np.float32)
    rows, half = np.arange(n), length // 2
    first, second = rng.integers(0, half, n), rng.integers(half, length, n)
    x[rows, first, 1] = x[rows, second, 1] = 1.0
    return x, (x[rows, first, 0] + x[rows, second, 0])[:, None]


#: Of the copy task: letters of the alphabet, and how many are to be kept.
LETTERS, KEPT = 8, 5


def copy(length: int, rng: np.random.Generator, n: int) -> Samples:
    """Letters to be repeated after a delay.

    KEPT letters, then `length` steps of which the last says "now" and the others are blank, then KEPT blank steps at
    which the letters are to be given in their order; before that the answer is "blank". Hochreiter and Schmidhuber
    1997, in the form of Arjovsky, Shah and Bengio 2016, section 4.1.

    Args:
        length: the delay, 1 or more.

    Returns:
        x (n, length + 2 KEPT, LETTERS + 2) one-hot float32: letters, blank, "now"; y (n, length + 2 KEPT) integers.
        Without memory the letters can only be guessed: KEPT ln(LETTERS) / (length + 2 KEPT) nats a step.
    """
    letters = rng.integers(0, LETTERS, (n, KEPT))
    total = length + 2 * KEPT
    symbols = np.full((n, total), LETTERS)
    symbols[:, :KEPT] = letters
    symbols[:, total - KEPT - 1] = LETTERS + 1
    y = np.full((n, total), LETTERS)
    y[:, total - KEPT :] = letters
    return np.eye(LETTERS + 2, dtype=np.float32)[symbols], y


def parity(length: int, rng: np.random.Generator, n: int) -> Samples:
    """Whether the first two bits of a sequence differ, asked `length` steps later.

    The exclusive or is the parity of two bits, which no weighing of them gives; all later bits are noise. After the
    parity problems of Bengio, Simard and Frasconi 1994 and of Hochreiter and Schmidhuber 1997.

    Args:
        length: steps after the two bits, 0 or more.

    Returns:
        x (n, length + 2, 1) of -1 and 1, float32; y (n,) of 0 and 1. A guess is right half the time.
    """
    bits = rng.integers(0, 2, (n, length + 2))
    return (2.0 * bits[:, :, None] - 1.0).astype(np.float32), bits[:, 0] ^ bits[:, 1]


def _generated(make: Callable[[int, np.random.Generator, int], Samples], baseline: Callable[[int], float]) -> Any:
    """Data without end: each batch is new."""

    def data(length: int, rng: np.random.Generator, held: int) -> Data:
        return Data(lambda rng, rows: make(length, rng, rows), make(length, rng, held), baseline(length))

    return data


def _stored(x: Array, y: Array, score: str, rng: np.random.Generator, held: int) -> Data:
    """Data with an end: some rows are held out, the others are drawn from again and again."""
    order = rng.permutation(len(x))
    held = min(held, len(x) // 4)
    judged, learned = order[:held], order[held:]
    if score == "accuracy":
        known = np.bincount(y[learned])
        baseline = float(np.mean(y[judged] == known.argmax()))
    else:
        baseline = float(np.mean((y[judged] - y[learned].mean(0)) ** 2))

    def batch(rng: np.random.Generator, rows: int) -> Samples:
        chosen = rng.choice(learned, rows)
        return x[chosen], y[chosen]

    return Data(batch, (x[judged], y[judged]), baseline)


def _digits(length: int, rng: np.random.Generator, held: int) -> Data:
    """scikit-learn's 1797 images of digits, 8 x 8 pixels, in `length` pieces from the upper left to the lower right: 8
    are rows, 64 are pixels. The images come with scikit-learn; nothing is downloaded."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ImportError("the task 'digits' needs scikit-learn: pip install 'cellstep[sklearn]'") from error
    if length not in (2, 4, 8, 16, 32, 64):
        raise ValueError(f"lengths of the task 'digits' must divide 64 and be 2 or more, got {length}")
    images, labels = load_digits(return_X_y=True)
    x = (images / 8.0 - 1.0).astype(np.float32).reshape(len(images), length, 64 // length)
    return _stored(x, labels.astype(np.int64), "accuracy", rng, held)


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            *("adding", "add two marked numbers of a long sequence", "length", (10, 25, 50), "mse", 1, False),
            _generated(adding, lambda length: 1 / 6),
        ),
        Task(
            *("copy", f"repeat {KEPT} letters after a delay", "delay", (5, 15, 30), "crossentropy", LETTERS + 1, True),
            _generated(copy, lambda length: KEPT * math.log(LETTERS) / (length + 2 * KEPT)),
        ),
        Task(
            *(
                "parity",
                "say after a delay whether the first two bits differ",
                "delay",
                (2, 8, 20),
                "accuracy",
                2,
                False,
            ),
            _generated(parity, lambda length: 0.5),
        ),
        Task("digits", "name a digit read piece by piece", "pieces", (8, 16, 64), "accuracy", 10, False, _digits),
    )
}


def own(x: Any, y: Any) -> Task:
    """The user's data as a task, at its own length.

    Args:
        x: (n, T, features). y: (n,) integers 0 .. classes - 1, or (n,) or (n, outputs) floats.

    Raises:
        ValueError: other shapes, or too few rows.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 3 or len(x) < 8:
        raise ValueError(f"task's x must have shape (n, steps, features) with n of 8 or more, got {x.shape}")
    if y.shape[:1] != x.shape[:1] or y.ndim > 2:
        raise ValueError(f"task's y must have shape ({len(x)},) or ({len(x)}, outputs), got {y.shape}")
    x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise ValueError("task's x must be finite, got NaN or infinity")
    about = "the given data"
    if y.dtype.kind in "iub":
        if y.ndim != 1 or y.min() < 0:
            raise ValueError("task's y of integers must have shape (n,) and be 0 or more, as classes are")
        y = y.astype(np.int64)
        score, outputs = "accuracy", int(y.max()) + 1
    else:
        y = y.astype(np.float32).reshape(len(y), -1)
        score, outputs = "mse", y.shape[1]
    return Task(
        *("given", about, "length", (x.shape[1],), score, outputs, False),
        lambda length, rng, held: _stored(x, y, score, rng, held),
    )


def get(task: Any) -> Task:
    """A Task by name, from (x, y), or as it is.

    Raises:
        ValueError: an unknown name, or arrays that are no data. TypeError: something else.
    """
    if isinstance(task, Task):
        return task
    if isinstance(task, str):
        if task not in TASKS:
            raise ValueError(f"task must be one of {', '.join(TASKS)}, or (x, y), got {task!r}")
        return TASKS[task]
    if isinstance(task, tuple | list) and len(task) == 2:
        return own(*task)
    raise TypeError(f"task must be one of {', '.join(TASKS)}, or (x, y), got {type(task).__name__}")


__all__ = [
    "Data",
    "Task",
    "adding",
    "copy",
    "get",
    "own",
    "parity",
]

__dir__ = public(globals())
