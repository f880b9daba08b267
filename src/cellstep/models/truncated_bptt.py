"""Truncated backpropagation through time (truncated BPTT), `fit(..., tbptt=(k1, k2))`.

A batch of long sequences is processed in windows. Every k1 steps the loss of these k1 steps is taken, its gradient
goes back through the last k2 >= k1 steps, and the optimizer makes a step; recurrent layers begin each window with the
states that they had at its first step, as they were then.

Source: Williams and Peng 1990, "An efficient gradient-based algorithm for on-line training of recurrent network
trajectories", BPTT(h; h') with h = k2 and h' = k1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from .. import core
from ..configured import ours_function
from ..interrupts import interrupts_held
from ..layers import Lambda, nested
from ..layers.grouped import Grouped
from ..layers.ragged import Ragged
from .data import Batch
from .grouped import join
from .logs import Logs
from .rollback import undone_on_error
from .trainer import Trainer

#: What a message adds for custom layers.
OWN = "; one that takes each step by itself says so by over_time = 'step'"


class TruncatedBPTT:
    """Trains a model batch by batch in windows.

    Args:
        trainer: of a model over sequences, with an output for each step.
        lengths: (k1, k2).

    Raises:
        TypeError, ValueError: no pair of positive integers with k2 >= k1, or a layer that does not run step by step.
    """

    def __init__(self, trainer: Trainer, lengths: Any) -> None:
        if not isinstance(lengths, list | tuple) or len(lengths) != 2:
            raise TypeError(f"tbptt must be a pair (k1, k2), got {lengths!r}")
        self.trainer, self.model = trainer, trainer.model
        self.layers: list[Any] | None = None
        self.k1, self.k2 = (
            core.check_count(name, k) for name, k in zip(("k1 of tbptt", "k2 of tbptt"), lengths, strict=True)
        )
        if self.k2 < self.k1:
            raise ValueError(f"k2 of tbptt must be at least k1, got {self.k1, self.k2}")

    def recurrent(self) -> list[Any]:
        """The layers with states.

        Raises:
            ValueError: there is none, or a layer that does not go from window to window.
        """
        layers = _checked(self.model)
        if not layers:
            raise ValueError(f"tbptt needs a recurrent layer, and {self.model.name} has none")
        return layers

    def train(self, batch: Batch) -> Logs | None:
        """The windows of one batch, each with a step of the optimizer; the logs after the last."""
        model, compiled = self.model, self.trainer.ready("fit")
        _check_even(batch)
        self.trainer.checked_plan(batch)
        T = self._steps(batch)
        if self.layers is None:
            self.layers = self.recurrent()
        layers = self.layers
        logs: Logs | None = None
        with compiled.training, _stateful(layers):
            begin, done = 0, 0
            while done < T:
                end = min(done + self.k1, T)
                # the next window may begin within this one: with the states there, before the step changes the weights
                after = end if end == T else max(begin, min(end + self.k1, T) - self.k2)
                first = [layer.states for layer in layers]
                for layer in layers:
                    layer.carry_at = after - begin if begin < after < end else None
                with undone_on_error(model):
                    logs = self._window(_cut(batch, begin, end, done), done - begin, T)
                if after < end:
                    _set(layers, first if after == begin else [layer.carried for layer in layers])
                begin, done = after, end
        return logs

    def _window(self, batch: Batch, before: int, T: int) -> Logs | None:
        """One step of the optimizer: the loss of what comes after `before` steps, with gradients through all."""
        trainer, compiled = self.trainer, self.trainer.ready("fit")
        plan = trainer.plan(batch.x)
        optimizer = trainer.begin(compiled, plan)
        ran = plan.forward(batch.x, trainer.context(compiled, batch))
        steps = next(a.shape[1] for a in nested.flatten(batch.x))
        for y in nested.flatten(ran.y):
            if y.ndim < 2 or y.shape[1] != steps:
                raise ValueError(
                    f"tbptt needs outputs for each of {steps} steps, got {y.shape}: set return_sequences=True"
                )
        outputs: list[Any] = [y[:, before:] for y in nested.flatten(ran.y)]
        masks: list[Any] = [None if m is None else m[:, before:] for m in nested.flatten(ran.mask)]
        masks += [None] * (len(outputs) - len(masks))
        # windows may differ in length: a step counts as much in one as in another
        live = outputs[0].shape[0] * outputs[0].shape[1] if masks[0] is None else np.count_nonzero(masks[0])
        if not plan.computes_with_outputs:
            pairs = [_apart(y, m) for y, m in zip(outputs, masks, strict=True)]
            outputs, masks = ([pair[i] for pair in pairs] for i in range(2))
        late = replace(ran, y=nested.pack(ran.y, outputs), mask=nested.pack(ran.y, masks))
        scored = trainer.score(compiled, plan, batch, late, True)
        whole = []
        for y, d in zip(nested.flatten(ran.y), scored.gradients, strict=True):
            full = np.zeros_like(y)
            if d is not None:
                full[:, before:] = join(d)
            whole.append(full)
        trainer.pull(compiled, plan, ran, whole)
        with interrupts_held():
            logs = trainer.record(compiled, plan, batch, late, scored, live / T)
            trainer.update_weights(optimizer, plan)
        return logs

    def _steps(self, batch: Batch) -> int:
        """The number of steps, which all inputs and targets share."""
        leaves = [a for a in (*nested.flatten(batch.x), *nested.flatten(batch.y)) if a is not None]
        steps = {a.shape[1] if a.ndim > 1 else None for a in leaves}
        T = steps.pop()
        if steps or T is None:
            raise ValueError(
                f"tbptt needs x and y with one number of steps, got {', '.join(str(a.shape) for a in leaves)}"
            )
        return int(T)


def _cut(batch: Batch, begin: int, end: int, fresh: int) -> Batch:
    """Steps begin..end of the inputs, and fresh..end of the targets and of the weights that have steps."""
    T = next(a.shape[1] for a in nested.flatten(batch.x))

    def weight(a: Any) -> Any:
        return a if a is None or a.ndim < 2 or a.shape[1] != T else a[:, fresh:end]

    return Batch(
        nested.change(batch.x, lambda a: a[:, begin:end]),
        nested.change(batch.y, lambda a: None if a is None else a[:, fresh:end]),
        nested.change(batch.sample_weight, weight),
        None if batch.resets is None else batch.resets[:, begin:end],
    )


def _set(layers: list[Any], states: list[Any]) -> None:
    for layer, state in zip(layers, states, strict=True):
        layer.states = state


def _checked(model: Any) -> list[Any]:
    """The layers of a model that have states.

    Raises:
        ValueError: one that does not go from window to window.
    """
    recurrent = []
    steps = model.ranked()
    if steps is None:
        raise ValueError(f"tbptt needs a model made of layers, got {model.name}, which computes by hand")
    used = {place for step, _ in steps for place in step.needs}.union(model.known_graph().outputs)
    for step, rank in steps:
        layer, past = step.layer, hasattr(step.layer, "carry_at")
        if hasattr(layer, "ranked"):
            recurrent += _checked(layer)
        elif getattr(layer, "go_backwards", False) or hasattr(layer, "backward_layer"):
            raise ValueError(f"tbptt needs layers that run forward in time, got {layer.name}, which runs backward")
        elif past and not layer.return_sequences:
            raise ValueError(
                f"tbptt needs outputs for each step, got {layer.name}, which gives the last one: set "
                "return_sequences=True"
            )
        elif layer.reach(rank) == "sequence":
            hint = "" if ours_function(type(layer).forward) and type(layer) is not Lambda else OWN
            raise ValueError(
                f"tbptt needs layers that run step by step, got {layer.name}, which looks at the whole sequence{hint}"
            )
        elif past and (step.named or used.intersection(step.places[1:])):
            raise ValueError(
                f"tbptt carries states from window to window, got {layer.name}, whose states come from or go to "
                "another layer"
            )
        if past and not any(layer is other for other in recurrent):
            recurrent.append(layer)
    return recurrent


def _apart(y: Any, mask: Any) -> tuple[Grouped, Grouped]:
    """Outputs (B, T, ...) and their mask as sequences, so that losses and metrics count step by step."""
    B, T = y.shape[:2]
    rows, lengths = [np.arange(B)], np.full(B, T)
    running = np.ones((B, T), bool) if mask is None else mask
    return Grouped(rows, [y], lengths), Grouped(rows, [running], lengths)


@contextmanager
def _stateful(layers: list[Any]) -> Iterator[None]:
    """Within the block layers keep their states; those that do so anyway begin with theirs, and go on afterwards."""
    others = [layer for layer in layers if not layer.stateful]
    try:
        for layer in others:
            layer.stateful, layer.states = True, None
        yield
    finally:
        for layer in layers:
            layer.carry_at, layer.carried = None, []
        for layer in others:
            layer.stateful, layer.states = False, None


def _check_even(batch: Batch) -> None:
    if any(isinstance(a, Ragged) for a in nested.flatten(list(batch))):
        raise ValueError("tbptt needs arrays of one length, got sequences of different lengths")
