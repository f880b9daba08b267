"""Resets: a row that begins anew within a sequence gives what its pieces give by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from passes import run

from cellstep import Input, Sequential, kernels, layers

B, T, I, H = 3, 7, 2, 4  # noqa: E741
X = np.random.default_rng(1).standard_normal((B, T, I))
F64 = {"dtype": "float64"}
#: By row, where its pieces begin; the first begins anyway, a reset at step 0 or not.
STARTS = [[0, 3, 5], [1], [2, 6]]
RESETS = np.zeros((B, T), bool)
for row, starts in enumerate(STARTS):
    RESETS[row, starts] = True


class OwnCell:
    """A cell in Python: tanh(x W + h U)."""

    state_size = H
    dtype = "float64"

    def __init__(self) -> None:
        rng = np.random.default_rng(2)
        self.W, self.U = rng.standard_normal((I, H)), rng.standard_normal((H, H))

    def forward(self, x: Any, states: Any, training: bool = False) -> Any:
        h = np.tanh(x @ self.W + states[0] @ self.U)

        def pullback(dy: Any, dnew: Any) -> Any:
            d = (dy + dnew[0]) * (1 - h * h)
            return d @ self.W.T, [d @ self.U.T]

        return (h, [h]), pullback


KINDS: dict[str, Any] = {
    "SimpleRNN": lambda **o: layers.SimpleRNN(H, **F64, **o),
    "LSTM": lambda **o: layers.LSTM(H, **F64, **o),
    "GRU": lambda **o: layers.GRU(H, **F64, **o),
    "GRU, reset before": lambda **o: layers.GRU(H, reset_after=False, **F64, **o),
    "stack": lambda **o: layers.LSTM(H, num_layers=2, **F64, **o),
    "cell in Python": lambda **o: layers.RNN(OwnCell(), **o),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def assert_same(on: kernels.Backend, kind: str, found: Any, wanted: Any) -> None:
    """Equal bits, but where NumPy's products are used, whose last bits depend on the batch size."""
    if on.name == "numpy" or kind == "cell in Python":
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    else:
        np.testing.assert_array_equal(found, wanted)


def pieces(row: int) -> list[slice]:
    begins = sorted({0, *STARTS[row]})
    return [slice(begin, end) for begin, end in zip(begins, [*begins[1:], T], strict=True)]


def piecewise(layer: Any, backwards: bool = False) -> np.ndarray[Any, Any]:
    """The outputs of the pieces, each by itself, in the order in which the layer goes through them."""
    rows = []
    for row in range(B):
        parts = [layer(X[row : row + 1, piece])[0] for piece in pieces(row)]
        rows.append(np.concatenate(parts[::-1] if backwards else parts))
    return np.stack(rows)


@pytest.mark.parametrize("backwards", [False, True], ids=["", "backwards"])
@every_kind
def test_pieces_are_sequences_of_their_own(on: kernels.Backend, kind: str, backwards: bool) -> None:
    layer = KINDS[kind](return_sequences=True, go_backwards=backwards)
    wanted = piecewise(layer, backwards)
    assert_same(on, kind, layer(X, resets=RESETS), wanted)
    assert_same(on, kind, layer.forward(X, resets=RESETS)[0], wanted)


