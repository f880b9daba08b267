"""Running a cell: packs weights, allocates outputs, keeps the tape. Generic over the contract; no Python per step.

Nothing here is specific to a cell or a backend: `kernels.Cell` says how many gates and states there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from .arrays import plain
from .calls import Calls, add
from .checks import FLOATS, as_array, check_bool, check_lengths, check_mask, contiguous, empty, fits, rows
from .masks import fast_form, resets_that_run, running

Array = NDArray[Any]
States = tuple[Array, ...]

#: Up to so many zeros are kept for further calls.
KEPT = 2**14


@dataclass(eq=False, slots=True)
class Packed:
    """A cell's weights, in the layout of one backend, which runs them. Nobody writes to it; threads may share it.

    I inputs, H units, sizes of the states, dtype float32 or float64. options, backward: what they were packed for.
    """

    cell: kernels.Cell
    backend: kernels.Backend
    weights: Any
    I: int  # noqa: E741 - the contract's letter
    H: int
    sizes: tuple[int, ...]
    dtype: np.dtype[Any]
    options: tuple[Any, ...]
    backward: bool

    def again(self, weights: Sequence[Array | None]) -> Packed:
        """Other values packed likewise: arrays that kernels take as they are, of the dtype and the shapes before."""
        packed = self.backend.pack(self.cell, weights, self.options, self.backward)
        sizes = self.I, self.H, self.sizes
        return Packed(self.cell, self.backend, packed, *sizes, self.dtype, self.options, self.backward)


@dataclass(eq=False, slots=True)
class Pullback:
    """The backward half of one `forward`, which holds the tape. It may be called any number of times.

    Attributes:
        packed: the weights it ran with.
        x: (B, T, I) in the order of processing. first: the initial states, one (B, size) a state.
        mask, lengths, resets, drop: as the kernel got them, in the order of processing.
        sequences: whether y was wanted. go_backwards: whether the order of processing is the last step first.
    """

    packed: Packed
    tape: Any
    x: Array
    first: States
    mask: NDArray[np.bool_] | None
    lengths: NDArray[np.int32] | None
    resets: NDArray[np.bool_] | None
    drop: Array | None
    sequences: bool
    go_backwards: bool

    def __call__(
        self,
        dy: Array | None,
        dstates: Sequence[Array | None],
        dweights: Sequence[Array | None] | None = None,
        need_dx: bool = True,
        traces: Sequence[Array | None] | None = None,
        need_dfirst: bool = True,
        calls: Calls = None,
        lock: Any = None,
    ) -> tuple[Array | None, tuple[Any, ...]]:
        """Gradients of a loss from its gradients dy (B, T, size of the output) and dstates, one (B, size) a state; None
        stands for zeros.

        dweights: C-contiguous arrays in the weights' shapes, in their order, added to; None for what is not wanted, and
            for none at all.
        traces: one (B, T, size) a state or None, C-contiguous, written with the gradients of the states after each
            step, in the order of processing; None for none at all.
        calls: where given, the call of the kernel is appended, for `make` to make it and write what is returned, while
            it holds `lock`; calls before it may still have to write dy.

        Returns:
            dx (B, T, I) in the order of x as it was given, or None where not needed; the gradients of the initial
            states, each None where not needed.
        """
        packed = self.packed
        (B, T, I), sizes, dtype, S = self.x.shape, packed.sizes, packed.dtype, len(self.first)  # noqa: E741
        if dy is not None:
            if not self.sequences:
                raise ValueError("expected dy to be None, as no sequence was asked for, got an array")
            dy = rows(as_array("dy", dy, dtype, (B, T, sizes[0])))
        if len(dstates) != S:
            raise ValueError(f"expected {S} gradients of final states, got {len(dstates)}")
        dlast = list(dstates)
        for i, d in enumerate(dstates):
            if d is not None and not fits(d, dtype, (B, sizes[i])):
                d = as_array(f"the gradient of state {packed.cell.state_names[i]}", d, dtype, (B, sizes[i]))
                dlast[i] = contiguous(d)
        dx = empty((B, T, I), dtype) if need_dx else None
        none = (None,) * S
        dfirst: tuple[Any, ...] = _new_states(packed, B) if need_dfirst else none
        traces = none if traces is None else traces
        dweights = (None,) * len(packed.cell.weights) if dweights is None else dweights
        arguments = (packed.weights, self.tape, dy, dlast, dx, dweights, dfirst, traces)
        add(calls, packed.backend, "backward", arguments, lock)
        return dx[:, ::-1] if dx is not None and self.go_backwards else dx, dfirst

    def new_traces(self) -> tuple[Array, ...]:
        """Arrays for the traces of a call, one a state."""
        B, T, _ = self.x.shape
        return tuple(empty((B, T, n), self.packed.dtype) for n in self.packed.sizes)

    def read(self, rows: int | None = None) -> tuple[Array, States]:
        """What forward kept of the first rows, all of them where None, in the order of processing.

        Returns:
            gates (n, T, G, H) after activation in Keras's order, NaN at masked steps; the states after each step, one
            (n, T, size) a state. New arrays.
        """
        B, T, _ = self.x.shape
        n, cell, H = B if rows is None else min(rows, B), self.packed.cell, self.packed.H
        gates = np.empty((n, T, cell.G, H), self.packed.dtype)
        states = tuple(np.empty((n, T, size), self.packed.dtype) for size in self.packed.sizes)
        self.packed.backend.read(self.packed.weights, self.tape, gates, states)
        return gates, states


def pack(
    cell: kernels.Cell,
    *weights: Any,
    backward: bool,
    backend: kernels.Backend | None = None,
    **options: Any,
) -> Packed:
    """Pack weights for a backend.

    Args:
        cell: a row of the contract.
        *weights: the cell's arrays, in the row's order: W (I, G*H), U (H, G*H), ..., and None where there is no bias.
            They are cast to the dtype of the first that has an axis of units alone, float32 or float64.
        backward: whether a pullback will be wanted.
        backend: the active one where None.
        **options: the cell's options, all of them: `activation`, ... An activation may also be an object with
            `forward(x) -> (y, pullback)`; the reference backend, which alone runs those, is taken then, as for a cell
            that the backend does not have.

    Raises:
        ValueError, TypeError: shapes, dtypes or options that do not fit.
    """
    if kernels.CELLS.get(cell.name) is not cell:
        raise ValueError(f"expected a cell of kernels.CELLS, got another row {cell.name!r}; kernels.add_cell adds one")
    backend = kernels.active() if backend is None else backend
    if cell.name not in backend.cells:
        backend = kernels.load("numpy")
    if set(options) != set(cell.option_names):
        wanted = ", ".join(cell.option_names)
        raise TypeError(f"{cell.name} takes the options {wanted}, got {', '.join(sorted(options))}")
    for option in cell.options:
        name, chosen = option.name, options[option.name]
        if option.kind == "flag":
            options[name] = check_bool(name, chosen)
        elif not isinstance(chosen, str) and hasattr(chosen, "forward"):
            backend = kernels.load("numpy")
        elif chosen not in kernels.ACTIVATIONS:
            raise ValueError(f"{name} must be one of {', '.join(kernels.ACTIVATIONS)}, got {chosen!r}")
    arrays, dtype, sizes = _checked(cell, weights, options)
    values, of_states = (
        tuple([options[name] for name in cell.option_names]),
        tuple([sizes[s.size] for s in cell.states]),
    )
    packed = backend.pack(cell, arrays, values, backward)
    return Packed(cell, backend, packed, sizes["I"], sizes["H"], of_states, dtype, values, backward)


def _checked(
    cell: kernels.Cell, weights: Sequence[Any], options: Mapping[str, Any]
) -> tuple[list[Array | None], np.dtype[Any], dict[str, int]]:
    """The weights as kernels take them, their dtype, and the sizes that the row's letters stand for."""
    if len(weights) != len(cell.weights):
        raise TypeError(f"{cell.name} takes the weights {', '.join(cell.weight_names)}, got {len(weights)} arrays")
    arrays: list[Any] = [
        None if value is None and weight.name == cell.bias else plain(weight.name, value)
        for weight, value in zip(cell.weights, weights, strict=True)
    ]
    leading, _ = cell.places["H"]
    dtype = next((known for known in FLOATS if known == arrays[leading].dtype.newbyteorder("=")), None)
    if dtype is None:
        name = cell.weight_names[leading]
        raise TypeError(f"expected {name} to be float32 or float64, got dtype {arrays[leading].dtype}")
    sizes = cell.sizes(arrays)
    flags = tuple([(option.name, options[option.name]) for option in cell.options if option.kind == "flag"])
    shapes = _shapes(cell, tuple(sizes.items()), flags)
    for i in (leading, *range(leading), *range(leading + 1, len(arrays))):  # what says how many units there are first
        if arrays[i] is not None and not fits(arrays[i], dtype, shapes[i]):
            weight = cell.weights[i]
            dims: list[int | str] = list(shapes[i])
            for letter, word in (("I", "features"), ("H", "units"), ("P", "outputs")):
                if cell.places.get(letter, (-1,))[0] == i and letter in weight.axes:
                    dims[cell.places[letter][1]] = word
            arrays[i] = contiguous(as_array(weight.name, arrays[i], dtype, tuple(dims)))
    if not all(sizes.values()):
        matrices = [f"{w.name} {a.shape}" for w, a in zip(cell.weights, arrays, strict=True) if len(w.axes) == 2]
        raise ValueError(f"expected at least one feature and one unit, got {' and '.join(matrices)}")
    return arrays, dtype, sizes


