"""What the three reference cells share: packed weights, and the steps at which a row runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activations import Differentiable, Pullback

Array = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Packed:
    """Weights as `pack` leaves them: copies that nobody writes to.

    W (I, G*H), U (H, G*H), b of the cell's bias shape, or None where the cell has no bias. An activation is a name of
    the contract; this backend alone takes any other function with its gradient too.
    """

    W: Array
    U: Array
    b: Array | None
    activation: str | Differentiable
    recurrent_activation: str | Differentiable = "linear"
    reset_after: bool = False
    backward: bool = True

    @property
    def I(self) -> int:  # noqa: E743 - the contract's letter
        return int(self.W.shape[0])

    @property
    def H(self) -> int:
        return int(self.U.shape[0])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.W.dtype


def frozen(a: Array) -> Array:
    """A private C-contiguous copy that cannot be written to."""
    a = np.array(a, order="C")
    a.flags.writeable = False
    return a


def active_steps(B: int, T: int, mask: Mask | None, lengths: NDArray[np.int32] | None) -> Mask:
    """(T, B, 1) booleans: does row b run at step t? At the other steps its states are carried."""
    if lengths is not None:
        run = np.arange(T)[:, None] < lengths[None, :]
    elif mask is not None:
        run = mask.T
    else:
        run = np.ones((T, B), bool)
    return run[:, :, None]


def dropped(h: Array, drop: Array | None) -> Array:
    """drop h: the states as products with U see them. The same maps a gradient back."""
    return h if drop is None else h * drop


@dataclass
class Tape:
    """What one forward pass keeps for one or more backward passes.

    x and drop are the caller's arrays, not copies: they must not change before backward. `kept` holds the
    cell's own arrays, each (T, B, ...) or (T + 1, B, H) with row 0 the initial state; `backs` each step's maps from
    gradients of activations to those of their arguments.
    """

    B: int
    T: int
    x: Array | None = None
    run: Mask | None = None
    drop: Array | None = None
    kept: dict[str, Array] | None = None
    backs: list[tuple[Pullback, ...]] = field(default_factory=list)


def read_gates(tape: Tape, values: Array, gates: Array | None) -> None:
    """gates (n, T, G, H) = values (T, B, G, H) of the first n rows, NaN at masked steps; nothing for None."""
    if gates is not None and gates.size:
        assert tape.run is not None
        n = len(gates)
        gates[...] = np.where(tape.run[:, :n, :, None], values[:, :n], np.nan).swapaxes(0, 1)


def read_states(values: Array, out: Array | None) -> None:
    """out (n, T, H) = values (T + 1, B, H) of the first n rows, without the initial states; nothing for None."""
    if out is not None:
        out[...] = values[1:, : len(out)].swapaxes(0, 1)


def split_of(p: Packed, shape: tuple[int, int, int], backward: bool = False) -> tuple[int, str, list[int], str]:
    """How a call for x of this shape (B, T, I) is shared: not at all."""
    return 1, "rows", [shape[0]], "NumPy runs all rows at once"
