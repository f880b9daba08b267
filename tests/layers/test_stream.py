"""Streams of one layer: the sequence's numbers step by step, and their state as a value."""

from __future__ import annotations

import copy
import io
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from streaming import assert_all_same, assert_same, stepped

from cellstep import kernels, layers

Array = NDArray[Any]

CELLS: dict[str, Any] = {
    "rnn": layers.SimpleRNN,
    "lstm": layers.LSTM,
    "gru": layers.GRU,
    "gru before": lambda *args, **options: layers.GRU(*args, reset_after=False, **options),
    "over a cell": lambda units, return_sequences=False, dtype="float32": layers.RNN(
        layers.LSTMCell(units, dtype=dtype), return_sequences=return_sequences
    ),
}
every_cell = pytest.mark.parametrize("cell", CELLS)


def sequence(B: int, T: int, I: int, dtype: str = "float32") -> Array:  # noqa: E741
    return np.random.default_rng(T).standard_normal((B, T, I)).astype(dtype)


def made(cell: str = "lstm", units: int = 5, inputs: int = 3, **options: Any) -> Any:
    layer = CELLS[cell](units, **options)
    layer.build((None, None, inputs))
    for w in layer.weights:
        w.assign(w.numpy() + 0.1 * np.random.default_rng(units).standard_normal(w.shape))
    return layer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", [1, 5, 16, 19, 33])
@every_cell
def test_a_stream_gives_what_the_sequence_gives(on: kernels.Backend, cell: str, units: int, dtype: str) -> None:
    for B in (1, 2, 7):
        layer = made(cell, units, 4, return_sequences=True, dtype=dtype)
        x = sequence(B, 41, 4, dtype)
        y = layer(x)
        stream = layer.stream(batch_size=B)
        assert_same(on, stepped(stream, x), y, f"step, B {B}")
        stream.reset()
        assert_same(on, stream.steps(x), y, f"steps, B {B}")
        stream.reset()
        mixed = [stream.steps(x[:, :3]), stepped(stream, x[:, 3:5]), stream.steps(x[:, 5:6])]
        mixed += [stream.steps(x[:, 6:6]), stepped(stream, x[:, 6:9]), stream.steps(x[:, 9:])]
        assert_same(on, np.concatenate(mixed, axis=1), y, f"in turn, B {B}")
        # the state of a row is that of the row alone
        alone = layer.stream()
        alone.steps(x[-1:])
        assert_all_same(on, alone.state.values(), stream.state.rows(B - 1).values())


@every_cell
def test_a_step_that_is_worth_a_team_gives_what_the_sequence_gives(on: kernels.Backend, cell: str) -> None:
    layer = made(cell, 270, 40, return_sequences=True)
    x = sequence(2, 5, 40)
    stream, y = layer.stream(2), layer(x)
    assert_same(on, stepped(stream, x), y)
    stream.reset()
    assert_same(on, stream.steps(x), y)


@every_cell
def test_outputs_go_where_they_are_wanted(on: kernels.Backend, cell: str) -> None:
    layer, x = made(cell, 3, 3), sequence(2, 3, 3)
    a, b = layer.stream(2), layer.stream(2)
    out = np.full((2, 3), np.nan, "float32")
    first = a.step(x[:, 0].copy(), out=out)
    assert first is out
    np.testing.assert_array_equal(out, b.step(x[:, 0].copy()))
    assert b.step(x[:, 1].copy()) is not b.step(x[:, 1].copy())
    # out may be x, as where outputs are the next inputs
    here = out.copy()
    np.testing.assert_array_equal(a.step(here, out=here), layer_step(layer, b, out))


def layer_step(layer: Any, stream: layers.Stream, x: Array) -> Array:
    stream.reset()
    stream.step(sequence(2, 3, 3)[:, 0].copy())
    return stream.step(x)


def test_a_step_into_out_allocates_nothing() -> None:
    if kernels.active().name != "cython":
        pytest.skip("only the compiled chain promises it")
    stream = made("lstm", 100).stream()
    x, out = np.ones((1, 3), "float32"), np.empty((1, 100), "float32")
    stream.step(x, out=out)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(50):
            stream.step(x, out=out)
        # what the loop itself takes, for its counter, is below one array
        assert tracemalloc.get_traced_memory()[1] - before < out.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "cast",
    [
        lambda x: x.astype("float64"),
        lambda x: x.astype("float16").astype("float32"),
        lambda x: x.tolist(),
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
        lambda x: x.astype(x.dtype.newbyteorder()),
        lambda x: np.frombuffer(b"x" + x.tobytes(), np.uint8)[1:].view("float32").reshape(x.shape),
        lambda x: x.view(type("Sub", (np.ndarray,), {})),
    ],
    ids=["float64", "float16", "list", "fortran", "strided", "swapped", "unaligned", "subclass"],
)
def test_inputs_are_cast(on: kernels.Backend, cast: Any) -> None:
    layer = made()
    x = sequence(2, 4, 3).astype("float16").astype("float32")
    right = layer.stream(2).steps(x)
    stream = layer.stream(2)
    np.testing.assert_array_equal(stream.step(cast(x[:, 0])), right[:, 0])
    np.testing.assert_array_equal(stream.steps(cast(x[:, 1:])), right[:, 1:])


def test_inputs_may_be_read_only_and_are_not_written_to(on: kernels.Backend) -> None:
    x = sequence(1, 4, 3)
    before = x.copy()
    x.flags.writeable = False
    stream = made().stream()
    stream.steps(x)
    stream.step(x[:, 0])
    np.testing.assert_array_equal(x, before)


