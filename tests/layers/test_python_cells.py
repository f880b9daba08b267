"""Cells that a user writes in Python, by the protocol of `layers.python_cell`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from slopes import check_gradients, flat

from cellstep import kernels, layers

RNG = np.random.default_rng(4)
B, T, I, H = 3, 4, 2, 3  # noqa: E741
X = RNG.standard_normal((B, T, I))
HOLES = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 1]], bool)
CALLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "holes": {"mask": HOLES},
    "lengths": {"lengths": [4, 2, 0]},
}


class MinimalRNN(layers.Module):
    """h' = tanh(x W + h U), as a user would write it."""

    def __init__(self, units: int = H) -> None:
        super().__init__(dtype="float64")
        self.units = self.state_size = units

    def make_weights(self, input_shape: Any) -> None:
        self.W = self.add_weight("W", (input_shape[-1], self.units))
        self.U = self.add_weight("U", (self.units, self.units), "orthogonal")

    def forward(self, x: Any, states: Any, training: bool) -> Any:
        (h,) = states
        y = np.tanh(x @ self.W.value + h @ self.U.value)

        def pullback(dy: Any, dstates: Any) -> Any:
            dz = (dy + dstates[0]) * (1 - y * y)
            self.W.grad[...] += x.T @ dz
            self.U.grad[...] += h.T @ dz
            return dz @ self.W.value.T, [dz @ self.U.value.T]

        return (y, [y]), pullback


class Residual(layers.Module):
    """A cell around one of ours, whose output is not its state."""

    def __init__(self) -> None:
        super().__init__(dtype="float64")
        self.inner = layers.LSTMCell(H, dtype="float64", dropout=0.3, seed=1)
        self._parts.append(self.inner)
        self.state_size, self.output_size = [H, H], H + I

    def make_weights(self, input_shape: Any) -> None:
        self.inner.build(input_shape)

    def reset_dropout_mask(self) -> None:
        self.inner.reset_dropout_mask()

    def forward(self, x: Any, states: Any, training: bool) -> Any:
        (h, new), inner = self.inner.forward(x, states, training)

        def pullback(dy: Any, dstates: Any) -> Any:
            dx, before = inner(dy[:, :H], dstates)
            return dx + dy[:, H:], before

        return (np.concatenate([h, x], axis=1), new), pullback


class Counter:
    """No weights, no Module: counts its steps from 10."""

    state_size = 1
    dtype = "float64"

    def get_initial_state(self, batch_size: int) -> Any:
        return np.full((batch_size, 1), 10.0)

    def forward(self, x: Any, states: Any, training: bool) -> Any:
        return (states[0] + 1, [states[0] + 1]), lambda dy, ds: (0 * x, [dy + ds[0]])


@pytest.mark.parametrize("flags", [{}, {"zero_output_for_mask": True}, {"go_backwards": True}], ids=str)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("cell", [MinimalRNN, Residual])
def test_gradients(cell: Any, call: str, sequences: bool, flags: dict[str, Any]) -> None:
    layer = layers.RNN(cell(), return_sequences=sequences, return_state=True, **flags)
    states = [RNG.standard_normal((B, H)) for _ in layer.state_size]
    check_gradients(layer, X, states=states, training=True, **CALLS[call])


def test_gradients_in_a_stack_between_our_cells() -> None:
    layer = layers.RNN([layers.GRUCell(2, dtype="float64"), MinimalRNN(), layers.LSTMCell(2, dtype="float64")])
    check_gradients(layer, X, mask=HOLES)


@pytest.mark.parametrize("flags", [{}, {"zero_output_for_mask": True}, {"go_backwards": True}], ids=str)
@pytest.mark.parametrize("call", CALLS)
def test_a_cell_in_python_gives_what_ours_gives(on: kernels.Backend, call: str, flags: dict[str, Any]) -> None:
    by_hand = layers.RNN(MinimalRNN(), return_sequences=True, return_state=True, **flags)
    ours = layers.SimpleRNN(H, use_bias=False, return_sequences=True, return_state=True, dtype="float64", **flags)
    by_hand.build(X.shape)
    ours.build(X.shape)
    ours.set_weights(by_hand.get_weights())
    x = X.copy()
    if "mask" in CALLS[call]:
        x[~HOLES] = np.nan
    states = [RNG.standard_normal((B, H))]
    y, pullback = by_hand.forward(x, initial_state=states, **CALLS[call])
    right, right_pullback = ours.forward(x, initial_state=states, **CALLS[call])
    dy = [RNG.standard_normal(a.shape) for a in right]
    found, expected = [y, pullback(dy)], [right, right_pullback(dy)]
    for layer, into in ((by_hand, found), (ours, expected)):
        into.append([w.grad for w in layer.weights])
    for a, e in zip(flat(found), flat(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-14)


def test_a_cell_that_is_no_module() -> None:
    layer = layers.RNN(Counter(), return_sequences=True)
    np.testing.assert_array_equal(layer(X, mask=HOLES)[:, :, 0], 10 + np.cumsum(HOLES, axis=1))
    assert layer.weights == []
    stack = layers.RNN([Counter(), MinimalRNN(2)])
    assert stack(X).shape == (B, 2)


def test_bidirectional_over_a_cell_in_python() -> None:
    layer = layers.Bidirectional(layers.RNN(MinimalRNN(), return_sequences=True))
    check_gradients(layer, X, mask=HOLES)
    assert len(layer.weights) == 4


def test_ragged_and_stateful() -> None:
    layer = layers.RNN(MinimalRNN(), return_sequences=True, stateful=True)
    y = layer([X[0], X[1, :2], X[2, :0]])
    assert [len(row) for row in y] == [4, 2, 0]
    np.testing.assert_array_equal((layer.states or [])[0][1], y[1][-1])


class Odd(MinimalRNN):
    """Gives what the argument says."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result

    def forward(self, x: Any, states: Any, training: bool) -> Any:
        return self.result


ok = np.zeros((B, H))
ERRORS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda: layers.RNN(Odd(((ok[:1], [ok]), None)))(X),
        ValueError,
        r"expected the output of <Odd .*\(3, 3\), got \(1",
    ),
    (
        lambda: layers.RNN(Odd(((ok, [ok, ok]), None)))(X),
        ValueError,
        "expected forward of <Odd .* to give 1 states, got 2",
    ),
    (
        lambda: layers.RNN(Odd(((ok, [ok[:, :1]]), None)))(X),
        ValueError,
        r"expected a state from forward of <Odd .* got",
    ),
    (lambda: layers.RNN(Odd(1))(X), ValueError, r"expected forward of <Odd .* to give \(\(y, new_states\), pullback\)"),
    (
        lambda: layers.RNN(Odd(((ok, [ok]), lambda dy, ds: (ok, ds)))).forward(X)[1](ok),
        ValueError,
        r"expected dx from a pullback of <Odd .* of shape \(3, 2\), got \(3, 3\)",
    ),
    (lambda: layers.RNN(MinimalRNN()).stream(), ValueError, "rnn is not built"),
    (lambda: layers.RNN(MinimalRNN()).stages(), NotImplementedError, "rnn runs a cell written in Python"),
    (lambda: layers.RNN(MinimalRNN(0))(X), ValueError, "state_size of the cell must be a positive integer, got 0"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
