"""Plain runs: a recurrent layer on one array from zeros, with no option that takes part, as most batches are.

All that `RNN.apply` looks at costs Python as much as a small layer's kernels. Here is what is left of it where that was
looked at before, and nothing has changed since.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import empty, ndarray

from .. import core, kernels
from .cell import RecurrentCell
from .context import Applied, Context, traced_on
from .runner import Array
from .structure import structure
from .tracing import trace_under_way

if TYPE_CHECKING:
    from .recurrent import RNN


#: Of calls without a pullback; nobody writes to them.
PREDICTING, TRAINING = Context(), Context(training=True)


class PlainRun:
    """What runs of a layer need to know of it, as long as it does not change.

    Attributes:
        version: of the structure, for which it holds. backend: likewise.
        width: of x; None where an option takes part in each run, or a cell that kernels do not run.
        drops: whether dropout takes part in training.
        whole: whether a call of the layer with nothing but x is a run and no more.
    """

    def __init__(self, layer: RNN) -> None:
        cell, self.layer = layer.runner, layer
        self.version, self.backend = structure.watch((layer, *cell.flat)), kernels.active()
        self.width: int | None = None
        own = type(layer).apply is not type(layer).apply_arrays or {"apply", "forward", "call"} & vars(layer).keys()
        self.whole = not own and layer.activity_regularizer is None
        begins = layer.stateful or layer.initial or layer.has_own_first_states
        if (
            begins
            or layer.return_state
            or not layer.built
            or len(set(cell.state_sizes)) > 1
            or getattr(cell, "zoneout", False)
        ):
            return
        if not isinstance(cell, RecurrentCell) or cell.contract.name not in self.backend.cells:
            return
        if not all(isinstance(value, str | bool) for value in cell.options.values()):
            return  # an activation that kernels do not have
        self.width, self.drops = cell.built_for[-1], bool(cell.dropout or cell.recurrent_dropout or cell.weight_dropout)
        self._sequences, self._H, self._dtype = layer.return_sequences, cell.output_size, layer.dtype
        self._cell, self._none = cell, (None,) * len(cell.contract.states)
        self._zeros: tuple[Array, ...] = (np.zeros((0, self._H), self._dtype),) * len(self._none)

    def __call__(self, x: Array, tape: bool, calls: core.Calls = None) -> Applied:
        """What `RNN.apply` gives for x as kernels take it; where `calls` are given, once they are made."""
        B, T, _ = x.shape
        dtype, H, first, backend = self._dtype, self._H, self._zeros, self.backend
        if len(first[0]) != B:
            zeros = np.zeros((B, H), dtype)
            zeros.flags.writeable = False
            first = self._zeros = (zeros,) * len(self._none)
        packed = self._cell.packed(tape).weights
        y = backend.empty((B, T, H), dtype) if self._sequences else None
        states = empty((len(first), B, H), dtype)
        last = (states[0], states[1]) if len(first) == 2 else tuple(states)  # quicker than to iterate
        kept = backend.tape(packed, B, T, self.layer.recompute) if tape else None
        turned = x[:, ::-1] if self.layer.go_backwards else x
        arguments = packed, turned, first, None, None, None, None, y, last, kept
        if calls is None:
            backend.forward(*arguments)
        else:
            core.add(calls, backend, "forward", arguments)
        output = last[0] if y is None else y
        pull = None if kept is None else PlainPullback(self.pull, packed, kept, x.shape, output.shape)
        return output, None, pull

    def alone(self, x: Any, training: bool | None) -> Array | None:
        """The outputs of a call of the layer with nothing but x; None where it takes more than a run."""
        if traced_on.get() is not None:
            return None
        run = plain_run(self.layer, x, TRAINING if training else PREDICTING)
        return run(x, False)[0] if run is not None and run.whole else None

    def pull(
        self, packed: Any, tape: Any, shape: Any, output: Any, dy: Any, need_dx: bool = True, calls: core.Calls = None
    ) -> Array | None:
        """dx of a call, whose x and output have these shapes."""
        layer, none = self.layer, self._none
        if dy is not None:
            dy = layer.gradient_array(dy, output)
            if not dy.flags.carray:
                dy = core.rows(dy) if self._sequences else core.contiguous(dy)
        dx = self.backend.empty(shape, self._dtype) if need_dx else None
        dlast = none if self._sequences else (dy, *none[1:])
        with self._cell._lock:  # threads may add to the same gradients
            dweights = layer.grads_of(self._cell.row_weights)
            arguments = packed, tape, dy if self._sequences else None, dlast, dx, dweights, none, none
            if calls is None:
                self.backend.backward(*arguments)
            else:
                core.add(calls, self.backend, "backward", arguments, self._cell._lock)
        return dx[:, ::-1] if dx is not None and layer.go_backwards else dx


class PlainPullback(partial[Any]):
    """`PlainRun.pull` of a run: takes dy, None for zeros, and gives dx."""

    def reads(self, dy: Any) -> bool:
        """As that of `RecurrentPullback`."""
        return dy is not None and dy.dtype is not self.func.__self__.layer.dtype  # type: ignore[attr-defined]

    def phases(self, calls: list[Any], dy: Any, need_dx: bool = True) -> Iterator[Any]:
        """A call in two phases, as that of `RNN.phases`."""
        dx = self(dy, need_dx, calls)
        yield dx
        yield dx


def plain_run(layer: RNN, x: Any, context: Context) -> PlainRun | None:
    """What runs x in this pass; None where x is not an array that kernels take, or an option takes part."""
    run: PlainRun | None = layer._cached_plain
    if run is None or run.version != structure.version or run.backend is not kernels.active():
        run = layer.__dict__["_cached_plain"] = PlainRun(layer)
    if (
        run.width is None
        or type(x) is not ndarray
        or x.ndim != 3
        or x.shape[2] != run.width
        or x.dtype is not layer.dtype
        or not x.flags.carray
        or (context.training and run.drops)
        or layer.states is not None
        or (context.padding and (layer.go_backwards if layer.return_sequences else layer.zero_output_for_mask))
        or (context.tape and trace_under_way())
    ):
        return None
    return run
