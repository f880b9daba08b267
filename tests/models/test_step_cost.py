"""What a step costs in Python: calls and frames, which are the same on every machine; bench/step_cost.py has times."""

from __future__ import annotations

import cProfile
import dataclasses
import pstats
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, kernels
from cellstep.layers import LSTM, Dense

pytestmark = pytest.mark.skipif(kernels.active().name != "cython", reason="counts are those of the compiled backend")

B, T, I, H = 32, 20, 4, 16  # noqa: E741 - the contract's letter
BATCHES = 20
X, Y = np.ones((2 * BATCHES * B, T, I), "f4"), np.ones((2 * BATCHES * B, 1), "f4")


def make() -> Any:
    model = Sequential([Input((T, I)), LSTM(H), Dense(1)])
    model.compile("adam", "mse")
    return model


def calls(function: Callable[[], Any]) -> int:
    """The calls that a profile counts, those of builtin functions among them."""
    function()
    profile = cProfile.Profile()
    profile.enable()
    function()
    profile.disable()
    found: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    return found


def calls_of_each(work: Callable[[int], Any]) -> float:
    """The calls of one more batch."""
    return (calls(lambda: work(2 * BATCHES)) - calls(lambda: work(BATCHES))) / BATCHES


def test_calls_of_a_batch() -> None:
    model = make()

    def fit(n: int) -> None:
        model.fit(X[: n * B], Y[: n * B], batch_size=B, verbose=0)

    def evaluate(n: int) -> None:
        model.evaluate(X[: n * B], Y[: n * B], batch_size=B, verbose=0)

    assert calls_of_each(fit) <= 112
    assert calls_of_each(evaluate) <= 74


def test_calls_of_a_prediction() -> None:
    model = make()
    row = X[:1]
    assert calls(lambda: model.predict(row, verbose=0)) <= 32


def frames(monkeypatch: pytest.MonkeyPatch, call: Callable[[], Any], first: str) -> int:
    """The Python functions from the one of this name to the kernel of the LSTM, both ends but the kernel counted."""
    backend = kernels.active()
    counts: list[int] = []

    def forward(*arguments: Any) -> Any:
        n, frame = 1, sys._getframe(1)
        while frame.f_code.co_name != first:
            n, frame = n + 1, frame.f_back  # type: ignore[assignment]
        counts.append(n)
        return backend.forward(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(kernels, "_active", dataclasses.replace(backend, forward=forward))
        call()
    assert counts
    return max(counts)


def test_frames_from_fit_to_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make()
    assert frames(monkeypatch, lambda: model.fit(X[:B], Y[:B], verbose=0), "fit") <= 6


def test_frames_from_a_prediction_and_from_a_layer_to_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    model, layer = make(), LSTM(H)
    layer(X[:1])
    assert frames(monkeypatch, lambda: model.predict(X[:1], verbose=0), "predict") <= 4
    assert frames(monkeypatch, lambda: layer(X[:1]), "__call__") <= 4
