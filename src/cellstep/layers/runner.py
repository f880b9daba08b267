"""What RNN asks of whatever it runs over sequences, and the little arithmetic that runners share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core import Calls

if TYPE_CHECKING:
    from .sizes import Size

Array = NDArray[Any]

#: Whether a tape is wanted; or how much of it may be made again: `RNN.recompute`, where True is "recompute".
Taping = bool | int | Literal["recompute"]

#: pullback(dy, dstates) -> (dx, dstates of the states that came in): the backward half of one step.
CellBack = Callable[[Any, Any], tuple[Array, list[Array]]]


class RunnerPullback(Protocol):
    """The backward half of a run: the gradients of x and of the first states, from those of y and of the last states.

    None stands for zeros. It adds to the weights' gradients. dx is None where not needed; where the gradients of the
    first states are not, they may be anything. `calls` is as for a run; where a call in it that leaves nothing to do
    after has still to write dy, dy is whole when it is read.
    """

    def __call__(
        self,
        dy: Array | None,
        dlast: Sequence[Array | None],
        need_dx: bool = True,
        need_dfirst: bool = True,
        calls: Calls = None,
    ) -> tuple[Array | None, list[Array]]: ...


class Tape(NamedTuple):
    """What a run leaves for later.

    pullback: its backward half. states_after: `states_after(n)` gives the states after n >= 1 of its steps.
    """

    pullback: RunnerPullback
    states_after: Callable[[int], list[Array]]


class Runner(Protocol):
    """What RNN runs over sequences: one of our cells, a stack of cells, or a cell that a user wrote.

    Attributes:
        state_sizes, state_names: the size of each state, in one flat list, and what messages call it.
        output_size: the size of the output.
        h: which state the output repeats at a masked step; None where there is none of its size.
        flat: the runners of single cells that run one after another; itself for a single cell.
    """

    @property
    def state_sizes(self) -> list[int]: ...
    @property
    def state_names(self) -> list[str]: ...
    @property
    def output_size(self) -> int: ...
    @property
    def h(self) -> int | None: ...
    @property
    def flat(self) -> list[Any]: ...
    def reads(self, training: bool) -> bool:
        """Whether a run reads x itself, and not only by calls of kernels."""

    def get_initial_state(self, batch_size: int | Size) -> list[Any]:
        """The states that a sequence begins with, nested as the cell has them."""

    def run_sequences(
        self,
        x: Array,
        states: Any = None,
        *,
        mask: Any = None,
        lengths: Any = None,
        resets: Any = None,
        sequences: bool = False,
        tape: Taping = False,
        training: bool = False,
        calls: Calls = None,
    ) -> tuple[Array, list[Array], Tape | None]:
        """Run B sequences.

        Args:
            x: (B, T, I) of the cell's dtype.
            states: one (B, size) array a state, flat; None for the cell's own first states.
            mask, lengths, resets: as for `core.forward`.
            sequences: whether y is each step's output (B, T, output_size), or the last step's (B, output_size).
            tape: whether a `Tape` is wanted; "recompute" or a number: one that may run steps again.
            training: whether dropout drops.
            calls: calls of kernels that wait. Where given, those of this run may be appended, and then write what is
                returned only when they are made. Unless the run `reads` x, that may still have to be written too.

        Returns:
            y, the last states, and the tape or None. All arrays are new; y of the last step may be one of the states.
        """


def added(a: Array | None, b: Array | None) -> Array | None:
    """a + b, where None is zero."""
    return a if b is None else b if a is None else a + b


def dropped(x: Array, keep: Array, rate: float) -> Array:
    """x / (1 - rate) where kept, 0 elsewhere: NaN in a dropped place does not spread, rate 1 gives zeros.

    The same function maps the gradient of the result to that of x.
    """
    scale, zero = x.dtype.type(1 / (1 - rate) if rate < 1 else 0), x.dtype.type(0)
    if keep.size < x.size:
        # a product with one factor for all steps takes a fifth of the time of a choice for each element
        scaled = x * np.where(keep, scale, zero)
        if not np.isnan(scaled).any():
            return np.asarray(scaled)
    return np.asarray(np.where(keep, x * scale, zero))


def drop_again(x: Array, keep: Array, rate: float) -> None:
    """`dropped` in place, as for the gradient of x."""
    x[...] = dropped(x, keep, rate)
