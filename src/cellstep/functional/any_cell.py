"""The functions that run any cell, with weights that were packed before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import core, kernels
from ..core import Packed
from ..lookup import snake_case

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, slots=True)
class Tape:
    """What `backward` needs of one `forward`. It may be used any number of times, by several threads too.

    It holds the arrays that `forward` was given, not copies: x, mask, resets and drop must not change before the last
    call of `backward`.
    """

    _pullback: core.Pullback

    @property
    def packed(self) -> Packed:
        """The weights that `forward` ran with."""
        return self._pullback.packed

    def __repr__(self) -> str:
        B, T, _ = self._pullback.x.shape
        return f"<tape of {self.packed.cell.title}, {B} rows of {T} steps>"


class Forward(NamedTuple):
    """What `forward` gives.

    Attributes:
        y: (B, T, H), the output of each step in the order of processing; None where not asked for.
        states: after the last step, one (B, H) a state, the output first; of a cell with states of other sizes these.
        tape: for `backward`; None where not asked for.
    """

    y: Array | None
    states: tuple[Array, ...]
    tape: Tape | None


class Gradients(NamedTuple):
    """What `backward` gives; None where not asked for.

    Attributes:
        x: (B, T, I). initial_state: one (B, H) a state.
        weights: by name, in the weights' shapes; of a bias that was None, those of zeros in its place.
    """

    x: Array | None
    initial_state: tuple[Array, ...] | None
    weights: dict[str, Array] | None


def row_of(cell: Any) -> kernels.Cell:
    """The row that a name, a class of a cell or a layer, or the row itself stands for."""
    row = getattr(cell, "contract", cell)
    if isinstance(row, kernels.Cell):
        return row if row.equations is None else kernels.add_equations(row)
    known = {snake_case(row.title): row for row in kernels.CELLS.values()} | kernels.CELLS
    if not isinstance(cell, str) or cell not in known:
        names = ", ".join(snake_case(row.title) for row in kernels.CELLS.values())
        raise ValueError(f"expected cell to be one of {names}, or a class of a cell, got {core.brief(cell)}")
    return known[cell]


def pack(cell: Any, *weights: Any, backward: bool = True, **options: Any) -> Packed:
    """Lay out a cell's weights for the kernels: once, for any number of calls.

    Args:
        cell: the name of one ("lstm"), or its class, such as `cells.MGU`, which then has its default hyperparameters.
        *weights: its arrays in order: W (I, G*H), U (H, G*H), b (G*H,) and what else the cell has; I inputs, H units, G
            gates. The last may be left out, or None, if it is the bias. They are copied, as the dtype of U, float32 or
            float64.
        backward: whether a tape will be asked for; without, packing takes less time and memory.
        **options: of the cell, as its layer has them: activation, recurrent_activation, reset_after.

    Returns:
        The packed weights, which have `I`, `H`, `dtype` and `cell`. Nothing changes them; threads may share them.

    Raises:
        ValueError, TypeError: another cell, shapes that do not fit each other, dtypes or options that there are not.
    """
    row = row_of(cell)
    if unknown := sorted(set(options) - set(row.option_names)):
        wanted = ", ".join(row.option_names)
        raise TypeError(f"{row.title} takes the options {wanted or 'none'}, got {', '.join(unknown)}")
    given = list(weights)
    if len(given) == len(row.weights) - 1 and row.weight_names[-1] == row.bias:
        given.append(None)
    backward = core.check_bool("backward", backward)
    return core.pack(row, *given, backward=backward, **{**row.defaults, **options})


def _packed(value: Any) -> Packed:
    if not isinstance(value, Packed):
        raise TypeError(f"expected packed to be weights from functional.pack, got {type(value).__name__}")
    return value


def step(packed: Packed, x: Any, states: Any) -> tuple[Array, ...]:
    """One step of B rows.

    Args:
        packed: from `pack`.
        x: (B, I). An array of the weights' dtype with a tight last axis is not copied.
        states: one (B, H) array a state, in the cell's order: (h, c) of an LSTM. They are not changed.

    Returns:
        The new states, new arrays; the first is the output.

    Raises:
        ValueError, TypeError: an argument that does not fit.
    """
    return core.step(_packed(packed), x, states)


def forward(
    packed: Packed,
    x: Any,
    initial_state: Any = None,
    *,
    mask: Any = None,
    lengths: Any = None,
    resets: Any = None,
    drop: Any = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    tape: bool = False,
) -> Forward:
    """T steps of B sequences.

    Args:
        packed: from `pack`.
        x: (B, T, I). An array of the weights' dtype with a tight last axis is not copied, whatever its strides.
        initial_state: one (B, H) array a state; zeros where None.
        mask: (B, T) booleans, False where a row carries its states.
        lengths: (B,) integers 0 .. T, the steps that each row runs from the left; not together with a mask.
        resets: (B, T) booleans, True where a row starts anew: before that step its states become zeros.
        drop: (B, H), what h is multiplied with before its products, at every step (recurrent dropout).
        go_backwards: begin at the last step; y comes in the order of processing.
        return_sequences: whether y is wanted.
        tape: whether `backward` will be called.

    Returns:
        `Forward(y, states, tape)`, new arrays.

    Raises:
        ValueError, TypeError: an argument that does not fit; nothing was run.
    """
    packed = _packed(packed)
    flags = {"go_backwards": go_backwards, "return_sequences": return_sequences, "tape": tape}
    go_backwards, return_sequences, tape = (core.check_bool(name, value) for name, value in flags.items())
    if tape and not packed.backward:
        raise ValueError("expected weights that were packed with backward=True, as a tape is asked for")
    y, last, pullback = core.forward(
        packed,
        x,
        initial_state,
        mask=mask,
        lengths=lengths,
        resets=resets,
        drop=drop,
        go_backwards=go_backwards,
        sequences=return_sequences,
        tape=tape,
    )
    return Forward(y, last, None if pullback is None else Tape(pullback))


def backward(
    tape: Tape,
    dy: Any = None,
    dstates: Any = None,
    *,
    need_x: bool = True,
    need_initial_state: bool = True,
    need_weights: bool = True,
) -> Gradients:
    """The gradients of a loss, from those of what `forward` gave.

    Args:
        tape: of that `forward`.
        dy: (B, T, H), the gradient of y, in the order of y; zeros where None.
        dstates: one (B, H) array, or None for zeros, a state: the gradients of the last states; zeros where None.
        need_x, need_initial_state, need_weights: what is wanted; the rest is not computed.

    Returns:
        `Gradients(x, initial_state, weights)`, new arrays.

    Raises:
        ValueError, TypeError: an argument that does not fit; nothing was run.
    """
    if not isinstance(tape, Tape):
        came = "None; forward(..., tape=True) gives one" if tape is None else type(tape).__name__
        raise TypeError(f"expected tape to be the tape of a forward, got {came}")
    flags = {"need_x": need_x, "need_initial_state": need_initial_state, "need_weights": need_weights}
    need_x, need_initial_state, need_weights = (core.check_bool(name, value) for name, value in flags.items())
    packed, row = tape.packed, tape.packed.cell
    if dstates is None:
        dstates = [None] * len(row.states)
    elif not isinstance(dstates, (list, tuple)):
        dstates = [dstates]
    sizes = {state.size: n for state, n in zip(row.states, packed.sizes, strict=True)} | {"I": packed.I, "H": packed.H}
    shapes = row.shapes(sizes, dict(zip(row.option_names, packed.options, strict=True)))
    dweights = [np.zeros(shape, packed.dtype) for shape in shapes] if need_weights else None
    dx, dfirst = tape._pullback(dy, dstates, dweights, need_dx=need_x, need_dfirst=need_initial_state)
    named = None if dweights is None else dict(zip(row.weight_names, dweights, strict=True))
    return Gradients(dx, dfirst if need_initial_state else None, named)
