"""Variables, names, freezing, and the cache of packed weights, which must never be older than the weights."""

from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from cellstep import kernels, layers

X = np.random.default_rng(1).standard_normal((2, 4, 3)).astype("float32")


def test_a_variable_shows_its_values_read_only_and_follows_changes() -> None:
    v = layers.Variable(np.arange(6.0).reshape(2, 3), name="kernel", path="dense/kernel")
    view, version = v.value, v.version
    assert (v.shape, v.dtype, v.ndim, v.size, len(v)) == ((2, 3), np.float64, 2, 6, 2)
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1
    v.assign([[1, 1, 1], [2, 2, 2]])
    np.testing.assert_array_equal(view, [[1, 1, 1], [2, 2, 2]])
    assert v.version != version
    copied = v.numpy()
    copied[...] = 0
    assert np.asarray(v).sum() == 9
    assert np.array(v, "float32").dtype == np.float32
    assert repr(v) == f"<Variable path=dense/kernel, shape=(2, 3), dtype=float64, value={v.numpy()}>"


def test_assign_refuses_another_shape_and_writes_nothing() -> None:
    v = layers.Variable(np.zeros((2, 3)), name="kernel")
    version = v.version
    with pytest.raises(ValueError, match=r"expected kernel of shape \(2, 3\), got \(3,\)"):
        v.assign(np.ones(3))
    with pytest.raises(TypeError, match="expected kernel to hold real numbers"):
        v.assign(np.ones((2, 3), complex))
    assert not v.value.any()
    assert v.version == version


def test_bind_moves_values_and_gradients_into_flat_buffers() -> None:
    v = layers.Variable(np.arange(6.0).reshape(2, 3), name="kernel")
    v.grad[...] = 5
    values, grads = np.zeros(10), np.zeros(10)
    v.bind(values[2:8], grads[2:8])
    np.testing.assert_array_equal(values, [0, 0, 0, 1, 2, 3, 4, 5, 0, 0])
    assert (grads == 5).sum() == 6
    values[2] = 9
    version = v.version
    v.touch()
    assert v.value[0, 0] == v.buffer[0, 0] == 9
    assert v.version != version
    v.grad[...] = 0
    assert not grads.any()


@pytest.mark.parametrize("buffer", [np.zeros(5), np.zeros(6, "float32"), np.zeros(12)[::2], np.broadcast_to(0.0, 6)])
def test_bind_refuses_what_does_not_fit(buffer: Any) -> None:
    v = layers.Variable(np.ones((2, 3)), name="kernel")
    with pytest.raises(ValueError, match=r"expected grad_buffer to be a writable .* of shape \(6,\)"):
        v.bind(np.zeros(6), buffer)
    np.testing.assert_array_equal(v.value, 1)


def test_names_count_up_like_keras_and_start_again() -> None:
    made = [layers.LSTM(2), layers.LSTM(2), layers.SimpleRNN(2), layers.LSTMCell(2), layers.InputLayer((3,))]
    assert [m.name for m in made] == ["lstm", "lstm_1", "simple_rnn", "lstm_cell", "input_layer"]
    assert made[1].cell.name == "lstm_cell"
    assert layers.LSTM(2, name="mine").name == "mine"
    layers.reset_names()
    assert layers.LSTM(2).name == "lstm"


def test_weights_are_counted_copied_and_set() -> None:
    layer = layers.GRU(4)
    layer.build((None, None, 3))
    assert layer.count_params() == 3 * 12 + 4 * 12 + 24
    weights = layer.get_weights()
    weights[0][...] = 1
    assert not (layer.cell.kernel.value == 1).any()
    layer.set_weights([w.tolist() for w in weights])
    assert (layer.cell.kernel.value == 1).all()
    assert layer.trainable_weights == layer.weights
    assert layers.GRU(4, trainable=False).cell.trainable is False


def test_a_layer_built_frozen_has_frozen_weights() -> None:
    layer = layers.Dense(2, trainable=False)
    layer(X)
    assert layer.trainable_weights == []
    assert layer.non_trainable_weights == layer.weights


