"""What a chain is made of: the stages of a stream, as data. README.md says what a chain does with them.

A step's values are (B, width) arrays, one row for each stream of the batch; a stage turns them into its outputs. Beside
them goes one flag a row, whether the step is there: `Lookup` and `Mask` set the flags, `Recur` obeys them.

Letters as in the contract; N is the number of outputs, V that of a table's rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .cells import ACTIVATIONS, Cell
from .contract import Backend
from .reference.activations import Differentiable

Array = NDArray[Any]

#: What the stages `Dense` and `Activate` compute: the activations of the cells, and softmax over a row.
STREAMED = (*ACTIVATIONS, "softmax")

#: What a chain says to a second thread.
BUSY = "a stream belongs to one thread at a time, and another thread is inside this one"


@dataclass(frozen=True)
class Lookup:
    """Rows of a table (V, N) for integers (B,); only ever the first stage. With mask_zero 0 is not there."""

    table: Array
    mask_zero: bool


@dataclass(frozen=True)
class Mask:
    """Rows whose values all equal `value` are not there, and become zeros."""

    value: float


@dataclass(frozen=True)
class Recur:
    """One step of a cell: `packed` from `backend.pack`. A row that is not there keeps its states, and its output is its
    h again, or zeros with `zero_masked`. A stream begins with `first`, a vector (size,) a state, where it is not empty;
    a chain by itself begins with zeros. After a step so much of each state stays as `stays` says, where it is not
    empty, which the chain in NumPy does."""

    cell: Cell
    backend: Backend
    packed: Any
    zero_masked: bool
    first: tuple[Array, ...] = ()
    stays: tuple[float, ...] = ()


@dataclass(frozen=True)
class Dense:
    """activation(x W + b): W (I, N), b (N,) or None, activation one of STREAMED. The chain in NumPy takes any."""

    W: Array
    b: Array | None
    activation: str | Differentiable


@dataclass(frozen=True)
class Activate:
    """An activation as in `Dense`, applied to each row."""

    activation: str | Differentiable


Stage = Lookup | Mask | Recur | Dense | Activate


def widths(stages: tuple[Stage, ...], inputs: int | None) -> list[int]:
    """The width of each stage's output. `inputs` is the width of the input, None for integers."""
    widths, width = [], inputs or 0
    for stage in stages:
        if isinstance(stage, Lookup):
            width = stage.table.shape[1]
        elif isinstance(stage, Recur):
            width = stage.packed.sizes[0]
        elif isinstance(stage, Dense):
            width = stage.W.shape[1]
        widths.append(int(width))
    return widths
