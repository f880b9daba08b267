"""Tracing: keeps what forward and backward compute on the way, for inspection.

Backward computes the gradient of the loss by every state, and a tape holds every gate; both are freed when a training
step is over. Within `trace()` they are kept. Nothing else changes: outputs and gradients have the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core

Array = NDArray[Any]


@dataclass(eq=False)
class PythonRun:
    """What a cell that is written in Python ran on: what the lab reads of a kernel's `core.Pullback`, by its names.

    Attributes:
        after: for each step the states that it left. training: whether it dropped.
    """

    x: Array
    first: list[Array]
    mask: Any
    lengths: Any
    resets: Any
    training: bool
    after: list[list[Array]]
    drop: None = None

    def read(self, rows: int | None = None) -> tuple[Array, list[Array]]:
        """No gates, (n, T, 0, 0), for none are known; and of each state (n, T, size)."""
        x = self.x[:rows]
        states = [np.stack([s[k][:rows] for s in self.after], axis=1) for k in range(len(self.first))]
        return np.zeros((*x.shape[:2], 0, 0), x.dtype), states

    def new_traces(self) -> tuple[Array, ...]:
        """Arrays for the gradients of the states after each step."""
        return tuple(np.empty((len(s), self.x.shape[1], s.shape[1]), s.dtype) for s in self.first)


@dataclass(eq=False)
class CellTrace:
    """One pass of a cell over B sequences of T steps. All arrays are in the order in which it processed the steps.

    Attributes:
        cell: the cell; of one that is written in Python what runs it.
        forward: what it ran on: the packed weights, x (B, T, I) after dropout, the first states, mask or lengths; and
            `forward.read(n)` gives gates and states of the first n rows. A `core.Pullback`, or a `PythonRun`.
        gradients: one (B, T, units) array a state: the gradient of the loss by h, and of an LSTM by c, after each step,
            each with the other held, with all that reaches it: from the output of that step, from later steps and from
            the final states. At a masked step what is carried. None until the backward pass has run.
        initial: the same for the initial states, one (B, units) a state.
        above: (B, T, units) the part of the gradient by h that the outputs of each step bring; None where the cell gave
            its last output alone, and there is no part but at the end.
        by_output: (B, T, output size) of a cell in Python whose output is no state: the gradient by that, which
            `gradients` leave out.
    """

    cell: Any
    forward: Any
    gradients: tuple[Array, ...] | None = None
    initial: tuple[Array, ...] | None = None
    above: Array | None = None
    by_output: Array | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(B, T)."""
        B, T, _ = self.forward.x.shape
        return B, T

    @property
    def running(self) -> NDArray[np.bool_]:
        """(B, T) booleans: the steps at which a row runs; at the others its states are carried."""
        steps = core.running(self.forward.mask, self.forward.lengths, *self.shape, False)
        return np.ones(self.shape, bool) if steps is None else steps

    def new_gradients(self) -> tuple[Array, ...]:
        """Arrays for the gradients of a backward pass, which takes the place of the one before."""
        self.gradients = self.forward.new_traces()
        return self.gradients


_runs: ContextVar[list[CellTrace] | None] = ContextVar("cellstep_traced_runs", default=None)


@contextmanager
def trace() -> Iterator[list[CellTrace]]:
    """Keep what the recurrent cells compute in this thread within the block: a `CellTrace` for each forward pass with a
    tape, in the order of execution. Stacked layers have one each, and so has each direction of a Bidirectional; a cell
    within one that is written in Python has one for each step.

    It holds the tape: drop the list when you are done. One trace within another takes over until it ends.

    Example:
        >>> layer = GRU(4)
        >>> with layers.trace() as runs:
        ...     y, pullback = layer.forward(np.ones((2, 5, 3)))
        ...     dx = pullback(np.ones_like(y))
        >>> np.linalg.norm(runs[0].gradients[0], axis=-1).shape  # how much of the gradient reaches each step, by row
        (2, 5)
    """
    runs: list[CellTrace] = []
    token = _runs.set(runs)
    try:
        yield runs
    finally:
        _runs.reset(token)


def trace_under_way() -> bool:
    """Whether a trace is under way in this thread."""
    return _runs.get() is not None


def watched(cell: Any, forward: core.Pullback | PythonRun) -> CellTrace | None:
    """A new entry in the list of the current trace, or None outside one."""
    runs = _runs.get()
    if runs is None:
        return None
    run = CellTrace(cell, forward)
    runs.append(run)
    return run
