"""Resets through whole models: a row that begins anew in the middle gives what its pieces give by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import Model, Sequential
from cellstep.layers import GRU, LSTM, Bidirectional, Dense, Embedding, Input, TimeDistributed

B, T, CUT = 3, 7, 4
rng = np.random.default_rng(3)
X, Y = rng.normal(size=(B, T, 2)).astype("float32"), rng.normal(size=(B, T, 2)).astype("float32")
RESETS = np.zeros((B, T), bool)
RESETS[:, CUT] = True


def line(*layers: Any) -> Sequential:
    net = Sequential([Input((None, 2)), *layers, Dense(2)])
    net.compile("sgd", "mse")
    return net


def branched() -> Model:
    x = Input((None, 2))
    h = LSTM(3, return_sequences=True)(x)
    net = Model(x, Dense(2)(GRU(3, return_sequences=True)(h) + h))
    net.compile("sgd", "mse")
    return net


class Composed(Model):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = LSTM(3, return_sequences=True), Dense(2)

    def call(self, x: Any) -> Any:
        return self.head(self.rnn(x))


class ByHand(Model):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = LSTM(3, return_sequences=True), Dense(2)

    def forward(self, x: Any, resets: Any = None, training: bool = False) -> Any:
        h, rnn_back = self.rnn.forward(x, training=training, resets=resets)
        y, back = self.head.forward(h)
        return y, lambda dy, need_dx=True: rnn_back(back(dy), need_dx=need_dx)


def compiled(net: Model) -> Model:
    net.compile("sgd", "mse")
    net(X)
    return net


NETS = {
    "line": lambda: line(LSTM(4, return_sequences=True), GRU(3, return_sequences=True)),
    "both directions": lambda: line(Bidirectional(GRU(3, return_sequences=True))),
    "a model inside": lambda: line(Sequential([Input((None, 2)), LSTM(3, return_sequences=True)])),
    "steps": lambda: line(LSTM(3, return_sequences=True), TimeDistributed(Dense(3))),
    "branched": branched,
    "call": lambda: compiled(Composed()),
    "by hand": lambda: compiled(ByHand()),
}


@pytest.mark.parametrize("make", NETS.values(), ids=list(NETS))
def test_pieces_of_a_row_are_rows_of_their_own(make: Any) -> None:
    net = make()
    pieces = [(X[:, :CUT], Y[:, :CUT]), (X[:, CUT:], Y[:, CUT:])]
    apart = np.concatenate([net(x) for x, _ in pieces], axis=1)
    assert not np.array_equal(net(X), apart)
    np.testing.assert_array_equal(net(X, resets=RESETS), apart)
    np.testing.assert_allclose(net.predict(X, batch_size=2, resets=RESETS), apart, rtol=1e-6)
    y, pullback = net.forward(X, resets=RESETS, training=True)
    np.testing.assert_array_equal(y, apart)
    dx = np.concatenate([net.forward(x, training=True)[1](dy) for x, dy in pieces], axis=1)
    np.testing.assert_allclose(pullback(Y), dx, rtol=1e-4, atol=1e-7)
    grads, loss = net.gradients(X, Y, resets=RESETS)
    parts = [net.gradients(x, y) for x, y in pieces]
    share = [CUT / T, 1 - CUT / T]
    np.testing.assert_allclose(loss, sum(n * part[1] for n, part in zip(share, parts, strict=True)), rtol=1e-5)
    for path, grad in grads.items():
        want = sum(n * part[0][path] for n, part in zip(share, parts, strict=True))
        np.testing.assert_allclose(grad, want, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(net.evaluate(X, Y, resets=RESETS, batch_size=2, verbose=0), loss, rtol=1e-5)
    np.testing.assert_allclose(net.test_on_batch(X, Y, resets=RESETS), loss, rtol=1e-5)
    np.testing.assert_allclose(net.train_on_batch(X, Y, resets=RESETS), loss, rtol=1e-5)


def test_fit_takes_them_row_by_row() -> None:
    """In any order of rows, and for validation those of its part."""
    many = [np.tile(a, (4, 1, 1)) for a in (X, Y)]
    resets = rng.random((4 * B, T)) < 0.3
    whole, apart = (NETS["line"]() for _ in range(2))
    apart.set_weights(whole.get_weights())
    history = whole.fit(
        *many, batch_size=4 * B - 3, epochs=2, shuffle=False, resets=resets, verbose=0, validation_split=0.25
    )
    for _ in range(2):
        loss = apart.train_on_batch(many[0][:-3], many[1][:-3], resets=resets[:-3])
        last = apart.test_on_batch(many[0][-3:], many[1][-3:], resets=resets[-3:])
    np.testing.assert_allclose(history.history["loss"][-1], loss, rtol=1e-6)
    np.testing.assert_allclose(history.history["val_loss"][-1], last, rtol=1e-6)
    for ours, theirs in zip(whole.get_weights(), apart.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_windows_of_truncated_bptt_begin_anew_too() -> None:
    whole, apart = (line(GRU(3, return_sequences=True)) for _ in range(2))
    apart.set_weights(whole.get_weights())
    every = np.zeros((B, T + 1), bool)
    every[:, ::2] = True
    x, y = (np.concatenate([a, a[:, :1]], axis=1) for a in (X, Y))
    whole.fit(x, y, batch_size=B, shuffle=False, tbptt=(2, 2), resets=every, verbose=0)
    for begin in range(0, T + 1, 2):
        apart.train_on_batch(x[:, begin : begin + 2], y[:, begin : begin + 2])
    for ours, theirs in zip(whole.get_weights(), apart.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_what_cannot_take_them_says_so() -> None:
    plain = Sequential([Input((3,)), Dense(2)])
    plain.compile("sgd", "mse")
    net = NETS["line"]()
    with pytest.raises(ValueError, match=r"resets must be None, as sequential.* has no recurrent layer, got one"):
        plain(np.ones((2, 3)), resets=np.ones((2, 3), bool))
    with pytest.raises(ValueError, match=r"resets must be None, as sequential.* has no recurrent layer, got one"):
        plain.fit(np.ones((2, 3)), np.ones((2, 2)), resets=np.ones((2, 3), bool), verbose=0)
    with pytest.raises(ValueError, match="resets must be None where x is a list of sequences, got one"):
        net([X[0], X[1, :3]], resets=RESETS[:2])
    with pytest.raises(ValueError, match=r"resets"):
        net(X, resets=RESETS[:, :3])
    with pytest.raises(ValueError, match="expected resets to have the 3 rows of x, got 2"):
        net.fit(X, Y, resets=RESETS[:2], verbose=0)
    with pytest.raises(ValueError, match="resets must be None where x makes batches, got one where x is a generator"):
        net.fit(((X, Y) for _ in range(2)), resets=RESETS, verbose=0)

    class Own(Sequential):
        def train_step(self, data: Any) -> Any:
            return {}

    own = Own([Input((None,)), Embedding(3, 2), GRU(2)])
    own.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"resets must be None, as Own\.train_step says what a step is, got one"):
        own.fit(np.ones((2, 3)), np.ones((2, 2)), resets=np.ones((2, 3), bool), verbose=0)


def test_resets_may_be_lists() -> None:
    """As masks and lengths may, in batches too."""
    plain, listed = line(LSTM(3, return_sequences=True)), line(LSTM(3, return_sequences=True))
    listed.set_weights(plain.get_weights())
    lists = RESETS.tolist()
    np.testing.assert_array_equal(
        listed.predict(X, batch_size=2, resets=lists), plain.predict(X, batch_size=2, resets=RESETS)
    )
    assert listed.evaluate(X, Y, verbose=0, resets=lists) == plain.evaluate(X, Y, verbose=0, resets=RESETS)
    assert listed.train_on_batch(X, Y, resets=lists) == plain.train_on_batch(X, Y, resets=RESETS)
    for net, resets in (listed, lists), (plain, RESETS):
        net.fit(X, Y, batch_size=2, shuffle=False, verbose=0, resets=resets)
    for one, other in zip(listed.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
