"""Streams of models: what `predict` gives for the sequence so far, one step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from streaming import assert_same, stepped

from cellstep import activations, kernels, layers
from cellstep.layers import GRU, LSTM, RNN, Activation, Dense, Dropout, Embedding, Input, Masking, SimpleRNN
from cellstep.models import Sequential

Array = NDArray[Any]

#: Without compiled kernels a Dense layer multiplies through BLAS, which sums in an order of its own.
TOLERANCE = {"float32": 5e-6, "float64": 1e-12}


@pytest.fixture
def on(backend: kernels.Backend) -> Iterator[kernels.Backend]:
    """The test runs on this backend."""
    layers.reset_names()
    with kernels.use(backend.name) as active:
        yield active


def close(actual: Array, expected: Array) -> None:
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE[str(actual.dtype)])


def sequence(B: int, T: int, width: int, dtype: str = "float32") -> Array:
    x = np.random.default_rng(T).standard_normal((B, T, width)).astype(dtype)
    x[:, 3::4] = 0
    x[0, :2] = 0
    return x


def numbers(B: int, T: int, entries: int) -> Array:
    found = np.random.default_rng(T).integers(0, entries, (B, T))
    found[0, :2] = 0
    return found


def head(units: int = 6, dtype: str = "float32", activation: Any = None) -> Dense:
    return Dense(units, activation, bias_initializer="random_uniform", dtype=dtype)


def models(dtype: str) -> dict[str, Sequential]:
    """Models of inputs (B, T, 4) by name, all with an output a step."""
    options: dict[str, Any] = {"return_sequences": True, "dtype": dtype}
    made = {
        "dense": [LSTM(19, **options), head(7, dtype)],
        "deep": [GRU(17, **options), Dropout(0.5, dtype=dtype), LSTM(33, **options), SimpleRNN(5, **options)],
        "masked": [
            Masking(0.0, dtype=dtype),
            GRU(9, reset_after=False, **options),
            LSTM(16, **options),
            head(3, dtype),
        ],
        "zeros": [Masking(0.0, dtype=dtype), LSTM(9, zero_output_for_mask=True, **options), GRU(8, **options)],
        "dense first": [
            head(8, dtype, "relu"),
            Activation("softsign", dtype=dtype),
            RNN(layers.GRUCell(6, dtype=dtype), True),
        ],
        "softmax": [SimpleRNN(8, **options), head(21, dtype, "softmax"), Dropout(0.1, dtype=dtype)],
        "no cell": [head(5, dtype), Activation("tanh", dtype=dtype)],
        "of inputs": [GRU(9, activation="silu", **options), head(5, dtype, "gelu"), Activation("mish", dtype=dtype)],
        "one dense": [head(5, dtype)],
        "one activation": [Activation("softmax", dtype=dtype)],
        "one mask": [Masking(0.0, dtype=dtype)],
        "one dropout": [Dropout(0.5, dtype=dtype)],
    }
    return {name: Sequential([Input((None, 4)), *parts]) for name, parts in made.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", models("float32"))
def test_a_stream_gives_what_the_model_gives(on: kernels.Backend, name: str, dtype: str) -> None:
    model = models(dtype)[name]
    for B, T in ((1, 30), (7, 11)):
        x = sequence(B, T, 4, dtype)
        y = model.forward(x)[0]
        stream = model.stream(B)
        by_step = stepped(stream, x)
        if on.name == "cython":
            np.testing.assert_array_equal(by_step, y)
        else:
            close(by_step, y)
        stream.reset()
        by_block = np.concatenate([stream.steps(x[:, :5]), stepped(stream, x[:, 5:8]), stream.steps(x[:, 8:])], axis=1)
        if on.name == "cython":
            np.testing.assert_array_equal(by_block, by_step)
            np.testing.assert_array_equal(stepped(model.stream(), x[-1:]), by_step[-1:])
        else:
            close(by_block, by_step)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stream_of_activations_that_only_numpy_knows(on: kernels.Backend, dtype: str) -> None:
    own = activations.Activation("bent", lambda x: (x / (1 + x * x), lambda dy: dy * (1 - x * x) / (1 + x * x) ** 2))
    model = Sequential(
        [
            Input((None, 4)),
            LSTM(8, activation=own, recurrent_activation="softmax", return_sequences=True, dtype=dtype),
            head(6, dtype, "log_softmax"),
            Activation(own, dtype=dtype),
        ]
    )
    x = sequence(3, 9, 4, dtype)
    stream = model.stream(3)
    y = model.forward(x)[0]
    close(stepped(stream, x), y)
    stream.reset()
    close(stream.steps(x), y)


def test_a_model_of_cells_alone_gives_the_same_bits(on: kernels.Backend) -> None:
    x = sequence(3, 40, 4)
    for name in ("deep", "zeros"):
        model = models("float32")[name]
        assert_same(on, stepped(model.stream(3), x), model.forward(x)[0], name)


@pytest.mark.parametrize("mask_zero", [False, True])
def test_a_model_of_whole_numbers(on: kernels.Backend, mask_zero: bool) -> None:
    model = Sequential(
        [Embedding(9, 5, mask_zero=mask_zero), GRU(17, return_sequences=True), LSTM(6, return_sequences=True), head(9)]
    )
    x = numbers(3, 30, 9)
    y = model.forward(x)[0]
    stream = model.stream(3)
    assert list(stream.state) == ["gru/h", "lstm/h", "lstm/c"]
    for cast in (np.asarray, np.int32, np.uint8, np.float64, np.ndarray.tolist):
        stream.reset()
        close(np.stack([stream.step(cast(x[:, t].copy())) for t in range(30)], axis=1), y)
        stream.reset()
        close(stream.steps(cast(x)), y)
    alone = Sequential([Input((None,)), Embedding(9, 5, weights=np.arange(45).reshape(9, 5))])
    np.testing.assert_array_equal(stepped(alone.stream(3), x), alone(x))


def test_outputs_of_the_last_step_are_those_of_the_sequence_so_far(on: kernels.Backend) -> None:
    """Layers without return_sequences, also with zeros for masked rows."""
    x = sequence(2, 9, 4)
    for options in ({}, {"zero_output_for_mask": True}):
        model = Sequential([Input((None, 4)), Masking(0.0), LSTM(7, **options), head()])
        stream = model.stream(2)
        for t in range(9):
            close(stream.step(x[:, t].copy()), model.forward(x[:, : t + 1])[0])


def test_a_block_is_longer_than_what_stages_take_at_once(on: kernels.Backend) -> None:
    model = Sequential([Input((None, 4)), Masking(0.0), GRU(300, return_sequences=True), head(1500)])
    x = sequence(7, 31, 4)
    close(model.stream(7).steps(x), model.forward(x)[0])


def test_a_model_streams_with_the_weights_that_it_had(on: kernels.Backend) -> None:
    model = Sequential([Embedding(9, 5), GRU(7, return_sequences=True), head()])
    x = numbers(1, 6, 9)
    model(x)
    right = model.stream().steps(x)
    stream = model.stream()
    model.compile("sgd", "mse")
    model.train_on_batch(x, np.ones((1, 6, 6)))
    np.testing.assert_array_equal(stream.steps(x), right)
    assert (model.stream().steps(x) != right).any()


def test_outputs_go_where_they_are_wanted(on: kernels.Backend) -> None:
    for name in ("one dense", "one activation", "one mask", "one dropout", "dense first", "softmax"):
        model = models("float32")[name]
        x = sequence(2, 6, 4)[:, 2].copy()
        right = model.stream(2).step(x)
        out = np.empty_like(right)
        assert model.stream(2).step(x, out=out) is out
        np.testing.assert_array_equal(out, right, err_msg=name)
        if right.shape == x.shape:
            model.stream(2).step(x, out=x)
            np.testing.assert_array_equal(x, right, err_msg=name)


def test_the_state_of_a_model(on: kernels.Backend) -> None:
    model, x = models("float32")["deep"], sequence(3, 8, 4)
    stream = model.stream(3)
    stream.steps(x)
    names = [f"{model.layers[k].name}/{s}" for k, s in ((0, "h"), (2, "h"), (2, "c"), (3, "h"))]
    assert [(n, a.shape) for n, a in stream.state.items()] == list(
        zip(names, [(3, 17), (3, 33), (3, 33), (3, 5)], strict=True)
    )
    kept = stream.state
    right = stream.steps(x)
    other = model.stream(2)
    other.state = kept.rows([2, 1])
    assert_same(on, other.steps(x[[2, 1]]), right[[2, 1]])
    stream.state = kept
    stream.reset(rows=1)
    assert not any(a[1].any() for a in stream.state.values())
    assert_same(on, stream.steps(x)[[0, 2]], right[[0, 2]])


TOKENS = numbers(2, 4, 9)


def tagger(**options: Any) -> Sequential:
    model = Sequential([Input((None,), **options), Embedding(9, 5), GRU(7, return_sequences=True), head()])
    model.stream()
    return model


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([1, 9], ValueError, "expected x between 0 and input_dim - 1 = 8, got 9"),
        (np.array([-1, 2]), ValueError, "expected x between 0 and input_dim - 1 = 8, got -1"),
        (np.array([1, 2**40]), ValueError, "expected x between 0 and input_dim - 1 = 8, got 1099511627776"),
        ([1.5, 2], ValueError, "expected x to hold integers, got fractions"),
        (["a", "b"], TypeError, "expected x to hold integers, got dtype <U1"),
        ([1, 2, 3], ValueError, r"expected x of shape \(2,\), got \(3,\)"),
        (TOKENS, ValueError, r"expected x of shape \(2,\), got \(2, 4\)"),
        (3, ValueError, r"expected x of shape \(2,\), got \(\)"),
    ],
)
def test_numbers_that_do_not_fit_change_nothing(on: kernels.Backend, x: Any, error: Any, message: str) -> None:
    stream = tagger().stream(2)
    stream.steps(TOKENS)
    before = stream.state["gru/h"]
    with pytest.raises(error, match=message):
        stream.step(x)
    np.testing.assert_array_equal(stream.state["gru/h"], before)


def test_an_integer_input_refuses_floats(on: kernels.Backend) -> None:
    stream = tagger(dtype="int32").stream(2)
    stream.step(np.array([1, 2]))
    with pytest.raises(TypeError, match="expected x to hold integers, as the model's Input says, got dtype float64"):
        stream.step(np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"expected x of shape \(2, time\), got \(2,\)"):
        stream.steps([1, 2])


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "not built": (lambda: Sequential([LSTM(3)]), ValueError, "is not built: give it an Input, or call it once"),
    "no layers": (lambda: Sequential([Input((None, 3))], name="m"), ValueError, "m has no layers: add one"),
    "backwards": (
        lambda: Sequential([Input((None, 3)), LSTM(3, go_backwards=True, name="r")]),
        *(ValueError, "go_backwards must be False to stream r, got True"),
    ),
    "dtypes": (
        lambda: Sequential([Input((None, 3)), LSTM(3, dtype="float64", name="l"), Dense(1, name="d")]),
        *(NotImplementedError, "dtype of d must be float64 in a stream, as that of l, got float32"),
    ),
    "no time": (
        lambda: Sequential([Input((3,)), Dense(1)], name="m"),
        *(ValueError, r"a model of inputs \(batch, time, features\) for a stream, got m of \(None, 3\)"),
    ),
    "numbers without time": (
        lambda: Sequential([Input(()), Embedding(3, 2)], name="m"),
        *(ValueError, r"a model of inputs \(batch, time\) integers for a stream, got m of \(None,\)"),
    ),
    "late embedding": (
        lambda: Sequential([Input((None, 3)), Activation("relu"), Embedding(3, 2)], name="m"),
        *(NotImplementedError, "an Embedding must come first in a stream, got one further on in m"),
    ),
    "integers": (
        lambda: Sequential([Input((None, 3), dtype="int32"), LSTM(3)]),
        *(NotImplementedError, "Input of dtype int32 is not built for streams, but before an Embedding"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_models_that_cannot_be_streamed(on: kernels.Backend, name: str) -> None:
    make, error, message = REFUSED[name]
    model = make()
    with pytest.raises(error, match=message):
        model.stream()


def test_axes_of_one_entry_may_be_missing_for_one_feature() -> None:
    layer = layers.GRU(4)
    layer.build((None, None, 1))
    series = np.linspace(-1, 1, 6).astype("float32")
    wanted = layer.stream().steps(series[None, :, None])
    for steps in (series, series.tolist(), series[None]):
        np.testing.assert_array_equal(layer.stream().steps(steps), wanted)
    for kind in (float, np.float32, np.array, lambda v: [v], lambda v: [[v]]):
        stream = layer.stream()
        for t, value in enumerate(series):
            np.testing.assert_array_equal(stream.step(kind(value)), wanted[:, t])
    two = layer.stream(2)
    np.testing.assert_array_equal(two.step([0.5, 1.0]), layer.stream(2).step([[0.5], [1.0]]))
    with pytest.raises(ValueError, match=r"expected x of shape \(2, 1\), got \(\)"):
        two.step(0.5)


def test_a_word_is_a_number_for_a_stream_of_one_row() -> None:
    model = Sequential([layers.Embedding(9, 2), layers.GRU(3)])
    model.build((None, None))
    np.testing.assert_array_equal(model.stream().step(4), model.stream().step([4]))
    np.testing.assert_array_equal(model.stream().steps([4, 5]), model.stream().steps([[4, 5]]))
