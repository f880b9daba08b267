"""The backward half of a call of RNN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import core
from .runner import Array, Tape
from .states import gradients_like, split_gradients
from .time_order import TimeOrder, zeroed


class RecurrentPullback:
    """Takes dy in the form of the output, where None is zeros, and gives dx, or (dx, [gradient of each initial state])
    if initial_state was given; it adds to the gradients of weights.

    Args:
        layer: the RNN. order: in which it ran. tape: of its runner. shape: of the output.
        running: steps whose outputs are not zero, or None. initial_state: as given. own_first: whether the layer's own
            initial states were used, which are weights.
    """

    __slots__ = ("initial_state", "layer", "order", "own_first", "running", "shape", "tape")

    def __init__(
        self,
        layer: Any,
        order: TimeOrder,
        tape: Tape,
        shape: tuple[int, ...],
        running: Array | None,
        initial_state: Any,
        own_first: bool,
    ) -> None:
        self.layer, self.order, self.tape, self.shape = layer, order, tape, shape
        self.running, self.initial_state, self.own_first = running, initial_state, own_first

    def __call__(self, dy: Any, need_dx: bool = True) -> Any:
        calls: list[Any] = []
        phases = self.phases(calls, dy, need_dx)
        next(phases)
        core.make(calls)
        return next(phases)

    def reads(self, dy: Any) -> bool:
        """Whether the first of the phases reads dy itself, which has to be written before: it casts dy or moves it, or
        zeroes steps that do not run."""
        return dy is not None and (self.running is not None or self.order.moves or dy.dtype is not self.layer.dtype)

    def phases(self, calls: list[Any], dy: Any, need_dx: bool = True) -> Iterator[Any]:
        """A call in two phases, as `RNN.phases`: yields dx where the calls alone write it, else None; then the result.
        dy of a layer that gives one output may still have to be written by a call that waits, and has nothing to do
        after, unless this one `reads` it."""
        layer, order, running, given = self.layer, self.order, self.running, self.initial_state is not None
        runner = layer.runner
        dlast: list[Array | None] = [None] * len(runner.state_sizes)
        dbefore = None
        if layer.return_state:
            dy, dlast = split_gradients(runner, dy, layer.dtype, order.B)
        if dy is not None and layer.return_sequences:
            dy = order.check_gradient(dy, layer.dtype, runner.output_size)
            dy, dbefore = order.gradients(dy if running is None else zeroed(dy, running))
        elif dy is not None:
            dy = layer.gradient_array(dy, self.shape)
            dy = dy if running is None else zeroed(dy, running)
        dx, dfirst = self.tape.pullback(dy, dlast, need_dx, self.own_first or given, calls)
        yield None if dx is None or given or order.moves else order.inputs(dx)
        if dbefore is not None and runner.h is not None and dfirst[runner.h] is not None:
            dfirst[runner.h] = dfirst[runner.h] + dbefore
        if self.own_first:
            with layer._lock:  # threads may add to the same gradients
                for grad, d in zip(layer.grads_of(layer.initial), dfirst, strict=True):
                    if grad is not None:
                        grad += d.sum(0)
        if dx is not None:
            dx = order.inputs(dx)
        yield (dx, gradients_like(runner, self.initial_state, dfirst)) if given else dx
