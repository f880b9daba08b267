"""Sequential: gradients through whole models, masks from layer to layer, building, weights, summary."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from passes import run

from cellstep import layers, losses, regularizers
from cellstep.layers import GRU, LSTM, Activation, Dense, Dropout, Embedding, Input, Masking, SimpleRNN
from cellstep.models import Model, Sequential

rng = np.random.default_rng(5)
X = rng.standard_normal((4, 5, 3))
X[1, 3:] = 0
X[2, 2] = 0
TOKENS = np.array([[1, 2, 3, 0], [4, 0, 0, 0], [2, 2, 4, 1], [0, 3, 0, 1]])


def double(kind: Any, *args: Any, **options: Any) -> Any:
    return kind(*args, dtype="float64", **options)


def model(sequences: bool, units: int, activation: str | None = None) -> Sequential:
    """Masking, a GRU and a Dense layer on X."""
    return Sequential(
        [
            double(Masking),
            double(GRU, 4, return_sequences=sequences, activation="tanh"),
            double(Dense, units, activation=activation),
        ]
    )


CASES: dict[str, tuple[Any, int, str | None, Any, Any]] = {
    "mse": ("mse", 2, None, rng.standard_normal((4, 2)), rng.standard_normal((4, 5, 2))),
    "mae": ("mae", 2, None, rng.standard_normal((4, 2)), rng.standard_normal((4, 5, 2))),
    "bce": ("binary_crossentropy", 2, "sigmoid", rng.integers(0, 2, (4, 2)), rng.integers(0, 2, (4, 5, 2))),
    "bce_logits": (
        losses.BinaryCrossentropy(from_logits=True),
        *(1, None, rng.integers(0, 2, 4), rng.integers(0, 2, (4, 5))),
    ),
    "cce": ("categorical_crossentropy", 3, "softmax", np.eye(3)[[0, 2, 1, 1]], np.eye(3)[rng.integers(0, 3, (4, 5))]),
    "cce_logits": (
        losses.CategoricalCrossentropy(from_logits=True),
        *(3, None, np.eye(3)[[0, 2, 1, 1]], np.eye(3)[rng.integers(0, 3, (4, 5))]),
    ),
    "scce": ("sparse_categorical_crossentropy", 3, "softmax", [0, 2, 1, 1], rng.integers(0, 3, (4, 5))),
    "scce_logits": (
        losses.SparseCategoricalCrossentropy(from_logits=True),
        *(3, None, [0, 2, 1, 1], rng.integers(0, 3, (4, 5))),
    ),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_gradients_of_every_loss_through_a_masked_model(name: str, sequences: bool, weighted: bool) -> None:
    kind, units, activation, y_row, y_steps = CASES[name]
    y = np.asarray(y_steps if sequences else y_row)
    weights = np.array([1.0, 0.5, 2.0, 1.5]) if weighted else None
    net, loss = model(sequences, units, activation), losses.get(kind)
    net.build(X.shape)

    def value(x: Any) -> float:
        out, mask, *_ = run(net, x)
        return float(loss(y, out, weights, mask))

    out, mask, pullback, _ = run(net, X, training=True)
    assert (mask is not None) == sequences
    dx = pullback(loss.value_and_grad(y, out, weights, mask)[1])
    for w in net.trainable_weights:
        grad, start = w.grad.copy(), w.numpy()
        for at in list(np.ndindex(w.shape))[::3]:
            sides = []
            for h in (1e-6, -1e-6):
                moved = start.copy()
                moved[at] += h
                w.assign(moved)
                sides.append(value(X))
            w.assign(start)
            np.testing.assert_allclose(grad[at], (sides[0] - sides[1]) / 2e-6, rtol=1e-5, atol=1e-8, err_msg=w.path)
    for at in [(0, 0, 1), (1, 2, 0), (2, 4, 2), (3, 1, 1)]:
        sides = []
        for h in (1e-6, -1e-6):
            moved = X.copy()
            moved[at] += h
            sides.append(value(moved))
        np.testing.assert_allclose(dx[at], (sides[0] - sides[1]) / 2e-6, rtol=1e-5, atol=1e-8)


def test_the_pullback_stops_where_nothing_below_learns() -> None:
    net = Sequential([Embedding(5, 3), Dense(4), Dropout(0.5), Dense(2)])
    y, pullback = net.forward(TOKENS, training=True)
    net.layers[0].trainable = net.layers[1].trainable = False
    assert pullback(np.ones_like(y), need_dx=False) is None
    frozen = [*net.layers[0].weights, *net.layers[1].weights]
    assert not any(w.grad.any() for w in frozen)
    assert all(w.grad.any() for w in net.layers[3].weights)
    net.trainable = False
    y, pullback = net.forward(TOKENS)
    assert pullback(np.ones_like(y), need_dx=False) is None


def test_calling_is_forward_without_a_tape() -> None:
    net = model(True, 2)
    y, _ = net.forward(X)
    assert np.array_equal(net(X), y)
    assert np.array_equal(net(X.tolist()), y)
    pullback = run(net, X, tape=False).pullback
    with pytest.raises(RuntimeError, match="tape=False"):
        pullback(y)


def test_masks_flow_from_embedding_to_the_last_sequence() -> None:
    net = Sequential([Embedding(5, 2, mask_zero=True), LSTM(3, return_sequences=True), Dropout(0.1), Dense(2)])
    assert np.array_equal(run(net, TOKENS)[1], TOKENS != 0)
    assert np.array_equal(net.compute_mask(TOKENS), TOKENS != 0)
    net.add(SimpleRNN(2))
    assert run(net, TOKENS)[1] is None
    assert run(Sequential([Embedding(5, 2)]), TOKENS)[1] is None


def test_a_mask_can_be_given_from_outside() -> None:
    net = Sequential([LSTM(3), Dense(1)])
    mask = np.arange(5) < np.array([5, 3, 1, 4])[:, None]
    masked = net(X, mask=mask)
    np.testing.assert_allclose(masked[1], net(X[1:2, :3])[0], rtol=1e-5)


def test_an_input_builds_as_layers_are_added() -> None:
    net = Sequential([Input((None, 3))])
    assert not net.built
    net.add(LSTM(4))
    assert net.built
    assert net.output_shape == (None, 4)
    net.add(Dense(2))
    assert [w.shape for w in net.weights] == [(3, 16), (4, 16), (16,), (4, 2), (2,)]
    assert (net.input_shape, net.output_shape) == ((None, None, 3), (None, 2))
    assert net.compute_output_shape((7, 5, 3)) == (7, 2)
    assert net.count_params() == 3 * 16 + 4 * 16 + 16 + 4 * 2 + 2
    assert [layer.name for layer in net.layers] == [net.get_layer(index=i).name for i in range(2)]
    assert net.get_layer(net.layers[1].name) is net.layers[1]


def test_without_an_input_the_first_data_build() -> None:
    net = Sequential([LSTM(4), Dense(2)])
    assert net.weights == []
    assert net.input_shape is None
    net(X)
    assert net.input_shape == (None, 5, 3)
    assert len(net.weights) == 5


def test_layers_can_be_popped_and_added_again() -> None:
    net = Sequential([Input((3,)), Dense(4), Dense(2)])
    last = net.pop()
    assert net.output_shape == (None, 4)
    net.add(Activation("relu"))
    net.add(last)
    assert net(np.ones((2, 3))).shape == (2, 2)
    for _ in range(3):
        net.pop()
    assert not net.built
    net.add(Dense(1))
    assert net.weights[0].shape == (3, 1)


def test_a_failed_build_makes_no_weights() -> None:
    net = Sequential([Dense(4), LSTM(2)])
    with pytest.raises(ValueError, match=r"expected inputs of lstm.* of shape"):
        net.build((None, 7))
    assert not net.built
    assert net.weights == []
    assert net(X).shape == (4, 2)
    broken = Sequential([Input((7,)), Dense(4)])
    with pytest.raises(ValueError, match=r"expected inputs of lstm.* of shape"):
        broken.add(LSTM(2))
    assert len(broken.layers) == 1


def test_weights_go_out_and_in() -> None:
    net, other = model(True, 2), model(True, 2)
    wanted = net(X)
    other.build(X.shape)
    other.set_weights(net.get_weights())
    assert np.array_equal(other(X), wanted)
    values = net.get_weights()
    before = other.get_weights()
    values[-1] = values[-1][:1]
    with pytest.raises(ValueError, match="bias of shape"):
        other.set_weights(values)
    assert all(np.array_equal(a, b) for a, b in zip(before, other.get_weights(), strict=True))


def test_a_model_can_be_copied_pickled_and_made_again() -> None:
    net = model(True, 2)
    net.compile("adam", "mse")
    y = np.zeros((4, 5, 2))
    net.train_on_batch(X, y)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert np.array_equal(twin(X), net(X))
        assert twin.train_on_batch(X, y) == copy.deepcopy(net).train_on_batch(X, y)
    again = Sequential.from_config(net.get_config())
    again.set_weights(net.get_weights())
    assert np.array_equal(again(X), net(X))
    assert again.name == net.name
    first = Sequential([Input((None, 3)), LSTM(2)], name="first")
    assert Sequential.from_config(first.get_config()).input_shape == (None, None, 3)


def test_states_can_be_reset() -> None:
    net = Sequential([LSTM(3, stateful=True), Dense(1)])
    first = net(X)
    assert not np.array_equal(net(X), first)
    net.reset_states()
    assert np.array_equal(net(X), first)


def test_summary_is_a_plain_table(capsys: pytest.CaptureFixture[str]) -> None:
    net = Sequential([Embedding(5, 2, name="e"), LSTM(3, name="r"), Dense(1, name="d")], name="m")
    net.summary()
    assert "e (Embedding)  ?             0 (unbuilt)" in capsys.readouterr().out
    net(TOKENS)
    net.layers[0].trainable = False
    net.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'Model: "m"'
    assert lines[2].split() == ["Layer", "(type)", "Output", "Shape", "Param", "#"]
    assert lines[4].split() == ["e", "(Embedding)", "(None,", "4,", "2)", "10"]
    assert lines[5].split() == ["r", "(LSTM)", "(None,", "3)", "72"]
    assert lines[-3:] == [
        "Total params: 86 (344.00 B)",
        "Trainable params: 76 (304.00 B)",
        "Non-trainable params: 10 (40.00 B)",
    ]
    said: list[str] = []
    net.summary(line_length=60, print_fn=said.append)
    assert max(map(len, said[0].splitlines())) == 60


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda: Sequential([3]), TypeError, "layer must be a layer, .*, got 3"),
        (lambda: Sequential([LSTM]), TypeError, r"layer must be a layer.*; LSTM\(...\) makes one"),
        (lambda: Sequential([Dense(1, name="a"), Dense(1, name="a")]), ValueError, "a second 'a'"),
        (lambda: Sequential([LSTM(1, return_state=True)]), ValueError, "return_state=True"),
        (lambda: Sequential([Dense(1), Input((1,))]), ValueError, "layer as an Input must be the first"),
        (lambda: Sequential([Input((1,)), Input((1,))]), ValueError, "layer as an Input must be the first"),
        (lambda: Sequential(name="empty")(X), ValueError, "empty has no layers"),
        (lambda: Sequential(name="empty").pop(), ValueError, "empty has no layers to pop"),
        (lambda: Sequential(name="m").get_layer("d"), ValueError, "m has no layer 'd'"),
        (lambda: Sequential().get_layer(), ValueError, "name or index, got neither"),
        (lambda: Sequential(name="m").shapes(), ValueError, "m is not built"),
        (lambda: Sequential([Dense(1)]).count_params(), ValueError, "no weights to count yet"),
        (lambda: Sequential([Input((3,)), Dense(1)])(np.ones((2, 4))), ValueError, r"expected x of shape \(None, 3\)"),
    ],
)
def test_bad_arguments(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run()


def test_a_call_heeds_what_was_changed_since_the_last() -> None:
    """What a call with one array goes through is looked up once, and again after each change."""
    net = Sequential([Input((None, 3)), GRU(4), Dense(2)])
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    first = net(x)
    np.testing.assert_array_equal(first, net(x, training=False))
    net.add(Activation("relu"))
    np.testing.assert_array_equal(net(x), np.maximum(first, 0))
    net.pop()
    np.testing.assert_array_equal(net(x), first)
    net.layers[1].activity_regularizer = regularizers.L2(0.5)
    net(x)
    np.testing.assert_allclose(net.losses, [0.5 * np.sum(first**2) / 2], rtol=1e-5)
    net.layers[1].activity_regularizer = None
    net.layers[1].set_weights([2 * w for w in net.layers[1].get_weights()])
    np.testing.assert_allclose(net(x), 2 * first, rtol=1e-6)
    for wrong in (x[0], x[..., :2], np.array(1.0)):
        with pytest.raises(ValueError, match="expected x of shape"):
            net(wrong)
    np.testing.assert_array_equal(net(np.ones((2, 5, 3), int)), net(np.ones((2, 5, 3))))


def test_a_shallow_copy_shares_layers_and_no_more() -> None:
    net = Sequential([Input((None, 3)), GRU(4), Dense(2)])
    net.compile("sgd", "mse")
    other = copy.copy(net)
    other.compile("adam", "mae")
    other.add(Dense(1))
    assert (net.optimizer.name, other.optimizer.name) == ("sgd", "adam")
    assert [len(net.layers), len(other.layers)] == [2, 3]
    assert net.output_names != other.output_names
    x = np.ones((2, 5, 3), "float32")
    other.train_on_batch(x, np.zeros((2, 1)))
    assert net(x).shape == (2, 2)
    assert other(x).shape == (2, 1)
    np.testing.assert_array_equal(net.layers[0].weights[0].numpy(), other.layers[0].weights[0].numpy())


@pytest.mark.parametrize("late", [False, True])
def test_the_work_of_making_a_model_grows_as_its_layers_do(monkeypatch: pytest.MonkeyPatch, late: bool) -> None:
    asked = 0
    shape_of = Dense.compute_output_shape

    def counted(self: Dense, shape: Any) -> Any:
        nonlocal asked
        asked += 1
        return shape_of(self, shape)

    monkeypatch.setattr(Dense, "compute_output_shape", counted)
    found = []
    for n in (20, 40):
        asked = 0
        net = Sequential([] if late else [Input((3,))])
        for number in range(n):
            net.add(Dense(2 + number % 3))
            if late and number == n // 2:
                net.build((None, 3))
        assert [layer.weights[0].shape[0] for layer in net.layers[1:4]] == [2, 3, 4]
        found.append(asked)
    assert found[1] <= 2 * found[0] + 5
    net.pop()
    net.pop()
    net.add(Dense(7))
    assert net.output_shape == (None, 7)
    assert net.layers[-1].weights[0].shape == (net.layers[-2].units, 7)


def test_layers_have_inputs_and_outputs_as_soon_as_shapes_are_known() -> None:
    model = Sequential()
    model.add(layers.Input((5, 4, 3)))
    model.add(layers.TimeDistributed(layers.Dense(2)))
    model.add(layers.TimeDistributed(layers.Flatten()))
    assert [layer.output.shape for layer in model.layers] == [(None, 5, 4, 2), (None, 5, 8)]
    model.add(layers.GRU(3))
    assert model.layers[2].input.shape == (None, 5, 8)
    inner = Model(model.layers[0].input, model.layers[1].output)
    assert inner.predict(np.ones((2, 5, 4, 3)), verbose=0).shape == (2, 5, 8)
    with pytest.raises(ValueError, match="has no tensors before it is built"):
        _ = Sequential([layers.Dense(2)]).layers[0].output


def test_a_tensor_that_cannot_fit_the_input_is_refused_at_the_call() -> None:
    inner = Sequential([Input((None, 6)), Dense(2)])
    with pytest.raises(ValueError, match=r"expected x of \w+ of shape \(None, None, 6\), got \(None, 6\)"):
        inner(Input((6,)))
