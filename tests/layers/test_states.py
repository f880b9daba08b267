"""States that are weights, and states that are kept from call to call, by row too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from slopes import check_gradients

from cellstep import kernels, layers
from cellstep.layers import nested

RNG = np.random.default_rng(4)
B, T, I, H = 3, 4, 2, 3  # noqa: E741
X = RNG.standard_normal((B, T, I))
HOLES = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 1]], bool)
KINDS: dict[str, Any] = {
    "SimpleRNN": layers.SimpleRNN,
    "LSTM": layers.LSTM,
    "GRU": layers.GRU,
    "stack": lambda units, **k: layers.GRU(units, num_layers=2, **k),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_gradients_of_trainable_initial_states(kind: str) -> None:
    """`check_gradients` moves all weights away from where they begin, these too."""
    layer = KINDS[kind](H, trainable_initial_state=True, return_sequences=True, dtype="float64")
    check_gradients(layer, X, mask=HOLES)
    assert all(w.grad.any() for w in layer.initial)


@every_kind
def test_trainable_initial_states_come_last_and_give_way_to_those_given(on: kernels.Backend, kind: str) -> None:
    layer = KINDS[kind](H, trainable_initial_state=True, dtype="float64")
    plain = KINDS[kind](H, dtype="float64")
    for one in (layer, plain):
        one.build(X.shape)
    n = len(plain.weights)
    plain.set_weights(layer.get_weights()[:n])
    np.testing.assert_array_equal(layer(X), plain(X))
    assert all(w.name.startswith("initial_") and w.shape == (H,) for w in layer.weights[n:])
    for w in layer.initial:
        w.assign(RNG.standard_normal(H))
    states = [np.repeat(w.value[None], B, axis=0) for w in layer.initial]
    np.testing.assert_array_equal(layer(X), plain(X, initial_state=states))
    zeros = [0 * s for s in states]
    y, pullback = layer.forward(X, initial_state=zeros)
    np.testing.assert_array_equal(y, plain(X))
    pullback(np.ones_like(y))
    assert not any(w.grad.any() for w in layer.initial)
    again = layers.deserialize(layers.serialize(layer))
    assert again.trainable_initial_state
    assert "trainable_initial_state" not in plain.get_config()


def test_a_frozen_initial_state_gets_no_gradient() -> None:
    layer = layers.GRU(H, trainable_initial_state=True)
    y, pullback = layer.forward(X)
    layer.initial[0].trainable = False
    pullback(np.ones_like(y))
    assert not layer.initial[0].grad.any()
    assert layer.weights[0].grad.any()


@pytest.mark.parametrize("rows", [1, [0, 2], slice(0, 2), [True, False, False]], ids=str)
@every_kind
def test_rows_of_a_stateful_layer_begin_anew_alone(on: kernels.Backend, kind: str, rows: Any) -> None:
    layer = KINDS[kind](H, stateful=True, return_sequences=True, dtype="float64")
    layer(X)
    kept = [s.copy() for s in layer.states or []]
    layer.reset_state(rows=rows)
    gone = np.zeros(B, bool)
    gone[rows] = True
    for state, before in zip(layer.states or [], kept, strict=True):
        assert not state[gone].any()
        np.testing.assert_array_equal(state[~gone], before[~gone])
    y = layer(X)
    fresh = KINDS[kind](H, return_sequences=True, dtype="float64")
    fresh.build(X.shape)
    fresh.set_weights(layer.get_weights())
    np.testing.assert_allclose(y[gone], fresh(X)[gone], rtol=1e-13)
    assert not np.allclose(y[~gone], fresh(X)[~gone])


def test_rows_go_back_to_the_trainable_initial_state() -> None:
    layer = layers.GRU(H, stateful=True, trainable_initial_state=True)
    layer(X)
    layer.initial[0].assign(np.arange(H))
    layer.reset_state(rows=-1)
    np.testing.assert_array_equal((layer.states or [])[0][-1], np.arange(H))


def test_states_survive_what_was_returned_being_written_to() -> None:
    layer = layers.LSTM(H, stateful=True, return_state=True)
    _, h, c = layer(X)
    kept = [s.copy() for s in layer.states or []]
    h[:], c[:] = 0, 0
    for state, before in zip(layer.states or [], kept, strict=True):
        np.testing.assert_array_equal(state, before)


def stateful() -> layers.LSTM:
    layer = layers.LSTM(H, stateful=True)
    layer(X)
    return layer


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda: layers.LSTM(H).reset_state(rows=[0]),
        ValueError,
        r"rows must be None, as lstm is not stateful, got \[0\]",
    ),
    (lambda: stateful().reset_state(rows=3), ValueError, r"rows to select some of the rows 0 .. 2, got 3"),
    (lambda: stateful()(X[:2]), ValueError, "expected x with the 3 rows of the call before.* got 2; reset_states"),
    (lambda: layers.LSTM(H, trainable_initial_state=2), TypeError, "trainable_initial_state must be True or False"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


GIVEN: dict[str, Any] = {
    "rnn": lambda: layers.SimpleRNN(4, stateful=True),
    "lstm": lambda: layers.LSTM(4, stateful=True),
    "gru": lambda: layers.GRU(4, stateful=True),
    "layers": lambda: layers.LSTM(4, stateful=True, num_layers=2),
    "stacked": lambda: layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], stateful=True),
    "bidirectional": lambda: layers.Bidirectional(layers.LSTM(4, stateful=True)),
}


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("method", ["reset_state", "reset_states"])
def test_a_stateful_layer_begins_with_the_states_that_it_is_given(name: str, method: str) -> None:
    """As a call with `initial_state` does; in the next call it goes on from there; another batch size is let in."""
    layer, rng = GIVEN[name](), np.random.default_rng(0)
    layer(rng.standard_normal((5, 2, 3)))
    x = rng.standard_normal((2, 6, 3)).astype("f4")
    first = _each(lambda n: rng.standard_normal((2, n)), layer.state_size)
    getattr(layer, method)(first)
    y = layer(x)
    layer.reset_state()
    np.testing.assert_array_equal(layer(x, initial_state=first), y)
    kept = _each(np.copy, first)
    layer.reset_state(states=first)
    for a in _flat(first):
        a[:] = 9
    np.testing.assert_array_equal(layer(x), y)
    once = layer(x)
    layer.reset_state(kept)
    layer(x)
    np.testing.assert_array_equal(layer(x), once)


def _each(function: Any, tree: Any) -> Any:
    return [_each(function, part) for part in tree] if isinstance(tree, list | tuple) else function(tree)


def _flat(tree: Any) -> list[Any]:
    return [a for part in tree for a in _flat(part)] if isinstance(tree, list | tuple) else [tree]


@pytest.mark.parametrize(
    ("make", "states", "rows", "said"),
    [
        ("lstm", [np.zeros((2, 4))], None, r"expected states to be 2 arrays \(h, c\), got 1"),
        ("lstm", [np.zeros((2, 4)), np.zeros((2, 3))], None, r"expected states c of shape \(2, 4\), got \(2, 3\)"),
        ("lstm", [np.zeros((2, 4)), np.zeros((3, 4))], None, r"expected states c of shape \(2, 4\), got \(3, 4\)"),
        ("gru", 0, None, r"expected states h of shape \(batch, 4\), got \(\)"),
        ("gru", np.zeros((2, 4)), [0], "states and rows cannot both be given"),
        ("bidirectional", [np.zeros((2, 4))] * 2, None, "expected states to be a list of 4, the forward layer's first"),
        ("bidirectional", [np.zeros((n, 4)) for n in (2, 2, 3, 3)], None, r"one number of rows, got \[2, 3\]"),
        ("bidirectional", [*[np.zeros((2, 4))] * 3, np.zeros((2, 5))], None, r"states c backwards of shape \(2, 4\)"),
    ],
)
def test_states_that_do_not_fit_change_nothing(make: str, states: Any, rows: Any, said: str) -> None:
    layer, x = GIVEN[make](), np.ones((2, 3, 3))
    layer(x)
    parts = [layer.forward_layer, layer.backward_layer] if make == "bidirectional" else [layer]
    before = [part.states for part in parts]
    with pytest.raises(ValueError, match=said):
        layer.reset_state(states, rows)
    assert all(part.states is kept for part, kept in zip(parts, before, strict=True))


def test_states_need_a_stateful_layer() -> None:
    with pytest.raises(ValueError, match="states must be None, as plain is not stateful, got an array of shape"):
        layers.GRU(4, name="plain").reset_states(np.zeros((2, 4)))


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("steps", [0, 1, T])
@every_kind
def test_outputs_and_states_share_memory_with_nothing(kind: str, steps: int, sequences: bool) -> None:
    """Writing into one of them changes nothing else."""
    for flags in ({}, {"stateful": True}, {"trainable_initial_state": True}):
        layer = KINDS[kind](H, return_state=True, return_sequences=sequences, **flags)
        x = X[:, :steps].astype("f4")
        layer.build(x.shape)
        first = [np.ones((B, H), "f4") for _ in layer(x)[1:]]
        for given in (None, first):
            results = [layer(x, initial_state=given), layer.forward(x, initial_state=given)[0]]
            arrays = [a for result in results for a in result]
            kept = [x, *first, *(w.value for w in layer.weights), *nested.flatten(getattr(layer, "states", None) or [])]
            for i, a in enumerate(arrays):
                assert not any(np.shares_memory(a, b) for b in arrays[:i] + kept if isinstance(b, np.ndarray))
