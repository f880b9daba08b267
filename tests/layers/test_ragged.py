"""Lists of sequences of any lengths in the place of one padded array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from slopes import check_gradients

from cellstep import kernels, layers
from cellstep.layers import nested

RNG = np.random.default_rng(4)
I, H = 2, 3  # noqa: E741
LENGTHS = [3, 5, 0, 1]
ROWS = [RNG.standard_normal((n, I)) for n in LENGTHS]
KINDS: dict[str, Any] = {
    "SimpleRNN": layers.SimpleRNN,
    "LSTM": layers.LSTM,
    "GRU": layers.GRU,
    "stack": lambda units, **k: layers.LSTM(units, num_layers=2, **k),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("flags", [{}, {"return_sequences": True}, {"zero_output_for_mask": True}], ids=str)
@pytest.mark.parametrize("backwards", [False, True], ids=["", "backwards"])
@every_kind
def test_each_row_is_the_row_alone(on: kernels.Backend, kind: str, backwards: bool, flags: dict[str, Any]) -> None:
    layer = KINDS[kind](H, go_backwards=backwards, dtype="float64", **flags)
    y = layer(ROWS)
    assert isinstance(y, list) == layer.return_sequences
    for row, values in zip(y, ROWS, strict=True):
        np.testing.assert_allclose(row, layer(values[None])[0], rtol=1e-13)


@pytest.mark.parametrize("backwards", [False, True], ids=["", "backwards"])
@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequence"])
@every_kind
def test_gradients(kind: str, sequences: bool, backwards: bool) -> None:
    layer = KINDS[kind](H, go_backwards=backwards, return_sequences=sequences, return_state=True, dtype="float64")
    check_gradients(layer, ROWS, ragged=True)


def test_rows_may_be_of_any_real_dtype_and_all_empty() -> None:
    layer = layers.GRU(H, return_sequences=True)
    y = layer([np.ones((2, I), int), np.ones((1, I))])
    assert [row.dtype for row in y] == [np.dtype("float32")] * 2
    assert [row.shape for row in layer([np.ones((0, I))] * 2)] == [(0, H)] * 2


def test_nested_lists_of_numbers_are_one_array_still() -> None:
    layer = layers.GRU(H, return_sequences=True)
    assert layer(np.ones((2, 4, I)).tolist()).shape == (2, 4, H)


def test_dy_may_be_left_out() -> None:
    layer = layers.GRU(H, return_sequences=True, return_state=True, dtype="float64")
    (y, _), pullback = layer.forward(ROWS)
    dx = pullback([None, None])
    assert not any(d.any() for d in dx)
    assert pullback([y, None], need_dx=False) is None


@every_kind
def test_rows_begin_with_their_own_states_and_leave_them(kind: str) -> None:
    layer = KINDS[kind](H, return_state=True, dtype="float64")
    _, *shapes = layer(ROWS)
    given = nested.change(shapes, lambda state: RNG.standard_normal(state.shape))
    outputs, pullback = layer.forward(ROWS, initial_state=given)
    dx, dfirst = pullback(outputs)
    for b, x in enumerate(ROWS):
        alone, back = layer.forward(x[None], initial_state=nested.change(given, lambda state, b=b: state[b : b + 1]))
        want_dx, want_dfirst = back(alone)
        np.testing.assert_allclose(dx[b], want_dx[0], rtol=1e-12)
        for got, want in ((outputs, alone), (dfirst, want_dfirst)):
            for mine, right in zip(nested.flatten(got), nested.flatten(want), strict=True):
                np.testing.assert_allclose(mine[b], right[0], rtol=1e-12)


def test_a_stateful_layer_goes_on_with_every_row() -> None:
    layer = layers.GRU(H, stateful=True, dtype="float64")
    alone = layers.GRU(H, dtype="float64")
    layer(ROWS)
    y = layer(ROWS)
    alone.build((None, None, I))
    alone.set_weights(layer.get_weights())
    for row, x in zip(y, ROWS, strict=True):
        np.testing.assert_allclose(row, alone(np.concatenate([x, x])[None])[0], rtol=1e-12)


def test_penalties_of_both_directions_count_each_row_s_own_steps() -> None:
    part = layers.GRU(H, return_sequences=True, activity_regularizer="l2", dtype="float64")
    layer = layers.Bidirectional(part, activity_regularizer="l1", dtype="float64")
    layer.build((None, None, I))
    forward = [layer.forward_layer(x[None])[0] for x in ROWS]
    backward = [layer.backward_layer(x[None])[0] for x in ROWS]
    squares = [0.01 * sum((y**2).sum() for y in ys) / len(ROWS) for ys in (forward, backward)]
    sizes = 0.01 * sum(np.abs(y).sum() for ys in (forward, backward) for y in ys) / len(ROWS)
    layer(ROWS)
    np.testing.assert_allclose(sum(layer.losses), sum(squares) + sizes, rtol=1e-12)


def run(**call: Any) -> Any:
    return layers.LSTM(H, return_sequences=True).forward(ROWS, **call)


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: run(mask=np.ones((4, 5), bool)), ValueError, "expected mask to be None, as x is a list of sequences"),
    (lambda: run(lengths=LENGTHS), ValueError, "expected lengths to be None, as x is a list of sequences"),
    (lambda: layers.LSTM(H)([ROWS[0], np.ones((2, 5))]), ValueError, r"x\[1\] of shape \(time, 2\), got \(2, 5\)"),
    (lambda: layers.LSTM(H)([ROWS[0], np.array([["a", "b"]])]), TypeError, r"expected x\[1\] to hold real numbers"),
    (lambda: layers.LSTM(H)([ROWS[0], np.ones(3)]), ValueError, "expected x to be an array or an even nested list"),
    (lambda: run()[1](np.ones((4, 5, H))), ValueError, "dy to be a list of 4, one array for each row of x, got nd"),
    (lambda: run()[1]([np.ones((n, H)) for n in (3, 5, 0, 2)]), ValueError, r"dy\[3\] of shape \(1, 3\), got \(2, 3\)"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