@lru_cache(maxsize=1024)
def _shapes(
    cell: kernels.Cell, sizes: tuple[tuple[str, int], ...], flags: tuple[tuple[str, Any], ...]
) -> tuple[tuple[int, ...], ...]:
    return cell.shapes(dict(sizes), dict(flags))


def _new_states(packed: Packed, B: int) -> States:
    """An array for each state. To iterate over an array of two costs as much as to make it."""
    sizes, n = packed.sizes, len(packed.sizes)
    if sizes.count(packed.H) < n:
        return tuple([np.empty((B, size), packed.dtype) for size in sizes])
    states = np.empty((n, B, packed.H), packed.dtype)
    return (states[0], states[1]) if n == 2 else tuple(states)


@lru_cache(maxsize=16)
def _zeros(B: int, sizes: tuple[int, ...], dtype: np.dtype[Any]) -> States:
    """Read-only zeros, for the states that most sequences begin with."""
    zeros = {size: np.zeros((B, size), dtype) for size in sizes}
    for array in zeros.values():
        array.flags.writeable = False
    return tuple([zeros[size] for size in sizes])


def check_states(name: str, packed: Packed, states: Any, B: int) -> States:
    """One (B, size) array a state, C-contiguous; one lone array where the cell has one state."""
    wanted = packed.cell.state_names
    if not isinstance(states, (list, tuple)):
        states = [states]
    if len(states) != len(wanted):
        raise ValueError(f"expected {name} to be {len(wanted)} arrays ({', '.join(wanted)}), got {len(states)}")
    return tuple(
        contiguous(as_array(f"{name} {n}", s, packed.dtype, (B, size)))
        for n, s, size in zip(wanted, states, packed.sizes, strict=True)
    )


