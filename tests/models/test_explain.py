"""explain: which kernel each layer runs on, and how calls are shared between threads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, Sequential, get_num_threads, kernels, layers, set_num_threads


@pytest.fixture(name="on")
def _on(backend: kernels.Backend) -> Any:
    with kernels.use(backend.name) as active:
        yield active


LIMITS = pytest.mark.parametrize("limit", [1, 2])


LIMITS = pytest.mark.parametrize("limit", [1, 2])


@pytest.fixture(name="on")
def _on(backend: kernels.Backend) -> Any:
    with kernels.use(backend.name) as active:
        yield active


@contextmanager
def limited(n: int) -> Iterator[None]:
    """At most n threads; the test is skipped where there are not as many."""
    before = get_num_threads()
    if kernels.active().name != "numpy":
        set_num_threads(n)
    try:
        if kernels.active().name != "numpy" and get_num_threads() < n:
            pytest.skip(f"{n} threads cannot be had here")
        yield
    finally:
        if kernels.active().name != "numpy":
            set_num_threads(before)


def packed(units: int, inputs: int = 8, backward: bool = False) -> Any:
    layer = layers.LSTM(units)
    layer.build((None, None, inputs))
    return layer.cell.packed(backward).weights


@LIMITS
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("B", "T", "units"), [(1, 1, 4), (1, 100, 300), (64, 50, 64), (3, 0, 5), (40, 200, 300)])
def test_shares_are_those_of_all_rows_or_units(
    on: kernels.Backend, limit: int, B: int, T: int, units: int, backward: bool
) -> None:
    with limited(limit):
        threads, what, shares, why = on.split_of(packed(units, backward=backward), (B, T, 8), backward)
    assert 1 <= threads <= limit
    assert sum(shares) == (B if what == "rows" else units)
    assert why
    if limit == 1:
        assert (threads, why) in [(1, "a call may use one thread"), (1, "NumPy runs all rows at once")]


def test_small_calls_keep_one_thread_and_large_ones_do_not(on: kernels.Backend) -> None:
    with limited(2):
        assert on.split_of(packed(8), (2, 3, 8)).threads == 1
        large = on.split_of(packed(256), (64, 100, 8))
    assert large[:3] == ((1, "rows", [64]) if on.name == "numpy" else (2, "rows", [32, 32]))


def test_numba_makes_the_parts_that_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    seen = []
    with kernels.use("numba") as backend, limited(2):
        from cellstep.kernels.numba import thread_pool

        run = thread_pool.run_parts
        monkeypatch.setattr(thread_pool, "run_parts", lambda parts, work: (seen.append(len(parts)), run(parts, work)))
        layer = layers.GRU(64, return_sequences=True)
        x = np.zeros((64, 40, 8), np.float32)
        y, pullback = layer.forward(x)
        layer(x)
        pullback(y)
        # a forward pass with a tape is shared as the backward pass that follows
        told = [len(backend.split_of(layer.cell.packed(b).weights, x.shape, b)[2]) for b in (True, False, True)]
    assert [n for n in seen if n > 1] == [n for n in told if n > 1]


def lines(model: Any, **options: Any) -> list[str]:
    said: list[str] = []
    model.explain(print_fn=said.append, **options)
    return said[0].splitlines()


def test_a_line_for_each_direction_of_each_cell() -> None:
    x = Input((20, 3))
    h = layers.Bidirectional(layers.GRU(8, return_sequences=True), name="both")(x)
    end = layers.LSTM(4, num_layers=2, name="top")(h)
    model = Model(x, layers.Dense(1, name="head")(layers.LayerNormalization(name="norm")(end)))
    said = lines(model, batch_size=5)
    assert sum("of 5 x 20 steps: " in line for line in said) == 8
    assert all(re.search(r"steps: \d threads?, .*: .", line) for line in said if " steps: " in line)
    assert sum(line.startswith("both (Bidirectional): gru_forward") for line in said) == 2
    assert sum(line.startswith("top (LSTM): lstm_forward") for line in said) == 2
    assert any(line.startswith("head (Dense): products of ") for line in said)
    assert any(line.startswith("norm (LayerNormalization): ") for line in said)


def test_steps_that_are_open_and_steps_in_steps() -> None:
    inner = Sequential([Input((None, 4)), layers.GRU(3)], name="inner")
    model = Sequential([Input((None, 7, 4)), layers.TimeDistributed(inner, name="each"), layers.SimpleRNN(2)])
    said = lines(model)
    assert not any(" steps: " in line for line in said)
    said = lines(model, batch_size=2, steps=6)
    assert sum("of 12 x 7 steps: " in line for line in said) == 2
    assert sum("of 2 x 6 steps: " in line for line in said) == 2
    assert any("of 32 x 6 steps: " in line for line in lines(model, steps=6))
    nested = Sequential([Input((None, 4)), Sequential([layers.GRU(3)], name="deep")])
    assert any("of 3 x 9 steps: " in line for line in lines(nested, batch_size=3, steps=9))


def test_a_model_that_is_not_built_and_a_subclass() -> None:
    class Tagger(Model):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = layers.GRU(3)

        def call(self, x: Any) -> Any:
            return self.rnn(x)

    assert any("gru_forward" in line for line in lines(Sequential([layers.GRU(2)])))
    tagger = Tagger()
    assert any("gru_forward" in line for line in lines(tagger, steps=4))
    tagger(np.zeros((2, 5, 3)))
    assert any("of 8 x 4 steps: " in line for line in lines(tagger, batch_size=8, steps=4))
    with pytest.raises(ValueError, match="steps must be"):
        tagger.explain(steps=-1)
