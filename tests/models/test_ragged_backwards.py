"""Lists of sequences in a layer that goes backwards and returns sequences: each row as it is alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from passes import run

from cellstep import Input, Model, Sequential, layers

RNG = np.random.default_rng(8)
LENGTHS = [3, 1, 5, 2, 4]
X = [RNG.standard_normal((n, 2)) for n in LENGTHS]
F64 = {"dtype": "float64"}
BACK = {"go_backwards": True, "return_sequences": True, **F64}

MADE: dict[str, Any] = {
    "SimpleRNN": lambda: [layers.SimpleRNN(3, zero_output_for_mask=True, **BACK)],
    "GRU": lambda: [layers.GRU(3, num_layers=2, trainable_initial_state=True, **BACK)],
    "LSTM": lambda: [layers.LSTM(3, activity_regularizer="l2", **BACK)],
    "twice": lambda: [layers.LSTM(3, **BACK), layers.GRU(2, **BACK)],
    "then both directions": lambda: [
        layers.RNN([layers.GRUCell(3, **F64), layers.LSTMCell(2, **F64)], **BACK),
        layers.Bidirectional(layers.GRU(2, return_sequences=True, activity_regularizer="l1", **F64)),
    ],
    "steps masked within": lambda: [layers.Masking(-1.0, **F64), layers.LSTM(3, **BACK)],
}


def net(name: str) -> Sequential:
    made = Sequential([Input((None, 2)), *MADE[name](), layers.Dense(2, **F64)])
    rng = np.random.default_rng(3)
    made.set_weights([rng.standard_normal(w.shape) / 2 for w in made.weights])
    made.compile("sgd", "mse")
    return made


def sequences(name: str) -> list[Any]:
    rows = [x.copy() for x in X]
    if name == "steps masked within":
        # the last step of a row stays: the end of a row is where its steps end
        rows[2][[0, 3]] = rows[4][1] = -1
    return rows


@pytest.mark.parametrize("name", MADE)
def test_outputs_are_those_of_each_row_alone(name: str) -> None:
    made, rows = net(name), sequences(name)
    found = made.predict(rows)
    for y, x in zip(found, rows, strict=True):
        np.testing.assert_allclose(y, made(x[None])[0], rtol=1e-12, atol=1e-14)
    padded = np.full((5, 6, 2), np.nan)
    for i, x in enumerate(rows):
        padded[i, : len(x)] = x
    if name != "steps masked within":  # Masking looks at what is behind the end, too
        for y, z in zip(found, made(padded, lengths=LENGTHS), strict=True):
            np.testing.assert_array_equal(y, z[: len(y)])


@pytest.mark.parametrize("name", MADE)
def test_gradients_are_the_sum_over_rows(name: str) -> None:
    made, rows = net(name), sequences(name)
    ran = run(made, rows)
    dy = [RNG.standard_normal((n, 2)) for n in LENGTHS]
    padded = np.zeros_like(ran.y)
    for i, d in enumerate(dy):
        padded[i, : len(d)] = d
    for w in made.weights:
        w.zero_grad()
    ran.pullback(padded)
    together = [w.grad.copy() for w in made.weights]
    for w in made.weights:
        w.zero_grad()
    penalties = []
    for x, d in zip(rows, dy, strict=True):
        # the penalty of a row alone is not shared with others, as it is in the batch
        alone = run(made, x[None], rows=5)
        penalties.append(sum(alone.penalties))
        alone.pullback(d[None])
    assert sum(ran.penalties) == pytest.approx(sum(penalties), rel=1e-12)
    for w, grad in zip(made.weights, together, strict=True):
        np.testing.assert_allclose(grad, w.grad, rtol=1e-10, atol=1e-13, err_msg=w.path)


def test_states_and_dx() -> None:
    x, h = Input((None, 2), dtype="float64"), Input((3,), dtype="float64")
    y, last = layers.GRU(3, return_state=True, **BACK)(x, initial_state=h)
    made = Model([x, h], [y, last])
    first = RNG.standard_normal((5, 3))
    ran = run(made, [X, first])
    dy = [RNG.standard_normal(y.shape) for y in ran.y]
    for row, n in zip(dy[0], LENGTHS, strict=True):
        row[n:] = 0
    dx, dh = ran.pullback(dy)
    for i, (row, n) in enumerate(zip(X, LENGTHS, strict=True)):
        alone = run(made, [row[None], first[i : i + 1]])
        np.testing.assert_allclose(ran.y[0][i, :n], alone.y[0][0], rtol=1e-12)
        np.testing.assert_allclose(ran.y[1][i], alone.y[1][0], rtol=1e-12)
        dx1, dh1 = alone.pullback([dy[0][i : i + 1, :n], dy[1][i : i + 1]])
        np.testing.assert_allclose(dx[i, :n], dx1[0], rtol=1e-10, atol=1e-13)
        assert not dx[i, n:].any()
        np.testing.assert_allclose(dh[i], dh1[0], rtol=1e-10, atol=1e-13)


def test_an_empty_row() -> None:
    made = Sequential([Input((None, 2)), layers.GRU(3, **BACK)])
    found = made.predict([X[0], X[0][:0], X[1]])
    assert [y.shape for y in found] == [(3, 3), (0, 3), (1, 3)]
    np.testing.assert_allclose(found[2], made(X[1][None])[0])
