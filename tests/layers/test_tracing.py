"""layers.trace: what forward kept and backward computed on its way, and that watching changes nothing."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cellstep
from cellstep import layers

Array = NDArray[Any]
KINDS = (layers.SimpleRNN, layers.LSTM, layers.GRU)
LENGTHS = [7, 4, 1, 0]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def model(kind: Any, dtype: str = "float64", **options: Any) -> cellstep.Sequential:
    made = cellstep.Sequential(
        [
            layers.Bidirectional(kind(5, return_sequences=True, seed=1, dtype=dtype, **options)),
            kind(6, seed=2, dtype=dtype, num_layers=2, **options),
            layers.Dense(2, dtype=dtype),
        ]
    )
    made.compile("sgd", "mse")
    return made


@every_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_watching_changes_no_bit(kind: Any, dtype: str) -> None:
    x, y = normal(9, 7, 3).astype(dtype), normal(9, 2).astype(dtype)
    net = model(kind, dtype)
    plain, loss = net.gradients(x, y)
    with layers.trace() as runs:
        traced, again = net.gradients(x, y)
    assert loss == again
    for name, gradient in plain.items():
        np.testing.assert_array_equal(gradient, traced[name])
    assert [run.cell.units for run in runs] == [5, 5, 6, 6]
    assert all(run.gradients is not None for run in runs)


@every_kind
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_gradients_are_those_of_the_states_where_the_sequence_is_cut(kind: Any, lengths: Any) -> None:
    x, dy = normal(4, 7, 3), normal(4, 7, 5, seed=1)
    layer = kind(5, return_sequences=True, return_state=True, dtype="float64")
    given = None if lengths is None else np.array(lengths)
    with layers.trace() as runs:
        (_, *states), pullback = layer.forward(x, lengths=given)
        pullback([dy, *(None for _ in states)])
    (run,) = runs
    assert run.gradients is not None
    assert run.gradients[0].shape == (4, 7, 5)
    _, pullback = layer.forward(x, lengths=given, initial_state=[np.zeros((4, 5)) for _ in states])
    for found, right in zip(run.initial or (), pullback([dy, *(None for _ in states)])[1], strict=True):
        np.testing.assert_array_equal(found, right)
    for t in range(6):
        before = None if given is None else np.minimum(given, t + 1)
        after = None if given is None else np.maximum(given - t - 1, 0)
        _, *middle = layer(x[:, : t + 1], lengths=before)
        _, back = layer.forward(x[:, t + 1 :], initial_state=middle, lengths=after)
        _, dmiddle = back([dy[:, t + 1 :], *(None for _ in states)])
        dmiddle[0] = dmiddle[0] + dy[:, t]
        for found, right in zip(run.gradients, dmiddle, strict=True):
            np.testing.assert_allclose(found[:, t], right, rtol=1e-12, atol=1e-14)


@every_kind
def test_runs_tell_gates_and_states(kind: Any) -> None:
    x, lengths = normal(4, 7, 3), np.array(LENGTHS)
    layer = kind(5, return_sequences=True, return_state=True, dtype="float64")
    with layers.trace() as runs:
        (y, *states), _ = layer.forward(x, lengths=lengths)
    gates, kept = runs[0].forward.read()
    np.testing.assert_array_equal(kept[0], y)
    for state, last in zip(kept, states, strict=True):
        np.testing.assert_array_equal(state[:, -1], last)
    right = np.arange(7) < lengths[:, None]
    np.testing.assert_array_equal(runs[0].running, right)
    np.testing.assert_array_equal(~np.isnan(gates[:, :, 0, 0]), right)
    assert gates.shape == (4, 7, layer.cell.contract.G, 5)
    assert runs[0].forward.read(2)[0].shape[0] == 2
    assert runs[0].forward.read(9)[0].shape[0] == 4
    assert runs[0].gradients is None


@every_kind
def test_going_backwards_is_traced_in_the_order_of_processing(kind: Any) -> None:
    x, dy = normal(3, 6, 2), normal(3, 4)
    layer = kind(4, go_backwards=True, dtype="float64")
    with layers.trace() as runs:
        y, pullback = layer.forward(x)
        pullback(dy)
    assert runs[0].gradients is not None
    np.testing.assert_array_equal(runs[0].gradients[0][:, -1], dy)
    np.testing.assert_array_equal(runs[0].forward.x, x[:, ::-1])
    np.testing.assert_array_equal(runs[0].forward.read()[1][0][:, -1], y)


def test_only_what_runs_within_the_block_in_its_thread_is_kept() -> None:
    layer, x = layers.GRU(4), normal(2, 3, 2)
    layer.forward(x)
    with layers.trace() as outer:
        layer.forward(x)
        layer(x)  # no tape, so there is nothing to keep
        other = threading.Thread(target=layer.forward, args=(x,))
        other.start()
        other.join()
        with layers.trace() as inner:
            layer.forward(x)
        layer.forward(x)
    layer.forward(x)
    assert (len(outer), len(inner)) == (2, 1)


def test_an_error_ends_the_trace() -> None:
    layer, x = layers.GRU(4), normal(2, 3, 2)
    with pytest.raises(ZeroDivisionError), layers.trace() as runs:
        raise ZeroDivisionError
    layer.forward(x)
    assert runs == []
