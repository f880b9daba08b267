"""What recurrent layers promise apart from gradients: returns, masks, direction, states, dropout, cells by hand."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from cellstep import kernels, layers

RNG = np.random.default_rng(8)
B, T, I, H = 4, 5, 3, 6  # noqa: E741
X = RNG.standard_normal((B, T, I)).astype("float32")
LENGTHS = np.array([5, 3, 0, 1])
RIGHT = np.arange(T) < LENGTHS[:, None]
HOLES = np.array([[1, 0, 1, 0, 1], [0, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
CELLS: dict[str, Any] = {
    "SimpleRNN": (layers.SimpleRNN, layers.SimpleRNNCell, {}),
    "LSTM": (layers.LSTM, layers.LSTMCell, {}),
    "GRU": (layers.GRU, layers.GRUCell, {}),
    "GRU before": (layers.GRU, layers.GRUCell, {"reset_after": False}),
}
every_cell = pytest.mark.parametrize("name", CELLS)


def make(name: str, **options: Any) -> layers.RNN:
    layer, _, extra = CELLS[name]
    made: layers.RNN = layer(H, **extra, **options)
    return made


def twin(layer: layers.RNN, name: str, **options: Any) -> layers.RNN:
    """A layer with other options and the same weights."""
    other = make(name, **options)
    other.build((None, None, layer.cell.kernel.shape[0]))
    other.set_weights(layer.get_weights())
    return other


def states_of(layer: layers.RNN, rows: int = B) -> list[Any]:
    return [RNG.standard_normal((rows, H)).astype("float32") for _ in layer.state_size]


@every_cell
def test_weights_have_keras_shapes_names_and_first_values(name: str) -> None:
    layer = make(name)
    layer.build((None, None, I))
    columns = layer.cell.contract.G * H
    kernel, recurrent, bias = layer.weights
    assert [w.name for w in layer.weights] == ["kernel", "recurrent_kernel", "bias"]
    assert kernel.path == f"{layer.name}/{layer.cell.name}/kernel"
    assert (kernel.shape, recurrent.shape) == ((I, columns), (H, columns))
    assert bias.shape == ((2, columns) if name == "GRU" else (columns,))
    assert np.abs(kernel.value).max() <= np.sqrt(6 / (I + columns))
    np.testing.assert_allclose(recurrent.value @ recurrent.value.T, np.eye(H), atol=1e-6)
    ones = bias.value.sum()
    assert ones == (H if name == "LSTM" else 0)
    if name == "LSTM":
        np.testing.assert_array_equal(bias.value[H : 2 * H], 1)


def test_the_rest_of_an_lstm_bias_is_as_bias_initializer_says() -> None:
    layer = layers.LSTM(2, bias_initializer=lambda shape, dtype: np.full(shape, 3, dtype))
    layer.build((None, None, I))
    np.testing.assert_array_equal(layer.get_weights()[2], [3, 3, 1, 1, 3, 3, 3, 3])
    plain = layers.LSTM(2, bias_initializer="ones", unit_forget_bias=False, use_bias=True)
    plain.build((None, None, I))
    np.testing.assert_array_equal(plain.get_weights()[2], np.ones(8))


@every_cell
def test_returns(on: kernels.Backend, name: str) -> None:
    sequence = make(name, return_sequences=True)
    y = sequence(X)
    assert (y.shape, y.dtype) == ((B, T, H), np.float32)
    np.testing.assert_array_equal(twin(sequence, name)(X), y[:, -1])
    both = twin(sequence, name, return_sequences=True, return_state=True)(X)
    last = twin(sequence, name, return_state=True)(X)
    assert len(both) == len(last) == 1 + len(sequence.state_size)
    np.testing.assert_array_equal(both[0], y)
    for a, b in zip(both[1:], last[1:], strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(last[0], last[1])
    assert not np.shares_memory(last[0], last[1])


@every_cell
def test_forward_gives_what_the_call_gives(on: kernels.Backend, name: str) -> None:
    layer = make(name, return_sequences=True)
    np.testing.assert_allclose(layer.forward(X, mask=HOLES)[0], layer(X, mask=HOLES), rtol=0, atol=1e-7)


@every_cell
def test_a_cell_by_hand_walks_the_same_way(on: kernels.Backend, name: str) -> None:
    layer = make(name, return_sequences=True)
    y = layer(X)
    states = layer.get_initial_state(B)
    for t in range(T):
        before = [s.copy() for s in states]
        output, new = layer.cell(X[:, t], states)
        np.testing.assert_allclose(output, y[:, t], atol=1e-6)
        for s, b in zip(states, before, strict=True):
            np.testing.assert_array_equal(s, b)
        states = new
    assert isinstance(states, list)


def test_a_lone_state_comes_back_alone() -> None:
    cell = layers.GRUCell(H)
    output, state = cell(X[:, 0], np.zeros((B, H), "float32"))
    np.testing.assert_array_equal(output, state)
    layer = layers.GRU(H)
    h0 = states_of(layer)[0]
    np.testing.assert_array_equal(layer(X, initial_state=h0), layer(X, initial_state=[h0]))


@every_cell
def test_rnn_over_a_cell_is_the_layer(name: str) -> None:
    layer = make(name, return_state=True)
    _, cell_class, extra = CELLS[name]
    wrapped = layers.RNN(cell_class(H, **extra), return_state=True)
    wrapped.build(X.shape)
    layer.build(X.shape)
    wrapped.set_weights(layer.get_weights())
    for a, b in zip(wrapped(X), layer(X), strict=True):
        np.testing.assert_array_equal(a, b)


@every_cell
def test_a_right_mask_is_lengths_and_is_the_shorter_sequence(on: kernels.Backend, name: str) -> None:
    layer = make(name, return_sequences=True, return_state=True)
    first = states_of(layer)
    y, *states = layer(X, mask=RIGHT, initial_state=first)
    again = layer(X, lengths=LENGTHS, initial_state=first)
    for a, b in zip([y, *states], again, strict=True):
        np.testing.assert_array_equal(a, b)
    for row, n in enumerate(LENGTHS):
        alone, *ends = layer(X[row : row + 1, :n], initial_state=[s[row : row + 1] for s in first])
        np.testing.assert_allclose(y[row, :n], alone[0], atol=1e-6)
        for s, end in zip(states, ends, strict=True):
            np.testing.assert_allclose(s[row], end[0], atol=1e-6)
        # a masked step repeats the output before; where there is none, the initial h
        np.testing.assert_array_equal(y[row, n:], np.tile(y[row, n - 1] if n else first[0][row], (T - n, 1)))


@every_cell
def test_nan_in_masked_steps_does_not_spread(on: kernels.Backend, name: str) -> None:
    layer = make(name, return_sequences=True)
    x = X.copy()
    x[~HOLES] = np.nan
    y, pullback = layer.forward(x, mask=HOLES)
    np.testing.assert_array_equal(y, layer.forward(np.where(HOLES[..., None], X, 0), mask=HOLES)[0])
    dx = pullback(np.ones_like(y))
    assert np.isfinite(dx).all()
    assert not dx[~HOLES].any()
    assert all(np.isfinite(w.grad).all() for w in layer.weights)


def test_nan_and_infinity_in_running_steps_spread_and_end() -> None:
    layer = layers.LSTM(H, return_sequences=True)
    x = X.copy()
    x[0, 2, 0], x[1, 1, 0] = np.nan, np.inf
    with np.errstate(all="ignore"):
        y = layer(x)
    assert np.isfinite(y[0, :2]).all()
    assert np.isnan(y[0, 2:]).all()
    np.testing.assert_array_equal(y[2:], layer(X)[2:])


@every_cell
@pytest.mark.parametrize("mask", [None, RIGHT, HOLES], ids=["none", "right", "holes"])
def test_go_backwards_is_the_flipped_whole(on: kernels.Backend, name: str, mask: Any) -> None:
    backwards = make(name, return_sequences=True, go_backwards=True)
    y = backwards(X, mask=mask)
    flipped = twin(backwards, name, return_sequences=True)
    np.testing.assert_array_equal(y, flipped(X[:, ::-1], mask=None if mask is None else mask[:, ::-1]))
    if mask is RIGHT:
        np.testing.assert_array_equal(y, backwards(X, lengths=LENGTHS))


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("given", ["mask", "lengths"])
def test_zero_output_for_mask(given: str, backwards: bool) -> None:
    call: Any = {"mask": RIGHT} if given == "mask" else {"lengths": LENGTHS}
    shown = RIGHT[:, ::-1] if backwards else RIGHT
    options = {"go_backwards": backwards, "return_state": True}
    plain = make("LSTM", return_sequences=True, **options)
    y, h, _ = plain(X, **call)
    zeroed = twin(plain, "LSTM", return_sequences=True, zero_output_for_mask=True, **options)
    np.testing.assert_array_equal(zeroed(X, **call)[0], np.where(shown[..., None], y, 0))
    # as in Keras: the output of a row whose last step is masked is zero, the state is what was carried; lengths say
    # that there is no such step, as a list does
    layer = twin(plain, "LSTM", zero_output_for_mask=True, **options)
    last, state, _ = layer(X, **call)
    np.testing.assert_array_equal(last, np.where(shown[:, -1:], h, 0) if given == "mask" else h)
    by_list = layer([row[:n] for row, n in zip(X, LENGTHS, strict=True)])[0]
    np.testing.assert_allclose(by_list, h, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(state, h)
    np.testing.assert_array_equal(zeroed(X)[0], plain(X)[0])


def test_stateful_goes_on_where_it_stopped() -> None:
    whole = make("GRU", return_sequences=True)
    y = whole(X)
    layer = twin(whole, "GRU", return_sequences=True, stateful=True)
    parts = [layer(X[:, :2]), layer(X[:, 2:])]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), y, atol=1e-6)
    layer.reset_states()
    np.testing.assert_allclose(layer(X[:2]), y[:2], atol=1e-6)


def test_a_failed_call_leaves_the_states_of_a_stateful_layer() -> None:
    layer = make("LSTM", stateful=True, return_state=True)
    _, *states = layer(X)
    for s in states:
        s[...] = 7  # the layer keeps copies
    kept = [s.copy() for s in layer.states or []]
    for wrong in (X[:2], X[..., :1], X[0]):
        with pytest.raises(ValueError, match="expected x"):
            layer(wrong)
    with pytest.raises(ValueError, match="lengths"):
        layer(X, lengths=[9] * B)
    assert not any((s == 7).all() for s in kept)
    for now, before in zip(layer.states or [], kept, strict=True):
        np.testing.assert_array_equal(now, before)


def test_dropout_drops_the_same_inputs_at_every_step_and_in_training_only() -> None:
    layer = layers.SimpleRNN(4, "linear", kernel_initializer="identity", dropout=0.5, seed=1, return_sequences=True)
    layer.build((None, None, 4))
    layer.cell.recurrent_kernel.assign(np.zeros((4, 4)))
    x = np.ones((20, 3, 4), "float32")
    np.testing.assert_array_equal(layer(x), x)
    y = layer(x, training=True)
    assert set(np.unique(y)) == {0, 2}
    np.testing.assert_array_equal(y, np.repeat(y[:, :1], 3, axis=1))
    assert not np.array_equal(y, layer(x, training=True))
    again = layers.SimpleRNN.from_config(layer.get_config())
    again.build((None, None, 4))
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x, training=True), y)
    everything = layers.GRU(4, dropout=1.0, use_bias=False)
    assert not everything(x, training=True).any()


def test_a_cell_by_hand_keeps_its_dropout_mask_until_it_is_reset() -> None:
    cell = layers.SimpleRNNCell(4, "linear", kernel_initializer="identity", dropout=0.5, seed=1)
    x, h = np.ones((9, 4), "float32"), np.zeros((9, 4), "float32")
    first = cell(x, h, training=True)[0]
    np.testing.assert_array_equal(cell(x, h, training=True)[0], first)
    cell.reset_dropout_mask()
    assert not np.array_equal(cell(x, h, training=True)[0], first)
    np.testing.assert_array_equal(cell(x, h)[0], x)


@every_cell
def test_empty_batches_and_sequences(on: kernels.Backend, name: str) -> None:
    layer = make(name, return_sequences=True, return_state=True)
    for shape in ((0, 3, I), (2, 0, I), (0, 0, I)):
        first = states_of(layer, shape[0])
        outputs, pullback = layer.forward(np.zeros(shape), initial_state=first)
        assert outputs[0].shape == (*shape[:2], H)
        if shape[1] == 0:
            for s, f in zip(outputs[1:], first, strict=True):
                np.testing.assert_array_equal(s, f)
        dx, dstates = pullback([np.ones_like(o) for o in outputs])
        assert dx.shape == shape
        assert [d.shape for d in dstates] == [f.shape for f in first]


def forms(x: Any) -> dict[str, Any]:
    """The same numbers, laid out in every way that should not matter."""
    wide = np.repeat(x, 2, axis=2)
    frozen = x.copy()
    frozen.flags.writeable = False
    shifted = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)
    return {
        "fortran": np.asfortranarray(x),
        "strided": wide[..., ::2],
        "transposed": np.ascontiguousarray(x.transpose(1, 0, 2)).transpose(1, 0, 2),
        "reversed": x[:, ::-1].copy()[:, ::-1],
        "read-only": frozen,
        "swapped": x.astype(x.dtype.newbyteorder()),
        "unaligned": shifted,
        "float64": x.astype("float64"),
        "list": x.tolist(),
    }


@every_cell
@pytest.mark.parametrize("form", forms(X))
def test_the_layout_of_inputs_does_not_matter_and_they_are_not_changed(
    on: kernels.Backend, name: str, form: str
) -> None:
    layer = make(name, return_sequences=True)
    first, dy = states_of(layer), RNG.standard_normal((B, T, H)).astype("float32")
    y, pullback = layer.forward(X, initial_state=first, mask=HOLES)
    dx, dstates = pullback(dy)
    given = forms(X)[form]
    before = copy.deepcopy(given)
    other_states = [forms(s[None])[form] for s in first]
    other_states = [s[0] for s in other_states]
    other, other_pullback = layer.forward(given, initial_state=other_states, mask=np.asfortranarray(HOLES))
    other_dx, other_dstates = other_pullback(forms(dy)[form])
    np.testing.assert_array_equal(other, y)
    np.testing.assert_array_equal(other_dx, dx)
    for a, b in zip(other_dstates, dstates, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(given, before)


def test_masks_go_on_as_in_keras() -> None:
    assert make("LSTM").compute_mask(X, HOLES) is None
    assert make("LSTM", return_sequences=True).compute_mask(X, HOLES) is HOLES
    assert make("LSTM", return_sequences=True, return_state=True).compute_mask(X, HOLES) == [HOLES, None, None]
    assert make("GRU", return_state=True).compute_mask(X, HOLES) == [None, None]


def test_output_shapes() -> None:
    assert make("LSTM").compute_output_shape((None, 5, I)) == (None, H)
    assert make("LSTM", return_sequences=True).compute_output_shape((None, None, I)) == (None, None, H)
    both = make("LSTM", return_sequences=True, return_state=True)
    assert both.compute_output_shape((2, 5, I)) == ((2, 5, H), (2, H), (2, H))


@every_cell
def test_hints_change_nothing(name: str) -> None:
    layer = make(name)
    y = layer(X)
    hints: dict[str, Any] = {"unroll": True}
    if name != "SimpleRNN":
        hints |= {"implementation": 1, "use_cudnn": False}
    np.testing.assert_array_equal(twin(layer, name, **hints)(X), y)


def test_copies_and_pickles_are_independent() -> None:
    layer = make("GRU", dropout=0.2)
    y = layer(X)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(other(X), y)
        other.set_weights([0 * w for w in other.get_weights()])
        np.testing.assert_array_equal(layer(X), y)
        other.forward(X)[1](y)
