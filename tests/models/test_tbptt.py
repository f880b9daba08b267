"""fit(..., tbptt=(k1, k2)): the windows, their gradients, their states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, optimizers
from cellstep.layers import GRU, LSTM, Dense, Embedding

RNG = np.random.default_rng(9)
X, Y = RNG.standard_normal((3, 7, 2)), RNG.standard_normal((3, 7, 1))


def net(kind: Any = LSTM, rate: float = 0.1, **options: Any) -> Sequential:
    made = Sequential([Input((None, 2)), kind(3, return_sequences=True, dtype="float64"), Dense(1, dtype="float64")])
    rng = np.random.default_rng(5)
    made.set_weights([rng.standard_normal(w.shape) / 2 for w in made.weights])
    made.compile(optimizers.SGD(rate), "mse", **options)
    return made


def by_hand(made: Sequential, k1: int, k2: int, sample_weight: Any = None) -> None:
    """Each window on its own, from states found by running all steps before it with the weights of that time."""
    rnn, head = made.layers
    carried: dict[int, Any] = {0: rnn.get_initial_state(3)}
    begin = 0
    for end in [*range(k1, 7, k1), 7]:
        fresh = (end - 1) // k1 * k1
        h, back = rnn.forward(X[:, begin:end], initial_state=carried[begin])
        y, back_head = head.forward(h)
        late = slice(fresh - begin, None)
        weights = None if sample_weight is None else sample_weight[:, fresh:end]
        _, d = made.loss.value_and_grad(Y[:, fresh:end], y[:, late], weights)
        dy = np.zeros_like(y)
        dy[:, late] = d
        after = max(begin, min(end + k1, 7) - k2)
        rnn.return_state = True
        carried[after] = rnn(X[:, begin:after], initial_state=carried[begin])[1:] if after > begin else carried[begin]
        rnn.return_state = False
        for w in made.weights:
            w.zero_grad()
        back(back_head(dy))
        for w in made.weights:
            w.assign(w.numpy() - 0.1 * w.grad)
        begin = after


@pytest.mark.parametrize("kind", [LSTM, GRU])
@pytest.mark.parametrize("k", [(2, 2), (3, 3), (2, 5), (1, 4), (3, 4), (7, 7), (10, 12)])
def test_windows(kind: Any, k: tuple[int, int]) -> None:
    ours, wanted = net(kind), net(kind)
    ours.fit(X, Y, batch_size=3, shuffle=False, verbose=0, tbptt=k)
    by_hand(wanted, *k)
    for a, b in zip(ours.weights, wanted.weights, strict=True):
        np.testing.assert_allclose(a.value, b.value, rtol=1e-10, atol=1e-12)


def test_one_window_over_everything_is_plain_training() -> None:
    windowed, plain = net(), net()
    windowed.fit(X, Y, verbose=0, shuffle=False, epochs=2, tbptt=(7, 7))
    plain.fit(X, Y, verbose=0, shuffle=False, epochs=2)
    for a, b in zip(windowed.weights, plain.weights, strict=True):
        np.testing.assert_allclose(a.value, b.value, rtol=1e-12)


def test_weights_of_steps_go_with_their_windows() -> None:
    weights = RNG.uniform(size=(3, 7))
    ours, wanted = net(), net()
    ours.fit(X, Y, batch_size=3, shuffle=False, verbose=0, tbptt=(3, 3), sample_weight=weights)
    by_hand(wanted, 3, 3, weights)
    for a, b in zip(ours.weights, wanted.weights, strict=True):
        np.testing.assert_allclose(a.value, b.value, rtol=1e-10, atol=1e-12)


def test_the_loss_is_the_mean_over_windows_and_layers_are_left_as_they_were() -> None:
    still = net(rate=0.0, metrics=["mae"])
    history = still.fit(X[:, :6], Y[:, :6], verbose=0, tbptt=(3, 3)).history
    np.testing.assert_allclose(history["loss"][0], ((still(X[:, :6]) - Y[:, :6]) ** 2).mean())
    assert still.layers[0].stateful is False
    assert still.layers[0].states is None
    assert still.optimizer is not None
    assert still.optimizer.iterations == 2


def test_tokens() -> None:
    made = Sequential([Embedding(5, 3, mask_zero=True), GRU(4, return_sequences=True), Dense(5, activation="softmax")])
    made.compile("adam", "sparse_categorical_crossentropy")
    ids = RNG.integers(0, 5, (4, 9))
    losses = made.fit(ids, ids, epochs=15, verbose=0, tbptt=(3, 6)).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: net().fit(X, Y, tbptt=3), TypeError, r"tbptt must be a pair \(k1, k2\), got 3"),
        (lambda: net().fit(X, Y, tbptt=(3, 2)), ValueError, r"k2 of tbptt must be at least k1, got \(3, 2\)"),
        (lambda: net().fit(X, Y, tbptt=(0, 2)), ValueError, "k1 of tbptt must be a positive integer, got 0"),
        (lambda: net().fit(X, Y[:, :5], tbptt=(2, 2)), ValueError, "tbptt needs x and y with one number of steps"),
        (lambda: net().fit(X, Y[:, 0], tbptt=(2, 2)), ValueError, "tbptt needs x and y with one number of steps"),
        (
            lambda: net(lambda n, **o: LSTM(n, go_backwards=True, **o)).fit(X, Y, tbptt=(2, 2)),
            *(ValueError, "tbptt needs layers that run forward in time"),
        ),
        (
            lambda: last().fit(X, Y, tbptt=(2, 2)),
            ValueError,
            "tbptt needs outputs for each step, got gru.*set return_sequences=True",
        ),
        (lambda: flat().fit(X, Y, tbptt=(2, 2)), ValueError, "tbptt needs a recurrent layer"),
    ],
)
def test_errors(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()


def last() -> Sequential:
    made = Sequential([GRU(2), Dense(1)])
    made.compile("sgd", "mse")
    return made


def flat() -> Sequential:
    made = Sequential([Dense(1)])
    made.compile("sgd", "mse")
    return made
