"""Bidirectional: both directions, what is merged and how, and what it is made from."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from slopes import check_gradients

from cellstep import kernels, layers, losses, models

RNG = np.random.default_rng(4)
B, T, I, H = 3, 4, 2, 3  # noqa: E741
X = RNG.standard_normal((B, T, I))
HOLES = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 1]], bool)
CALLS: dict[str, dict[str, Any]] = {"plain": {}, "holes": {"mask": HOLES}, "lengths": {"lengths": [4, 2, 0]}}
MODES = ["concat", "sum", "mul", "ave", None]


def make(mode: str | None = "concat", kind: str = "LSTM", **options: Any) -> layers.Bidirectional:
    return layers.Bidirectional(getattr(layers, kind)(H, dtype="float64", **options), merge_mode=mode)


@pytest.mark.parametrize("state", [False, True], ids=["", "states"])
@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequence"])
@pytest.mark.parametrize("mode", MODES)
def test_gradients(mode: str | None, sequences: bool, state: bool) -> None:
    layer = make(mode, "GRU", return_sequences=sequences, return_state=state)
    check_gradients(layer, X, states=[RNG.standard_normal((B, H)) for _ in range(2)], mask=HOLES)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_of_ragged_lists(mode: str | None) -> None:
    check_gradients(make(mode, return_sequences=True, return_state=True), [X[0], X[1, :2], X[2, :1]], ragged=True)


def test_gradients_with_dropout() -> None:
    layer = make("sum", "GRU", return_sequences=True, dropout=0.3, recurrent_dropout=0.3, seed=1)
    check_gradients(layer, X, training=True, lengths=[4, 2, 0])


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("mode", MODES)
def test_the_two_directions_are_two_layers(on: kernels.Backend, mode: str | None, call: str) -> None:
    layer = make(mode, return_sequences=True, return_state=True)
    y = layer(X, **CALLS[call])
    both = []
    for part in (layer.forward_layer, layer.backward_layer):
        other = layers.LSTM.from_config(part.get_config())
        other.build(X.shape)
        other.set_weights(part.get_weights())
        both.append(other(X, **CALLS[call]))
    (f, *fstates), (b, *bstates) = both
    b = b[:, ::-1]
    right = {"concat": np.concatenate([f, b], -1), "sum": f + b, "mul": f * b, "ave": (f + b) / 2}.get(mode or "")
    outputs = [f, b] if right is None else [right]
    for a, e in zip(y, [*outputs, *fstates, *bstates], strict=True):
        np.testing.assert_array_equal(a, e)


def test_with_lengths_each_row_begins_at_its_own_end() -> None:
    layer = make(return_sequences=True)
    y = layer(X, lengths=[4, 2, 1])
    for b, n in enumerate([4, 2, 1]):
        np.testing.assert_allclose(y[b, :n], layer(X[b : b + 1, :n])[0], rtol=1e-13)
        assert not y[b, n:].any()
    for a, e in zip(layer([X[0], X[1, :2], X[2, :1]]), y, strict=True):
        np.testing.assert_allclose(a, e[: len(a)], rtol=1e-13)


def test_weights_are_new_and_in_order() -> None:
    inner = layers.LSTM(H, name="lstm_7")
    inner.build(X.shape)
    layer = layers.Bidirectional(inner)
    layer.build(X.shape)
    kinds = ("kernel", "recurrent_kernel", "bias")
    assert [w.path for w in layer.weights] == [
        f"bidirectional/{way}_lstm_7/lstm_cell/{kind}" for way in ("forward", "backward") for kind in kinds
    ]
    f, b = layer.get_weights()[0], layer.get_weights()[3]
    assert not np.array_equal(f, b)
    assert not np.array_equal(f, inner.get_weights()[0])
    given = [RNG.standard_normal(w.shape) for w in layer.weights]
    other = layers.Bidirectional(inner, weights=given)
    other.build(X.shape)
    for w, e in zip(other.weights, given, strict=True):
        np.testing.assert_array_equal(w.value, e.astype("float32"))
    layer.trainable = False
    assert layer.trainable_weights == []


def test_stateful() -> None:
    layer = make(None, return_sequences=True, stateful=True)
    y, _ = layer(X[:, :2])
    kept = [s.copy() for s in layer.states or []]
    assert len(kept) == 4
    layer(X[:, 2:])
    layer.reset_state(rows=[0, 2])
    states = layer.states or []
    assert not any(s[[0, 2]].any() for s in states)
    assert all(s[1].any() for s in states)
    layer.reset_states()
    np.testing.assert_array_equal(layer(X[:, :2])[0], y)
    for a, e in zip(layer.states or [], kept, strict=True):
        np.testing.assert_array_equal(a, e)


def test_copies_and_configurations() -> None:
    backward = layers.GRU(5, go_backwards=True, return_sequences=True)
    layer = layers.Bidirectional(layers.LSTM(3, return_sequences=True), backward_layer=backward, name="both")
    assert layer.backward_layer is backward
    y = layer(X)
    assert y.shape == (B, T, 8)
    again = layers.deserialize(layers.serialize(layer))
    assert again.get_config() == layer.get_config()
    for other in (again, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        other.build(X.shape)
        other.set_weights(layer.get_weights())
        np.testing.assert_array_equal(other(X), y)


def test_shapes_and_masks() -> None:
    assert make().compute_output_shape((2, 5, I)) == (2, 2 * H)
    assert make(None, return_sequences=True).compute_output_shape((2, 5, I)) == ((2, 5, H), (2, 5, H))
    states = make("sum", "GRU", return_state=True)
    assert states.compute_output_shape((2, 5, I)) == ((2, H), (2, H), (2, H))
    assert states.compute_mask(X, HOLES) == [None, None, None]
    assert make(return_sequences=True).compute_mask(X, HOLES) is HOLES
    assert make(None, return_sequences=True).compute_mask(X, HOLES) == [HOLES, HOLES]
    assert make().compute_mask(X, HOLES) is None


def test_in_a_model() -> None:
    model = models.Sequential(
        [
            layers.Masking(),
            layers.Bidirectional(layers.GRU(4, return_sequences=True)),
            layers.Bidirectional(layers.LSTM(3)),
        ]
    )
    model.compile("sgd", losses.MeanSquaredError())
    x = X.astype("float32")
    x[0, 2:] = 0
    model.fit(x, np.zeros((B, 6)), epochs=2, verbose=0)
    assert np.isfinite(model.predict(x, verbose=0)).all()


LSTM_BACK = {"go_backwards": True}
ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: layers.Bidirectional(layers.Dense(3)), TypeError, "layer must be a recurrent layer .* got <Dense"),
    (lambda: layers.Bidirectional(3), TypeError, "layer must be a recurrent layer .* got 3"),
    (
        lambda: layers.Bidirectional(layers.GRU(3), backward_layer=layers.Dense(3)),
        TypeError,
        "backward_layer must be a recurrent layer .* got <Dense",
    ),
    (lambda: make("max"), ValueError, "merge_mode must be one of 'concat', 'sum', 'mul', 'ave', None, got 'max'"),
    (
        lambda: layers.Bidirectional(layers.GRU(3), backward_layer=layers.GRU(3)),
        ValueError,
        "backward_layer must have go_backwards=True, as layer has False, got False",
    ),
    (
        lambda: layers.Bidirectional(layers.GRU(3, return_sequences=True), backward_layer=layers.GRU(3, **LSTM_BACK)),
        ValueError,
        "backward_layer must have return_sequences=True, as layer has it, got False",
    ),
    (
        lambda: layers.Bidirectional(layers.GRU(3), "sum", backward_layer=layers.GRU(4, **LSTM_BACK)),
        ValueError,
        "backward_layer must have 3 units for this merge_mode, as layer has, got 4",
    ),
    (lambda: make()(X[0]), ValueError, r"expected x of shape \(batch, time, features\), got \(4, 2\)"),
    (lambda: make()(X, mask=np.ones((B, T, 1), bool)), ValueError, r"mask of shape .* got \(3, 4, 1\)"),
    (
        lambda: make()(X, initial_state=[np.ones((B, H))] * 3),
        ValueError,
        r"initial_state to be 4 arrays \(h forwards, c forwards, h backwards, c backwards\), got 3",
    ),
    (
        lambda: make()(X, initial_state=[np.ones((B, H))] * 3 + [np.ones((B, 1))]),
        ValueError,
        r"expected initial_state c backwards of shape \(3, 3\), got \(3, 1\)",
    ),
    (lambda: make(None).forward(X)[1](X), ValueError, "dy to be a list of 2, for each output and each state, got nd"),
    (lambda: make().forward(X)[1](X[:, 0]), ValueError, r"expected dy of shape \(3, 6\), got \(3, 2\)"),
    (lambda: make().stages(), ValueError, "bidirectional cannot be streamed, as its backward layer begins at the last"),
    (lambda: make().reset_state(rows=0), ValueError, "rows must be None, as forward_lstm is not stateful, got 0"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_nothing_is_kept_of_a_call_that_fails() -> None:
    layer = make(stateful=True)
    layer.build(X.shape)
    with pytest.raises(ValueError, match="initial_state h backwards"):
        layer(X, initial_state=[np.ones((B, H))] * 2 + [np.ones((1, H))] * 2)
    assert layer.states is None


def test_first_states_of_two_kinds_of_layers() -> None:
    """Of the forward layer as many as it has, and the others of the backward layer."""
    states = [np.full((B, 4), value, "f4") for value in (0.25, -0.5, 0.75)]
    for forward, backward in (
        (layers.GRU(4), layers.LSTM(4, go_backwards=True)),
        (layers.LSTM(4), layers.GRU(4, go_backwards=True)),
    ):
        layer = layers.Bidirectional(forward, merge_mode=None, backward_layer=backward)
        outputs = layer(X, initial_state=states)
        n = len(forward.state_size)
        for part, own, y in zip(
            (layer.forward_layer, layer.backward_layer), (states[:n], states[n:]), outputs, strict=True
        ):
            np.testing.assert_array_equal(y, part(X, initial_state=own))
        with pytest.raises(ValueError, match=r"expected initial_state to be 3 arrays .*, got 4"):
            layer(X, initial_state=[*states, states[0]])
