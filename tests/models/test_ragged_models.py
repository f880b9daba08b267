"""Lists of sequences of different lengths, wherever one input of sequences is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from passes import run

import cellstep
from cellstep import Input, Model, Sequential, layers, optimizers
from cellstep.layers import GRU, Dense, Embedding
from cellstep.layers.ragged import Ragged, ragged

RNG = np.random.default_rng(6)
LENGTHS = [3, 1, 5, 2, 4]
X = [RNG.standard_normal((n, 2)) for n in LENGTHS]
STEPS = [RNG.standard_normal((n, 3)) for n in LENGTHS]
ROWS = RNG.standard_normal((5, 3))


def net(sequences: bool, **options: Any) -> Sequential:
    made = Sequential(
        [Input((None, 2)), GRU(4, return_sequences=sequences, dtype="float64"), Dense(3, dtype="float64")]
    )
    rng = np.random.default_rng(2)
    made.set_weights([rng.standard_normal(w.shape) / 2 for w in made.weights])
    made.compile(optimizers.SGD(0.1), "mse", **options)
    return made


@pytest.mark.parametrize("size", [1, 2, 5])
def test_predict_gives_each_sequence_what_it_gets_alone(size: int) -> None:
    made = net(True)
    found = made.predict(X, batch_size=size)
    assert isinstance(found, list)
    for y, x in zip(found, X, strict=True):
        np.testing.assert_allclose(y, made(x[None])[0], rtol=1e-12)
    assert [y.shape for y in made(X)] == [(n, 3) for n in LENGTHS]
    last = net(False)
    np.testing.assert_allclose(last.predict(X, batch_size=size), [last(x[None])[0] for x in X], rtol=1e-12)


def test_training_is_that_of_a_masked_batch() -> None:
    whole = Ragged(X)
    mask = whole.mask()
    by_list, by_mask = net(True, metrics=["mae"]), net(True, metrics=["mae"])
    found = by_list.train_on_batch(X, STEPS)
    y, _, pullback, _ = run(by_mask, whole.padded(), mask=mask, training=True)
    value, dy = by_mask.loss.value_and_grad(Ragged(STEPS).padded(), y, None, mask)
    np.testing.assert_allclose(found[0], value)
    error = np.concatenate([a - b for a, b in zip(net(True)(X), STEPS, strict=True)])
    np.testing.assert_allclose(value, (error**2).mean())
    for w in by_mask.weights:
        w.zero_grad()
    pullback(dy, need_dx=False)
    for a, b in zip(by_list.weights, by_mask.weights, strict=True):
        np.testing.assert_allclose(a.value, b.value - 0.1 * b.grad, rtol=1e-10, atol=1e-12)


def test_fit_and_evaluate() -> None:
    history = net(True).fit(X, STEPS, epochs=5, batch_size=2, verbose=0, validation_split=0.4).history
    assert history["loss"][-1] < history["loss"][0]
    assert "val_loss" in history
    made = net(False)
    made.fit(X, ROWS, epochs=2, batch_size=2, verbose=0, validation_data=(X, ROWS))
    assert made.evaluate(X, ROWS, verbose=0) == made.evaluate(X, ROWS, batch_size=5, verbose=0)
    weights = [np.ones(n) for n in LENGTHS]
    plain = net(True).evaluate(X, STEPS, verbose=0)
    np.testing.assert_allclose(net(True).evaluate(X, STEPS, sample_weight=weights, verbose=0), plain)
    np.testing.assert_allclose(
        net(True).evaluate(X, STEPS, sample_weight=[2 * w for w in weights], verbose=0), 2 * plain
    )


def test_tokens_and_padding() -> None:
    ids = [[1, 2], [3], [4, 0, 1]]
    plain = Sequential([Embedding(5, 2), GRU(3)])
    found = plain.predict(ids)
    for i, row in enumerate(ids):
        np.testing.assert_allclose(found[i], plain(np.array([row]))[0], rtol=1e-5)
    masked = Sequential([Embedding(5, 2, mask_zero=True), GRU(3)])
    np.testing.assert_allclose(masked.predict(ids)[2], masked(np.array([[4, 0, 1]]))[0], rtol=1e-5)


def test_one_of_several_inputs() -> None:
    x, z = Input((None, 2)), Input((3,))
    h, last = GRU(3, return_sequences=True, return_state=True, dtype="float64")(x, initial_state=[z])
    made = Model([x, z], [h, layers.Add(dtype="float64")([last, z])])
    sequences, sums = made.predict([X, ROWS], batch_size=2)
    assert [y.shape for y in sequences] == [(n, 3) for n in LENGTHS]
    np.testing.assert_allclose(sums[2], made([X[2][None], ROWS[2:3]])[1][0], rtol=1e-12)


def test_lists_of_arrays_are_sequences_whatever_their_lengths() -> None:
    even = [np.ones((3, 2)), np.zeros((3, 2))]
    model, unbuilt = net(True), Sequential([GRU(3, return_sequences=True, dtype="float64")])
    for made in (model, unbuilt):
        for rows in (even, even[:1] * 2, [np.ones((3, 2)), np.ones((1, 2))], tuple(even)):
            for found in (made.predict(rows), made(rows), made.predict(rows, batch_size=1)):
                assert isinstance(found, list)
                assert [y.shape for y in found] == [(len(row), 3) for row in rows]
        for array in (np.array(even), np.array(even).tolist()):
            assert made.predict(array).shape == (2, 3, 3)
        np.testing.assert_allclose(np.array(made.predict(even)), made.predict(np.array(even)), rtol=1e-6)
    assert isinstance(model.predict(even[:1]), list)
    ids = [np.array([1, 2]), np.array([3, 4])]
    assert isinstance(Sequential([Embedding(5, 2), GRU(3, return_sequences=True)]).predict(ids), list)
    fixed = Sequential([Input((3, 2)), GRU(3, return_sequences=True)])
    assert fixed.predict(even).shape == (2, 3, 3)  # steps that are given cannot differ
    features = Sequential([Input((3,)), layers.Dense(2)])
    assert features.predict([np.ones(3), np.zeros(3)]).shape == (2, 2)


def test_training_on_even_lists_is_training_on_the_array() -> None:
    even = list(np.random.default_rng(0).standard_normal((6, 4, 2)))
    targets = list(np.random.default_rng(1).standard_normal((6, 4, 3)))
    histories = []
    for x, y in ((even, targets), (np.array(even), np.array(targets)), (even, np.array(targets))):
        cellstep.set_random_seed(0)
        model = net(True)
        model.compile("sgd", "mse", metrics=["mae"])
        histories.append(model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0).history)
    for history in histories[:1] + histories[2:]:
        for name, values in histories[1].items():
            np.testing.assert_allclose(history[name], values, rtol=1e-6)


def test_even_lists_are_arrays_where_nothing_says_otherwise() -> None:
    even = [np.ones((3, 2)), np.zeros((3, 2))]
    assert ragged("x", even) is None
    assert ragged("x", np.ones((2, 3))) is None
    assert ragged("x", [np.ones((2, 3))]) is None
    rows = ragged("x", X)
    assert rows is not None
    assert rows.shape == (5, None, 2)
    assert rows[[2, 0]].lengths.tolist() == [5, 3]
    assert rows[1:3].padded().shape == (2, 5, 2)
    empty = net(True).predict([np.ones((2, 2)), np.ones((0, 2))])
    assert [y.shape for y in empty] == [(2, 3), (0, 3)]


def unmasked() -> Sequential:
    """A mask ends in Lambda."""
    return Sequential([layers.Lambda(np.tanh), GRU(2, go_backwards=True, return_sequences=True)])


@pytest.mark.filterwarnings("ignore:lambda.* knows no masks")
@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: net(True)([X[0], X[1][:, :1]]), ValueError, "x to hold sequences whose steps have one shape"),
        (lambda: net(True)([np.array(["a"]), np.array(["b", "c"])]), TypeError, "x to hold sequences of real numbers"),
        (
            lambda: net(True)(X, mask=np.ones((5, 5), bool)),
            ValueError,
            "mask and lengths must be None where x is a list",
        ),
        (lambda: net(False).train_on_batch(X, STEPS), ValueError, "expected even targets, as the outputs"),
        (lambda: net(True).fit(X, STEPS, tbptt=(2, 2), verbose=0), ValueError, "tbptt needs arrays of one length"),
        (
            lambda: unmasked().predict(X),
            *(ValueError, "go_backwards of gru.* must be False where x had lengths that a layer below has lost"),
        ),
        (lambda: net(True).fit(X[:4], STEPS), ValueError, "expected y to have the 4 rows of x, got 5"),
        (
            lambda: net(True).fit(X, STEPS, class_weight={0: 1.0}),
            *(ValueError, "class_weight needs a model with one output and even targets, got sequences"),
        ),
    ],
)
def test_errors(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()


def test_sequences_without_steps() -> None:
    model = Sequential([Input((None, 3)), layers.GRU(4, return_sequences=True), layers.Dense(2)])
    model.compile("sgd", "mse")
    none, targets = [np.zeros((0, 3), "float32")] * 3, [np.zeros((0, 2), "float32")] * 3
    assert [y.shape for y in model.predict(none, verbose=0)] == [(0, 2)] * 3
    assert model.evaluate(none, targets, verbose=0) == 0
    assert model.fit(none, targets, verbose=0).history["loss"] == [0]
