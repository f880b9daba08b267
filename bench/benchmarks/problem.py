"""One row of the table as arrays, and what a contender makes of it.

A contender gives its answer as a dict of batch-major arrays: `h` (B, H) after `CHECKED_STEPS` steps from zero for a
step; `y` (B, T, H) for a sequence; and `dx` and those of the weights, `dW` and so on, for training, in Keras's layout.
Outputs past the end of a ragged row are zeros here, whatever the contender leaves there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from .shapes import Shape

Array = NDArray[Any]
Answer = dict[str, Array]

#: More than one: at the first step h is zero, and wrong recurrent weights would not show.
CHECKED_STEPS = 3


@dataclass
class Runner:
    """One contender on one problem.

    Attributes:
        run: what is timed.
        answer: gives the results of the same work.
        outputs, gradients: how far its answer may be off; see `check`.
    """

    run: Callable[[], Any]
    answer: Callable[[], Answer]
    outputs: float = 1e-4
    gradients: float = 1e-4


def stepping(run: Callable[[], Any], begin: Callable[[], Any], h: Callable[[], Array], *limits: float) -> Runner:
    """The `Runner` of steps whose states are carried.

    Args:
        run: one step. begin: goes back to states of zeros. h: the output (B, H) of the last step.
        limits: of the answer's errors, as in `Runner`.
    """

    def answer() -> Answer:
        begin()
        for _ in range(CHECKED_STEPS):
            run()
        return {"h": np.array(h())}

    return Runner(run, answer, *limits)


class Problem:
    """Weights and inputs for one cell, kind of work and shape, in any dtype, from a fixed seed.

    Attributes:
        cell, work, shape: what is timed. `trains`, `ragged`: what `work` says about it.
        row: the cell's, in `kernels.CELLS`, whose default options are meant: those that every peer has.
        weights: by the names of the row, in Keras's layout.
        x (B, T, I), dy (B, T, H): dy is zero past the end of a ragged row.
        lengths: (B,) int32, or None where rows are not ragged.
    """

    def __init__(self, cell: str, work: str, shape: Shape, dtype: str = "float32") -> None:
        self.cell, self.work, self.shape = cell, work, shape
        self.trains, self.ragged = work.endswith("train"), work.startswith("ragged")
        T, B, inputs, H = shape
        rng = np.random.default_rng(7)

        def normal(*size: int, scale: float = 1.0) -> Array:
            # one path through float32, so that a float64 problem has the very same numbers
            return (scale * rng.standard_normal(size)).astype(np.float32).astype(dtype)

        self.row = kernels.CELLS[cell]
        shapes = self.row.shapes({"I": inputs, "H": H}, {})
        self.weights = {
            weight.name: normal(*size, scale=size[0] ** -0.5 if len(weight.axes) > 1 else 0.1)
            for weight, size in zip(self.row.weights, shapes, strict=True)
        }
        self.x, self.dy = normal(B, T, inputs), normal(B, T, H)
        self.lengths: NDArray[np.int32] | None = None
        if self.ragged:
            self.lengths = rng.integers(1, T + 1, B, dtype=np.int32)
            self.lengths[0] = T
            self.dy = self.without_padding(self.dy)

    def __str__(self) -> str:
        return f"{self.cell} {self.work} {self.shape}"

    def without_padding(self, y: Any) -> Array:
        """A copy of y (B, T, ...) with zeros past the end of each row."""
        copy: Array = np.array(y)
        if self.lengths is not None:
            copy[np.arange(self.shape.T) >= self.lengths[:, None]] = 0
        return copy

    @property
    def rows_of_steps(self) -> int:
        """How many steps of one row the work has; padding does not count."""
        return self.shape.T * self.shape.B if self.lengths is None else int(self.lengths.sum())
