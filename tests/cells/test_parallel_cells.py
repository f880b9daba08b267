"""Cells without products of h: threads share their units and wait for no step, and every way of running them gives
the same bits."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from cellstep import cells, core, get_num_threads, kernels, set_num_threads

NAMES = ("MinGRU", "MinLSTM", "SRU", "QRNN", "IndRNN", "LRU")
B, T, INPUTS, H = 2, 300, 24, 150

pytestmark = pytest.mark.skipif(bool(kernels.available()["cython"]), reason="needs the compiled kernels")


@pytest.fixture
def threads() -> Any:
    before = get_num_threads()
    yield set_num_threads
    set_num_threads(before)


class Call:
    """A cell with weights, over random sequences."""

    def __init__(self, name: str, batch: int = B) -> None:
        rng = np.random.default_rng(3)
        cell = getattr(cells, name)(H, use_bias=True)
        cell.build((None, INPUTS))
        self.weights = [rng.standard_normal(w.shape).astype("f") / 3 for w in cell.weights]
        self.row = cell.contract
        self.packed = core.pack(self.row, *self.weights, backward=True, backend=kernels.load("cython"))
        self.x = rng.standard_normal((batch, T, INPUTS)).astype("f")
        self.dy = rng.standard_normal((batch, T, H)).astype("f")

    def run(self, **options: Any) -> list[Any]:
        dweights = [np.zeros_like(w) for w in self.weights]
        y, last, back = core.forward(self.packed, self.x, tape=True, **options)
        assert back is not None
        dx, dfirst = back(self.dy, [None] * len(self.row.states), dweights)[:2]
        return [y, *last, dx, *dfirst, *dweights]


def options(kind: str) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    return {
        "plain": {},
        "mask": {"mask": rng.random((B, T)) < 0.8},
        "lengths": {"lengths": np.array([170, 290])},
        "resets": {"resets": rng.random((B, T)) < 0.1},
    }[kind]


@pytest.mark.parametrize("kind", ["plain", "mask", "lengths", "resets"])
@pytest.mark.parametrize("name", NAMES)
def test_bits_do_not_depend_on_threads(name: str, kind: str, threads: Any) -> None:
    call = Call(name)
    threads(1)
    alone = call.run(**options(kind))
    for n in (2, 3, 7):
        threads(n)
        for one, several in zip(alone, call.run(**options(kind)), strict=True):
            np.testing.assert_array_equal(one, several)


def test_threads_share_units_without_barriers(threads: Any) -> None:
    threads(2)
    backend: Any = kernels.load("cython")
    shared = backend.split_of(Call("MinGRU", 1).packed.weights, (1, 4000, INPUTS), True)
    assert shared.threads == 2
    assert shared[1] == "units"
    assert "no barrier" in shared.why


@pytest.mark.parametrize("name", NAMES)
def test_steps_give_the_bits_of_the_sequence(name: str) -> None:
    layer = getattr(cells, name).Layer(H, return_sequences=True, return_state=True)
    x = np.random.default_rng(5).standard_normal((B, 40, INPUTS)).astype("f")
    y, *last = layer(x)
    states: Any = None
    for t in range(40):
        one, *states = layer(x[:, t : t + 1], initial_state=states)
        np.testing.assert_array_equal(one[:, 0], y[:, t])
    for a, b in zip(states, last, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_gates_of_a_minlstm_may_be_far_apart_or_both_closed() -> None:
    cell = cells.MinLSTM(1, dtype="float32")
    cell.build((None, 3))
    cell.set_weights([np.eye(3, dtype="f"), np.zeros(3, "f")])
    h = np.array([[2.0]], "f")
    for f, i, kept in ((-200, -200, 0.5), (-200, -100, 0), (-100, -200, 1), (50, -300, 1), (300, 300, 0.5)):
        y, _ = cell(np.array([[f, i, 1.0]], "f"), [h])
        np.testing.assert_allclose(y, 1 + kept, atol=1e-6)


def test_packed_weights_without_a_recurrent_kernel_are_pickled() -> None:
    call = Call("SRU")
    again = pickle.loads(pickle.dumps(call.packed.weights)).plain()
    for given, found in zip(call.weights, again, strict=True):
        np.testing.assert_array_equal(given, found)