def step(packed: Packed, x: Any, states: Any, name: str = "x") -> States:
    """One step for B rows.

    Args:
        packed: from `pack`.
        x: (B, I).
        states: one (B, size) array a state.
        name: what messages call x.

    Returns:
        The new states, new arrays; the first is the cell's output.
    """
    # `fits` before the checks that can say what is wrong: these cost more than a small step (4 us against 0.3)
    if not (type(x) is np.ndarray and x.ndim == 2 and fits(x, packed.dtype, (x.shape[0], packed.I))):
        x = rows(as_array(name, x, packed.dtype, ("batch", packed.I)))
    sizes, dtype, B, copies = packed.sizes, packed.dtype, x.shape[0], []
    n = len(sizes)
    if isinstance(states, (list, tuple)) and len(states) == n:
        for s, size in zip(states, sizes):  # noqa: B905 - they are as many
            if type(s) is np.ndarray and s.dtype is dtype and s.shape == (B, size):
                copies.append(s.copy())  # C-contiguous, whatever s is
    if len(copies) < n:
        copies = [s.copy() for s in check_states("states", packed, states, x.shape[0])]
    new = tuple(copies)
    packed.backend.step(packed.weights, x, new)
    return new


def forward(
    packed: Packed,
    x: Any,
    states: Any = None,
    *,
    mask: Any = None,
    lengths: Any = None,
    resets: Any = None,
    drop: Any = None,
    go_backwards: bool = False,
    sequences: bool = True,
    tape: bool = False,
    recompute: int = 0,
    calls: Calls = None,
) -> tuple[Array | None, States, Pullback | None]:
    """Run B sequences of T steps.

    Args:
        packed: from `pack`, with `backward` where there is a tape.
        x: (B, T, I), not written to. With a tape, x, mask, resets and drop must not change before the last call of the
            pullback.
        states: one (B, size) array a state; None for zeros.
        mask: (B, T) booleans, False where a row carries its states.
        lengths: (B,) integers, the steps that each row runs from the left; not together with a mask.
        resets: (B, T) booleans, True where a row starts anew: before that step its states become zeros, and no gradient
            crosses. At a masked step, which carries the states, a reset waits for the row's next step.
        drop: (B, size of h), what h is multiplied with before products with U at every step (recurrent dropout); None
            for ones.
        go_backwards: start at the last step, padding included; y comes in the order of processing.
        sequences: whether y is wanted.
        tape: whether a pullback is wanted. recompute: 1 where it is to keep some of the steps alone, and run the others
            again, or every how many steps to keep the states; what comes out is the same to the bit.
        calls: where given, the call of the kernel is appended, for `make` to make it and write what is returned; calls
            before it may still have to write x.

    Returns:
        y (B, T, size of h), or None; the final states, each (B, size); a `Pullback`, or None. All arrays are new.

    Raises:
        ValueError, TypeError: an argument that does not fit.
    """
    sizes, dtype, run = packed.sizes, packed.dtype, packed.backend
    if not (type(x) is np.ndarray and x.dtype is dtype and x.ndim == 3 and x.shape[2] == packed.I and x.flags.carray):
        x = rows(as_array("x", x, dtype, ("batch", "time", packed.I)))
    B, T, _ = x.shape
    if states is not None:
        first = check_states("initial_state", packed, states, B)
    elif B * max(sizes) <= KEPT:
        first = _zeros(B, sizes, dtype)
    else:
        first = tuple([np.zeros((B, size), dtype) for size in sizes])
    kernel_mask, kernel_lengths = None, None
    if mask is None and lengths is not None and not go_backwards:
        kernel_lengths = check_lengths(lengths, B, T)
    elif mask is not None or lengths is not None:
        steps = running(mask, lengths, B, T, go_backwards)
        assert steps is not None
        kernel_mask, kernel_lengths = fast_form(steps)
    if resets is not None:
        resets = resets_that_run(check_mask(resets, B, T, "resets"), kernel_mask, go_backwards)
    if drop is not None:
        drop = contiguous(as_array("drop", drop, dtype, (B, sizes[0])))
    if go_backwards:
        x = x[:, ::-1]
    y = empty((B, T, sizes[0]), dtype) if sequences else None
    last = _new_states(packed, B)
    kept = run.tape(packed.weights, B, T, recompute) if tape else None
    arguments = (packed.weights, x, first, kernel_mask, kernel_lengths, resets, drop, y, last, kept)
    add(calls, run, "forward", arguments)
    if kept is None:
        return y, last, None
    pullback = Pullback(packed, kept, x, first, kernel_mask, kernel_lengths, resets, drop, sequences, go_backwards)
    return y, last, pullback