@every_kind
def test_gradients_are_those_of_the_pieces(on: kernels.Backend, kind: str) -> None:
    layer = KINDS[kind](return_sequences=True, return_state=True)
    dy = np.random.default_rng(3).standard_normal((B, T, H))
    (_, *last), pullback = layer.forward(X, resets=RESETS)
    dx = pullback([dy, *(None for _ in last)])
    whole = [w.grad.copy() for w in layer.weights]
    for w in layer.weights:
        w.grad[...] = 0
    for row in range(B):
        for piece in pieces(row):
            (_, *last), back = layer.forward(X[row : row + 1, piece])
            found = back([dy[row : row + 1, piece], *(None for _ in last)])
            np.testing.assert_allclose(dx[row, piece], found[0], rtol=1e-12, atol=1e-14)
    for grad, w in zip(whole, layer.weights, strict=True):
        np.testing.assert_allclose(grad, w.grad, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("backwards", [False, True], ids=["", "backwards"])
@every_kind
def test_initial_states_reach_the_first_piece_alone(on: kernels.Backend, kind: str, backwards: bool) -> None:
    layer = KINDS[kind](return_sequences=True, go_backwards=backwards)
    layer.build((None, None, I))
    ones = [np.ones((B, H))] * len(layer.runner.state_sizes)
    y, pullback = layer.forward(X, initial_state=ones, resets=RESETS)
    plain = layer(X, resets=RESETS)
    first = [piece.stop - piece.start for piece in (pieces(row)[-1 if backwards else 0] for row in range(B))]
    for row, n in enumerate(first):
        begun = not (RESETS[row, 0] and not backwards)
        assert (y[row, :n] != plain[row, :n]).any() == begun
        np.testing.assert_array_equal(y[row, n:], plain[row, n:])
    _, dstates = pullback(np.ones_like(y))
    for d in layers.nested.flatten(dstates):
        assert [bool(row.any()) for row in d] == [not RESETS[row, 0] or backwards for row in range(B)]


@pytest.mark.parametrize("backwards", [False, True], ids=["", "backwards"])
@every_kind
def test_a_reset_at_a_masked_step_waits_for_one_that_runs(on: kernels.Backend, kind: str, backwards: bool) -> None:
    layer = KINDS[kind](return_sequences=True, go_backwards=backwards, zero_output_for_mask=True)
    mask = np.ones((B, T), bool)
    mask[0, 3:5] = mask[1, :2] = mask[2, [0, 2, 6]] = False
    y = layer(X, mask=mask, resets=RESETS)
    for row in range(B):
        # each piece without its masked steps
        there = [np.flatnonzero(mask[row, piece]) + piece.start for piece in pieces(row)]
        parts = [layer(X[row : row + 1, steps])[0] for steps in there]
        wanted = np.concatenate(parts[::-1] if backwards else parts)
        assert_same(on, kind, y[row][mask[row, ::-1] if backwards else mask[row]], wanted)


@pytest.mark.parametrize("backwards", [False, True], ids=["", "backwards"])
@every_kind
def test_lengths(on: kernels.Backend, kind: str, backwards: bool) -> None:
    layer = KINDS[kind](return_sequences=True, go_backwards=backwards)
    lengths = [7, 4, 0]
    y = layer(X, lengths=lengths, resets=RESETS)
    for row, n in enumerate(lengths):
        alone = layer(X[row : row + 1, :n], resets=RESETS[row : row + 1, :n])[0]
        assert_same(on, kind, y[row, T - n :] if backwards else y[row, :n], alone)


@every_kind
def test_both_directions(on: kernels.Backend, kind: str) -> None:
    layer = layers.Bidirectional(KINDS[kind](return_sequences=True))
    assert_same(on, kind, layer(X, resets=RESETS), piecewise(layer))


@every_kind
def test_a_stateful_layer_goes_on_with_the_last_piece(on: kernels.Backend, kind: str) -> None:
    layer = KINDS[kind](return_sequences=True, stateful=True)
    whole = KINDS[kind](return_sequences=True)
    whole.build((None, None, I))
    layer.build((None, None, I))
    layer.set_weights(whole.get_weights())
    parts = [layer(X[:, :4], resets=RESETS[:, :4]), layer(X[:, 4:], resets=RESETS[:, 4:])]
    assert_same(on, kind, np.concatenate(parts, axis=1), whole(X, resets=RESETS))


def test_a_stream_whose_rows_are_reset_gives_the_bits_of_the_sequence(on: kernels.Backend) -> None:
    model = Sequential([Input((None, I)), layers.LSTM(H, return_sequences=True), layers.GRU(H, return_sequences=True)])
    x = X.astype("float32")
    wanted = run(model, x, resets=RESETS).y
    stream = model.stream(B)
    for t in range(T):
        stream.reset(rows=RESETS[:, t])
        assert_same(on, "model", stream.step(x[:, t]), wanted[:, t])


def test_layers_in_a_model_share_its_resets() -> None:
    one, two = (layers.LSTM(H, return_sequences=True, **F64) for _ in range(2))
    model = Sequential(
        [one, layers.Dense(3, **F64), layers.Bidirectional(two), layers.TimeDistributed(layers.Dense(1, **F64))]
    )
    y = model(X)
    assert np.array_equal(run(model, X).y, y)
    found = run(model, X, resets=RESETS).y
    for row in range(B):
        for piece in pieces(row):
            np.testing.assert_allclose(found[row, piece], model(X[row : row + 1, piece])[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("x", "resets", "message"),
    [
        (X, RESETS[:, 1:], r"expected resets of shape \(batch, time\) = \(3, 7\), got \(3, 6\)"),
        (X, 2 * RESETS, "expected resets to hold booleans, or 0 and 1, got 2"),
        ([row[:2] for row in X], RESETS, "expected resets to be None, as x is a list of sequences"),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "cell in Python"])
def test_errors(kind: str, backwards: bool, x: Any, resets: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        KINDS[kind](go_backwards=backwards)(x, resets=resets)