def test_a_state_can_be_kept_and_set(on: kernels.Backend) -> None:
    layer, x = made(), sequence(3, 9, 3)
    stream = layer.stream(3)
    stream.steps(x[:, :4])
    kept = stream.state
    assert isinstance(kept, layers.StreamState)
    assert list(kept) == ["lstm/h", "lstm/c"]
    before = {name: a.copy() for name, a in kept.items()}
    rest = stream.steps(x[:, 4:])
    assert_all_same(on, kept.values(), before.values(), "a state is a copy")
    stream.state = kept
    assert_same(on, stream.steps(x[:, 4:]), rest)
    assert_all_same(on, kept.values(), before.values(), "and copied in")
    file = io.BytesIO()
    np.savez(file, **kept)
    file.seek(0)
    with np.load(file) as loaded:
        stream.state = loaded
    assert_same(on, stream.steps(x[:, 4:]), rest)
    stream.state = {name: a.astype("float64").tolist() for name, a in kept.items()}
    assert_same(on, stream.steps(x[:, 4:]), rest)


def test_states_are_values(on: kernels.Backend) -> None:
    layer, x = made(), sequence(3, 4, 3)
    stream = layer.stream(3)
    stream.steps(x)
    state = stream.state
    twin = state.copy()
    assert isinstance(twin, layers.StreamState)
    twin["lstm/h"][...] = 7
    assert (state["lstm/h"] != 7).all()
    for chosen, rows in (
        (1, [1]),
        (-1, [2]),
        (slice(1, None), [1, 2]),
        ([2, 0], [2, 0]),
        ([True, False, True], [0, 2]),
    ):
        picked = state.rows(chosen)
        assert_all_same(on, picked.values(), (a[rows] for a in state.values()))
        picked["lstm/c"][...] = 7
        assert (state["lstm/c"] != 7).all()
    assert isinstance(copy.deepcopy(state), layers.StreamState)
    # rows of one stream go on in another
    other = layer.stream(2)
    other.state = state.rows([2, 0])
    assert_same(on, other.step(x[[2, 0], 0]), stream.step(x[:, 0].copy())[[2, 0]])


def test_reset(on: kernels.Backend) -> None:
    layer, x = made("gru"), sequence(4, 5, 3)
    stream = layer.stream(4)
    stream.steps(x)
    before = stream.state["gru/h"]
    for rows, zero in ((2, [2]), ([0, 3], [0, 2, 3]), (np.array([False, True, False, False]), [0, 1, 2, 3])):
        stream.reset(rows)
        now = stream.state["gru/h"]
        assert not now[zero].any()
        rest = [b for b in range(4) if b not in zero]
        np.testing.assert_array_equal(now[rest], before[rest])
    first = layer.stream(4).steps(x)
    assert_same(on, stream.steps(x), first)
    stream.reset()
    assert_same(on, stream.steps(x), first)


def test_it_keeps_the_weights_that_it_was_made_with(on: kernels.Backend) -> None:
    layer, x = made(), sequence(1, 4, 3)
    right = layer.stream().steps(x)
    stream = layer.stream()
    for w in layer.weights:
        w.assign(np.zeros(w.shape))
    np.testing.assert_array_equal(stream.steps(x), right)
    assert not layer.stream().steps(x).any()


def test_it_keeps_its_backend(backend: kernels.Backend) -> None:
    layer, x = made(return_sequences=True), sequence(1, 4, 3)
    with kernels.use(backend.name):
        stream, right = layer.stream(), layer(x)
    with kernels.use("numpy"):
        assert_same(backend, stream.steps(x), right)


def test_options_of_sequences_do_not_change_a_stream(on: kernels.Backend) -> None:
    x = sequence(2, 6, 3)
    plain = made(return_sequences=True)
    right = plain(x)
    for options in ({}, {"return_state": True}, {"stateful": True}, {"unroll": True}, {"dropout": 0.5}):
        layer = made(**options)
        layer.set_weights(plain.get_weights())
        stream = layer.stream(2)
        assert_same(on, stream.steps(x), right, str(options))
        assert layer.states is None


def test_streams_of_one_layer_run_on_many_threads(on: kernels.Backend) -> None:
    layer = made("lstm", 60, 20, return_sequences=True)
    batches = [sequence(2, 30 + k, 20) for k in range(4)]
    right = [layer(x) for x in batches]

    def work(x: Array) -> Array:
        stream = layer.stream(2)
        return np.concatenate([stream.steps(x[:, :20]), stepped(stream, x[:, 20:])], axis=1)

    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(work, batches * 6), right * 6, strict=True):
            assert_same(on, found, expected)


@pytest.mark.parametrize(("B", "H"), [(64, 128), (2, 512)], ids=["rows", "units"])
def test_out_may_lie_anywhere_in_x(on: kernels.Backend, B: int, H: int) -> None:
    """Also where threads share a step, and one ends while another still reads x."""
    layer = layers.GRU(H)
    layer.build((None, None, H))
    stream, rng = layer.stream(B), np.random.default_rng(0)
    stream.steps(sequence(B, 3, H))
    before = stream.state
    for _ in range(40):
        room, at = rng.standard_normal(2 * B * H).astype("float32"), int(rng.integers(B * H))
        x, out = room[: B * H].reshape(B, H), room[at : at + B * H].reshape(B, H)
        stream.state = before
        right = stream.step(x.copy())
        stream.state = before
        assert_same(on, stream.step(x, out), right)


def test_the_callers_denormals_survive(on: kernels.Backend) -> None:
    tiny = np.full(4, 1e-310)
    stream = made().stream()
    stream.steps(sequence(1, 4, 3))
    stream.step(sequence(1, 4, 3)[:, 0])
    assert (tiny * 0.5 != 0).all()
    del stream
    assert (tiny * 0.5 != 0).all()


def test_a_stream_says_what_it_is() -> None:
    assert repr(made().stream(3)) == "<Stream of lstm, batch_size=3>"
