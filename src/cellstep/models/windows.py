"""Windows: truncated back-propagation through time, `fit(..., tbptt=(k1, k2))`.

A batch of long sequences is gone through in windows. Every k1 steps the loss of these k1 steps is taken, its gradient
goes back through the last k2 >= k1 steps, and the optimizer makes a step; recurrent layers begin each window with the
states that they had at its first step, as they were then.

Source: Williams and Peng 1990, "An efficient gradient-based algorithm for on-line training of recurrent network
trajectories", BPTT(h; h') with h = k2 and h' = k1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import ops
from ..layers import nested
from ..layers.module import Module
from .data import Batch
from .ragged import Ragged
from .steps import Logs
from .undo import undone_on_error


class Windows:
    """Trains a model batch by batch in windows.

    Args:
        model: over sequences, with an output for each step.
        lengths: (k1, k2).

    Raises:
        TypeError, ValueError: no pair of positive integers with k2 >= k1, or a layer that does not run step by step.
    """

    def __init__(self, model: Any, lengths: Any) -> None:
        if not isinstance(lengths, list | tuple) or len(lengths) != 2:
            raise TypeError(f"tbptt must be a pair (k1, k2), got {lengths!r}")
        self.model = model
        self.k1, self.k2 = (
            ops.check_count(name, k) for name, k in zip(("k1 of tbptt", "k2 of tbptt"), lengths, strict=True)
        )
        if self.k2 < self.k1:
            raise ValueError(f"k2 of tbptt must be at least k1, got {self.k1, self.k2}")

    def recurrent(self) -> list[Any]:
        """The layers with states.

        Raises:
            ValueError: there is none, or one that cannot go from window to window.
        """
        found = []
        for layer in _all_layers(self.model):
            if getattr(layer, "go_backwards", False) or hasattr(layer, "backward_layer"):
                raise ValueError(f"tbptt needs layers that run forward in time, got {layer.name}, which runs backward")
            if hasattr(layer, "stateful") and hasattr(layer, "states"):
                found.append(layer)
        if not found:
            raise ValueError(f"tbptt needs a recurrent layer, and {self.model.name} has none")
        return found

    def train(self, made: Batch) -> Logs:
        """The windows of one batch, each with a step of the optimizer; the logs after the last."""
        model = self.model
        made = _even(model._complete(made))
        model.prepare(made.x)
        layers, T = self.recurrent(), self._steps(made)
        logs: Logs = {}
        with model.ready("fit").training, _stateful(layers):
            begin, done = 0, 0
            while done < T:
                end = min(done + self.k1, T)
                # the next window may begin within this one: its first states, before the step changes the weights
                after = max(begin, min(end + self.k1, T) - self.k2)
                first = kept = [layer.states for layer in layers]
                if begin < after < end:
                    model.run(_cut(made, begin, after, begin).x, training=True, tape=False)
                    kept = [layer.states for layer in layers]
                    _set(layers, first)
                with undone_on_error(model):
                    logs = self._window(_cut(made, begin, end, done), done - begin)
                if after < end:
                    _set(layers, kept)
                begin, done = after, end
        return logs

    def _window(self, made: Batch, before: int) -> Logs:
        """One step of the optimizer: the loss of what comes after `before` steps, with gradients through all."""
        model = self.model
        optimizer = model.ready("fit").optimizer
        optimizer.build(model.trainable_weights)
        optimizer.zero_grad()
        ran = model.run(made.x, training=True, share=model.share())
        steps = next(a.shape[1] for a in nested.flatten(made.x))
        for y in nested.flatten(ran.y):
            if y.ndim < 2 or y.shape[1] != steps:
                raise ValueError(
                    f"tbptt needs outputs for each of {steps} steps, got {y.shape}: set return_sequences=True"
                )

        def late(a: Any) -> Any:
            return None if a is None else a[:, before:]

        late_run = ran._replace(y=nested.change(ran.y, late), mask=nested.change(ran.mask, late))
        scored = model.score(late_run, made, gradient=True)
        whole = []
        for y, d in zip(nested.flatten(ran.y), scored.gradients, strict=True):
            full = np.zeros_like(y)
            if d is not None:
                full[:, before:] = d
            whole.append(full)
        model.pull(ran, whole)
        logs: Logs = model.finish(made, late_run, scored)
        return logs

    def _steps(self, made: Batch) -> int:
        """The number of steps, which all inputs and targets share."""
        leaves = [a for a in (*nested.flatten(made.x), *nested.flatten(made.y)) if a is not None]
        steps = {a.shape[1] if a.ndim > 1 else None for a in leaves}
        found = steps.pop()
        if steps or found is None:
            raise ValueError(
                f"tbptt needs x and y with one number of steps, got {', '.join(str(a.shape) for a in leaves)}"
            )
        return int(found)


def _cut(made: Batch, begin: int, end: int, fresh: int) -> Batch:
    """Steps begin..end of the inputs, and fresh..end of the targets and of the weights that have steps."""
    T = next(a.shape[1] for a in nested.flatten(made.x))

    def weight(a: Any) -> Any:
        return a if a is None or a.ndim < 2 or a.shape[1] != T else a[:, fresh:end]

    return Batch(
        nested.change(made.x, lambda a: a[:, begin:end]),
        nested.change(made.y, lambda a: None if a is None else a[:, fresh:end]),
        nested.change(made.sample_weight, weight),
    )


def _set(layers: list[Any], states: list[Any]) -> None:
    for layer, state in zip(layers, states, strict=True):
        layer.states = state


def _all_layers(model: Any) -> list[Module]:
    found: list[Module] = []
    for layer in model.layers:
        found += _all_layers(layer) if hasattr(layer, "layers") else [layer]
    return found


@contextmanager
def _stateful(layers: list[Any]) -> Iterator[None]:
    before = [(layer.stateful, layer.states) for layer in layers]
    try:
        for layer in layers:
            layer.stateful, layer.states = True, None
        yield
    finally:
        for layer, (stateful, states) in zip(layers, before, strict=True):
            layer.stateful, layer.states = stateful, states


def _even(made: Batch) -> Batch:
    for part in made:
        if any(isinstance(a, Ragged) for a in nested.flatten(part)):
            raise ValueError("tbptt needs arrays of one length, got sequences of different lengths")
    return made
