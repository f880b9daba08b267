"""Ctrl-C at any place of training: the model is as before the step or as after it, never between."""

from __future__ import annotations

import _thread
import signal
import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, layers, optimizers, seeds


def make(**fit: Any) -> Any:
    seeds.set_random_seed(3)
    model = Sequential(
        [
            Input((6, 3), batch_size=8),
            layers.Dense(5, kernel_constraint="max_norm"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.GRU(4, return_sequences=True, stateful=True, recurrent_dropout=0.2),
            layers.Dense(1),
        ]
    )
    optimizer = optimizers.Adam(0.01, clipnorm=1.0, weight_decay=0.01, use_ema=True)
    model.compile(optimizer, "mse", metrics=["mae", "RootMeanSquaredError"])
    return model


def state(model: Any) -> list[Any]:
    """All that a step changes."""
    found = [w.numpy() for w in model.weights]
    kept = model.optimizer.states()
    slots = [kept[w] for w in model.trainable_weights if w in kept]
    found += [np.float64(s.calls) for s in slots] + [a.copy() for s in slots for _, a in sorted(s.slots.items())]
    found.append(np.float64(model.optimizer.iterations))
    found += [np.float64(m.result()) for m in model.metrics]
    for layer in model.layers:
        found += list(getattr(layer, "states", None) or [])
        for value in vars(layer).values():
            if isinstance(value, np.random.Generator):
                found.append(np.float64(value.bit_generator.state["state"]["state"] % 2**52))
    return found


def same(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize("tbptt", [False, True], ids=["step", "windows"])
def test_a_signal_at_any_line_of_a_step_leaves_no_half_of_it(tbptt: bool) -> None:
    """A signal is sent at the k-th line that runs, for k over the whole step."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 6, 3)).astype("f4"), rng.standard_normal((8, 6, 1)).astype("f4")

    def learn(model: Any) -> None:
        if tbptt:
            from cellstep.models.truncated_bptt import TruncatedBPTT

            TruncatedBPTT(model._trainer, (6, 6)).train(model._trainer.batch(x, y))
        else:
            model._trainer.train(model._trainer.batch(x, y))

    def run(k: int) -> tuple[bool, int, list[Any], list[Any], list[Any]]:
        """Whether it was interrupted; the lines that ran; the states before, after it, and after a whole step."""
        model, whole = make(), make()
        for m in (model, whole):
            learn(m)
            learn(m)
        before = state(model)
        lines = 0

        def tracer(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal lines
            lines += event == "line"
            if event == "line" and lines == k:
                _thread.interrupt_main()
            return tracer

        interrupted = False
        old = sys.gettrace()
        try:
            sys.settrace(tracer)
            learn(model)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            sys.settrace(old)
        after = state(model)
        learn(whole)
        return interrupted, lines, before, after, state(whole)

    before_handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        total = run(-1)[1]
        seen = {"before": 0, "after": 0}
        for k in range(1, total, max(1, total // 150)):
            interrupted, _, before, after, whole = run(k)
            assert interrupted, k
            if same(after, before):
                seen["before"] += 1
            else:
                assert same(after, whole), k
                seen["after"] += 1
    finally:
        signal.signal(signal.SIGINT, before_handler)
    assert all(seen.values()), seen


class Drawn(layers.Layer):
    """Adds noise of two generators, which are in a list."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.generators = [np.random.default_rng(seed) for seed in (1, 2)]

    def forward(self, x: Any, mask: Any = None, training: bool = False, **options: Any) -> Any:
        for generator in self.generators:
            x = x + generator.normal(size=x.shape).astype(x.dtype)
        return x, lambda dy, need_dx=True: dy


def test_generators_in_lists_are_as_before_what_only_looks_and_what_fails() -> None:
    net = Sequential([Input((3,)), Drawn(), layers.Dense(1)])
    net.compile("sgd", "mse")
    x, y = np.ones((4, 3), "f4"), np.ones((4, 1), "f4")
    loss = net.gradients(x, y)[1]
    assert net.gradients(x, y)[1] == loss
    with pytest.raises(ValueError, match="shape"):
        net.train_on_batch(x, np.ones((4, 2), "f4"))
    assert net.gradients(x, y)[1] == loss