def test_weights_are_packed_again_when_and_only_when_they_change(on: kernels.Backend) -> None:
    layer = layers.LSTM(3)
    before = layer(X)
    packed = layer.cell.packed(backward=False)
    assert layer.cell.packed(backward=False) is packed
    layer.forward(X)
    assert layer.cell.packed(backward=False) is packed
    for change in (
        lambda: layer.cell.kernel.assign(layer.cell.kernel.numpy() + 1),
        lambda: layer.set_weights([w + 1 for w in layer.get_weights()]),
        lambda: (np.add(layer.cell.bias.buffer, 1, out=layer.cell.bias.buffer), layer.cell.bias.touch()),
    ):
        change()
        after = layer(X)
        assert not np.array_equal(after, before)
        np.testing.assert_allclose(layer.forward(X)[0], after, atol=1e-7)
        before = after


def test_another_backend_packs_for_itself() -> None:
    layer = layers.GRU(3)
    answers = []
    for name, missing in kernels.available().items():
        if not missing:
            with kernels.use(name):
                answers.append(layer(X))
    for answer in answers:
        np.testing.assert_allclose(answer, answers[0], atol=1e-6)


def test_threads_share_a_layer(on: kernels.Backend) -> None:
    layer = layers.LSTM(8, return_sequences=True)
    xs = [X * k for k in range(1, 9)]
    dy = np.ones((2, 4, 8), "float32")
    fresh = layers.LSTM(8, return_sequences=True)
    layer.build(X.shape)
    fresh.build(X.shape)
    fresh.set_weights(layer.get_weights())
    expected = [fresh(x) for x in xs]
    for x in xs:
        fresh.forward(x)[1](dy)
    start = threading.Barrier(4)

    def work(first: int) -> list[Any]:
        start.wait(timeout=30)
        answers = []
        for k in (first, first + 4):
            y, pullback = layer.forward(xs[k])
            pullback(dy)
            answers.append((k, y, layer(xs[k])))
        return answers

    with ThreadPoolExecutor(4) as pool:
        for k, y, again in (a for part in pool.map(work, range(4)) for a in part):
            np.testing.assert_allclose(y, expected[k], atol=1e-6)
            np.testing.assert_allclose(again, expected[k], atol=1e-6)
    # each gradient arrived once, whatever the order
    for w, other in zip(layer.weights, fresh.weights, strict=True):
        np.testing.assert_allclose(w.grad, other.grad, rtol=1e-4, atol=1e-4)


def test_threads_that_build_a_layer_at_once_build_it_once() -> None:
    for _ in range(20):
        layer = layers.GRU(8)
        start = threading.Barrier(4)

        def work(layer: layers.GRU = layer, start: threading.Barrier = start) -> Any:
            start.wait(timeout=30)
            return layer(X)

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: work(), range(4)))
        assert len(layer.weights) == 3
        for answer in answers:
            np.testing.assert_array_equal(answer, answers[0])


def test_packed_weights_are_never_older_than_the_weights() -> None:
    """One thread changes all weights together with what they give; others call. Values are checked at rest."""
    layer = layers.SimpleRNN(4, "linear", use_bias=False, recurrent_initializer="zeros")
    layer.build((None, None, 3))
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            layer(X)

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for k in range(200):
                layer.cell.kernel.assign(np.full((3, 4), k, "float32"))
                np.testing.assert_allclose(layer(X), X[:, -1] @ layer.cell.kernel.value, rtol=1e-5, atol=1e-3)
        finally:
            stop.set()
        for reader in readers:
            reader.result(timeout=30)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))], ids=["deepcopy", "pickle"])
def test_a_copied_variable_is_whole_and_apart(again: Any) -> None:
    v = layers.Variable(np.arange(6.0).reshape(2, 3), name="kernel", trainable=False)
    buffers = np.zeros(10), np.zeros(10)
    v.bind(buffers[0][2:8], buffers[1][2:8])
    v.grad[...] = 2
    other = again(v)
    assert other.buffer.base is None
    assert other.version != v.version
    assert (other.grad == 2).all()
    assert not other.trainable
    other.assign(np.ones((2, 3)))
    assert (other.value == 1).all()
    assert v.value[1, 2] == 5
    with pytest.raises(ValueError, match="read-only"):
        other.value[0, 0] = 1
