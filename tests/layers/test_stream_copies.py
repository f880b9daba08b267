"""Streams that are copied or pickled carry on from the same states, with the same bits; and who may be inside one."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import Sequential, kernels, layers

COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda stream: pickle.loads(pickle.dumps(stream)),
}


def stacked() -> Any:
    cells = [layers.LSTMCell(5), layers.GRUCell(7, reset_after=False), layers.SimpleRNNCell(3)]
    layer = layers.RNN(cells)
    layer.build((None, None, 3))
    return layer


def one(layer: Any) -> Any:
    layer.build((None, None, 3))
    for w in layer.weights:
        w.assign(np.random.default_rng(1).standard_normal(w.shape) / 3)
    return layer


def words(*rest: Any) -> Any:
    model = Sequential([layers.Embedding(9, 4, mask_zero=True), *rest])
    model.build((None, None))
    return model


STREAMS: dict[str, Callable[[], Any]] = {
    "rnn": lambda: one(layers.SimpleRNN(20)),
    "lstm": lambda: one(layers.LSTM(70)),
    "lstm without bias": lambda: one(layers.LSTM(5, use_bias=False)),
    "gru": lambda: one(layers.GRU(37)),
    "gru before": lambda: one(layers.GRU(37, reset_after=False)),
    "float64": lambda: one(layers.GRU(19, dtype="float64")),
    "gelu": lambda: one(layers.LSTM(9, activation="gelu", recurrent_activation="hard_silu")),
    "first states": lambda: one(layers.GRU(4, trainable_initial_state=True)),
    "stacked": stacked,
    "words": lambda: words(layers.LSTM(6, return_sequences=True), layers.Dense(50, "softmax")),
    "dense": lambda: words(layers.GRU(6, return_sequences=True), layers.Dense(4, use_bias=False), layers.ReLU()),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("on", kernels.BACKENDS)
def test_a_copy_carries_on_with_the_same_bits(on: str, how: str, name: str) -> None:
    if kernels.available()[on]:
        pytest.skip(kernels.available()[on])
    rng = np.random.default_rng(0)
    with kernels.use(on):
        made = STREAMS[name]()
        stream = made.stream(2)
    integers = isinstance(made, Sequential)
    x: Any = rng.integers(0, 9, (2, 12)) if integers else rng.standard_normal((2, 12, 3))
    stream.steps(x[:, :5])
    other = COPIES[how](stream)
    assert repr(other) == repr(stream)
    assert list(other.state) == list(stream.state)
    state = stream.state
    ours = [stream.step(x[:, 5]), stream.steps(x[:, 6:])]
    for key, value in other.state.items():
        np.testing.assert_array_equal(value, state[key])
    theirs = [other.step(x[:, 5]), other.steps(x[:, 6:])]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    stream.reset()
    other.reset()
    np.testing.assert_array_equal(stream.steps(x), other.steps(x))
    again = COPIES[how](other)
    assert all(np.array_equal(a, b) for a, b in zip(again.state.values(), other.state.values(), strict=True))


def test_a_copy_has_weights_and_states_of_its_own() -> None:
    layer = one(layers.LSTM(4))
    stream = layer.stream()
    x = np.ones((1, 6, 3), np.float32)
    other = copy.deepcopy(stream)
    wanted = stream.steps(x)
    for w in layer.weights:
        w.assign(np.zeros(w.shape))
    np.testing.assert_array_equal(other.steps(x), wanted)


@pytest.mark.parametrize("on", kernels.BACKENDS)
def test_a_second_thread_is_refused_in_one_sentence(on: str) -> None:
    if kernels.available()[on]:
        pytest.skip(kernels.available()[on])
    with kernels.use(on):
        layer = one(layers.LSTM(200))
        stream, x = layer.stream(4), np.zeros((4, 500, 3), np.float32)
    said: list[str] = []
    ended = threading.Event()

    def intrude() -> None:
        while not ended.is_set() and not said:
            for call in (lambda: stream.step(x[:, 0]), stream.reset, lambda: stream.state):
                try:
                    call()
                except RuntimeError as error:
                    said.append(str(error))

    other = threading.Thread(target=intrude)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        other.start()
        for _ in range(100):
            try:
                stream.steps(x)
            except RuntimeError as error:
                said.append(str(error))
            if said:
                break
    finally:
        ended.set()
        other.join()
        sys.setswitchinterval(before)
    assert set(said) == {"a stream belongs to one thread at a time, and another thread is inside this one"}
    stream.steps(x)


def test_ids_that_another_thread_changes_are_read_as_they_were_checked() -> None:
    """Without the GIL a read outside the table would end the process."""
    model = words(layers.LSTM(300, return_sequences=True))
    stream = model.stream(8)
    ids = np.zeros((8, 400), np.int64)
    ended = threading.Event()

    def change() -> None:
        while not ended.is_set():
            ids[...] = 2**60
            ids[...] = 1

    other = threading.Thread(target=change)
    other.start()
    try:
        for _ in range(20):
            with suppress(ValueError):
                assert np.isfinite(stream.steps(ids)).all()
    finally:
        ended.set()
        other.join()


def test_a_stream_says_what_it_runs_on_when_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pickle.dumps(one(layers.GRU(3)).stream())
    monkeypatch.setattr(kernels, "_missing", lambda name: "it was taken away")
    with pytest.raises(ImportError, match=r"backend '.*' is not available: it was taken away"):
        pickle.loads(data)
    assert cellstep.get_num_threads() >= 1
