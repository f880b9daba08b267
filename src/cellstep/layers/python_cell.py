"""Cells that users write in Python, run over sequences: one call a step, slow but right.

A cell is any object with `state_size` that writes `call(inputs, states) -> (output, new_states)`, as in Keras, with
operators and functions of `cellstep.ops`: it is traced once (`layers.tracer`). Or one with

    state_size          an integer, or a list of one integer a state; the first state is taken for the output so far
    output_size         the width of its output; the size of the first state where it is not there
    forward(x, states, training) -> ((y, new_states), pullback)

        x (B, features), states a list of (B, size) arrays; y (B, output_size), new_states of the same sizes.
        pullback(dy, dnew_states) -> (dx, dstates): the gradients of x and of the states that came in, from those of y
        and of the new states, all arrays; it adds to the gradients of the cell's weights.

A cell with weights is a `Layer`, or a `Module` that makes them in `make_weights((batch, features))`; a pullback adds to
`w.grad` of each. Also looked at where they are there: `get_initial_state(batch_size)`, else states begin at zero;
`dtype`, else float32; `reset_dropout_mask()` and `reset_recurrent_dropout_mask()`, called before each sequence.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import core
from . import nested
from .base import Layer
from .call_adapter import call_parameters, traced_call
from .context import Context
from .forward_adapter import composes
from .runner import Array, Tape, Taping
from .tracing import PythonRun, trace_under_way, watched


def _chosen(where: Array | None, a: Array, b: Any) -> Array:
    """a in the rows of `where` (B, 1), b in the others; None for all rows."""
    return a if where is None else np.where(where, a, b)


class PythonCell:
    """Runs a user's cell over sequences. At a masked step a row carries its states; what the cell makes of it is left
    out, and the output is the first state where that has the output's size, else the output before, zeros at first.

    Raises:
        TypeError: the cell has no `forward`, or is a layer. ValueError: it has no `state_size`.
    """

    def __init__(self, cell: Any) -> None:
        by_hand = callable(getattr(cell, "forward", None)) and not composes(cell)
        by_call = composes(cell) or (not by_hand and callable(getattr(cell, "call", None)))
        if isinstance(cell, type) or not (by_hand or by_call) or hasattr(cell, "return_sequences"):
            raise TypeError(
                "cell must be a SimpleRNNCell, LSTMCell, GRUCell, a list of cells, or an object with state_size and "
                f"call(inputs, states), or forward(x, states, training), got {cell!r}"
            )
        #: The layer whose `call` is a step; None for a cell with `forward`.
        self.layer: Any = cell if composes(cell) else None
        if by_call and self.layer is None:
            self.layer = Layer(core.brief(cell), getattr(cell, "dtype", None))
            self.layer.call = cell.call
        size = getattr(cell, "state_size", None)
        if size is None:
            raise ValueError(f"cell must have state_size, one integer or one for each state, got none in {cell!r}")
        sizes = size if isinstance(size, (list, tuple)) else [size]
        self.cell = cell
        self.dtype = core.float_dtype("dtype of the cell", getattr(cell, "dtype", None))
        self.state_sizes = [core.check_count("state_size of the cell", n) for n in sizes]
        self.state_names = [str(i) for i in range(len(sizes))]
        output = getattr(cell, "output_size", None)
        self.output_size = (
            self.state_sizes[0] if output is None else core.check_count("output_size of the cell", output)
        )
        self.h = 0 if self.state_sizes[0] == self.output_size else None

    @property
    def flat(self) -> list[Any]:
        return [self]

    def reads(self, training: bool) -> bool:
        return True

    def get_initial_state(self, batch_size: int) -> list[Array]:
        """The cell's own first states, or zeros."""
        if not hasattr(self.cell, "get_initial_state"):
            return [np.zeros((batch_size, n), self.dtype) for n in self.state_sizes]
        return self._states("get_initial_state", self.cell.get_initial_state(batch_size), batch_size)

    def _states(self, maker: str, states: Any, B: int, said: str = "") -> list[Array]:
        said = said or repr(self.cell)
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        if len(states) != len(self.state_sizes):
            raise ValueError(f"expected {maker} of {said} to give {len(self.state_sizes)} states, got {len(states)}")
        what = f"a state from {maker} of {said}"
        return [core.as_array(what, s, self.dtype, (B, n)) for s, n in zip(states, self.state_sizes, strict=True)]

    def steps(self, x: Array, states: list[Array], training: bool) -> Any:
        """A function that does a step of the cell: of (x, states) such as these it gives (y, new states, pullback),
        checked. One with `call` is traced here, once for a sequence."""
        said, B = repr(self.cell), len(x)
        if self.layer is None:
            cell_step, maker = self._forward, "forward"
        else:
            cell_step, maker = self._traced(x, states, training), "call"

        def step(x: Array, states: list[Array]) -> tuple[Array, list[Array], Any]:
            try:
                (y, new), pullback = cell_step(x, states, training)
            except (TypeError, ValueError) as error:
                if "unpack" not in str(error):
                    raise
                gives = "((y, new_states), pullback)" if self.layer is None else "(output, new_states)"
                raise ValueError(f"expected {maker} of {said} to give {gives}") from error
            y = core.as_array(f"the output of {said}", y, self.dtype, (B, self.output_size))
            return y, self._states(maker, new, B, said), pullback

        return step

    def _forward(self, x: Array, states: list[Array], training: bool) -> Any:
        return self.cell.forward(x, states, training)

    def _traced(self, x: Array, states: list[Array], training: bool) -> Any:
        """What a step of a cell with `call` gives, likewise."""
        first, name = (*call_parameters(self.layer), "states")[:2]
        run = traced_call(self.layer, x, None, training, {name: states})
        context = Context(training, tape=True)

        def step(x: Array, states: list[Array], training: bool) -> Any:
            outcome, _, back = run(context, [x, *states] if first < name else [*states, x])
            if not isinstance(outcome, list | tuple) or len(outcome) != 2:
                raise ValueError("nothing to unpack")

            def pullback(dy: Any, dnew: Any) -> Any:
                dx, before = back(nested.pack(outcome, [dy, *dnew]))
                filled = [np.zeros_like(s) if d is None else d for d, s in zip(before, states, strict=True)]
                return np.zeros_like(x) if dx is None else dx, filled

            return (outcome[0], nested.flatten(outcome[1])), pullback

        return step

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
        calls: core.Calls = None,
    ) -> tuple[Array, list[Array], Tape | None]:
        """Run B sequences, at once; `Runner.run_sequences` says what goes in and comes out."""
        B, T, features = x.shape
        h, zero = self.h, self.dtype.type(0)
        for name in ("reset_dropout_mask", "reset_recurrent_dropout_mask"):
            getattr(self.cell, name, lambda: None)()
        running = core.running(mask, lengths, B, T, False)
        resets = None if resets is None else core.check_mask(resets, B, T, "resets")
        due = np.zeros((B, 1), bool)  # a reset that waits for a step that runs
        now: list[Array] = self.get_initial_state(B) if states is None else list(states)
        # where pieces begin
        first = now if states is None or resets is None else self.get_initial_state(B)
        y = np.zeros((B, self.output_size), self.dtype) if h is None else now[h]
        outputs = np.empty((B, T, self.output_size), self.dtype) if sequences else None
        steps: list[tuple[Array | None, Array | None, Any, list[Array]]] = []
        step: Any = self.steps(x[:, 0], now, training) if T else None
        said, begun, watching = repr(self.cell), now, tape and trace_under_way()
        told = h is not None  # whether the output is this state, as it mostly is
        for t in range(T):
            run = None if running is None or running[:, t].all() else running[:, t, None]
            goes_on = None
            if resets is not None:
                due |= resets[:, t, None]
                goes_on = ~due if run is None else ~(due & run)
                due = due & goes_on
            before = now if goes_on is None else [_chosen(goes_on, s, f) for s, f in zip(now, first, strict=True)]
            output, new, back = step(_chosen(run, x[:, t], zero), before)
            y = _chosen(run, output, y if h is None else now[h])
            now = [_chosen(run, a, b) for a, b in zip(new, now, strict=True)]
            if watching and told and h is not None:
                told = y is now[h] or np.array_equal(y, now[h])
            if outputs is not None:
                outputs[:, t] = y
            if tape:
                steps.append((run, goes_on, back, now))
        if self.layer is not None and self.layer.regularizers_inside():
            raise NotImplementedError(
                f"add_loss and activity_regularizer are not built within a cell, got {self.cell!r}"
            )
        result, last = (y.copy() if outputs is None else outputs), [s.copy() for s in now]
        if not tape:
            return result, last, None
        after = [states_ for *_, states_ in steps]
        traced = watched(self, PythonRun(x, begun, mask, lengths, resets, training, after)) if T else None

        def pullback(
            dy: Any, dlast: Any, need_dx: bool = True, need_dfirst: bool = True, calls: core.Calls = None
        ) -> tuple[Array | None, list[Array]]:
            core.make(calls)
            traces = None if traced is None else traced.new_gradients()
            by_output = np.zeros((B, T, self.output_size), self.dtype) if traces and not told else None
            dx = np.empty((B, T, features), self.dtype) if need_dx else None
            ds = [
                np.zeros((B, n), self.dtype) if d is None else d for d, n in zip(dlast, self.state_sizes, strict=True)
            ]
            # what has come to the output so far and not yet to a step that made it
            d = np.zeros((B, self.output_size), self.dtype)
            if dy is not None and not sequences:
                d = dy
            for t in reversed(range(T)):
                run, goes_on, back, _ = steps[t]
                if dy is not None and sequences:
                    d = d + dy[:, t]
                if traces is not None:
                    for trace, s in zip(traces, ds, strict=True):
                        trace[:, t] = s
                    if by_output is not None:
                        by_output[:, t] = _chosen(run, d, zero)
                    elif h is not None:
                        traces[h][:, t] += d
                dx_step, before = back(_chosen(run, d, zero), [_chosen(run, s, zero) for s in ds])
                before = [_chosen(goes_on, s, zero) for s in self._states("pullback", before, B, said)]
                if dx is not None:
                    what = f"dx from a pullback of {said}"
                    dx[:, t] = _chosen(run, core.as_array(what, dx_step, self.dtype, (B, features)), zero)
                ds = [_chosen(run, a, b) for a, b in zip(before, ds, strict=True)]
                d = np.zeros_like(d) if run is None else np.where(run, zero, d)
                if h is not None and run is not None:
                    ds[h] = ds[h] + d
                    d = np.zeros_like(d)
            if h is not None:  # no step at all: the output was the first state
                ds[h] = ds[h] + d
            if traced is not None:
                traced.initial, traced.by_output = tuple(ds), by_output
                traced.above = dy if sequences and told else None
            return dx, ds

        return result, last, Tape(pullback, lambda n: steps[n - 1][3])
