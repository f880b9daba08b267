"""Zoneout and dropout of recurrent kernels, as options of every cell."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, cells, kernels, layers, models, utils

B, T, I, H = 3, 5, 2, 4  # noqa: E741 - the letters of the kernel contract
RATES = (0.3, 0.1)


def sigmoid(v: Any) -> Any:
    return 1 / (1 + np.exp(-v))


def data(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


CELLS: dict[str, Callable[..., Any]] = {
    "SimpleRNN": lambda **o: layers.SimpleRNNCell(H, **o),
    "LSTM": lambda **o: layers.LSTMCell(H, **o),
    "GRU": lambda **o: layers.GRUCell(H, **o),
    "MGU": lambda **o: cells.MGU(H, **o),
    "Projection": lambda **o: cells.ProjectionLSTM(H, 3, **o),
}


def layer_of(name: str, **options: Any) -> Any:
    layer = layers.RNN(CELLS[name](dtype="float64", **options), return_sequences=True, return_state=True)
    layer.build((None, None, I))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.standard_normal(w.shape) * 0.6 for w in layer.weights])
    return layer


@pytest.mark.parametrize("training", [False, True])
def test_zoneout_of_an_lstm_is_its_equations(training: bool, backend: kernels.Backend) -> None:
    layer = layer_of("LSTM", zoneout=RATES)
    W, U, b = (w.numpy() for w in layer.weights)
    chance = copy.deepcopy(layer.cell.generator)
    x, h, c = data(B, T, I), data(B, H), data(B, H)
    (y, *last), _ = layer.forward(x, initial_state=[h, c], training=training)
    for t in range(T):
        i, f, g, o = np.split(x[:, t] @ W + h @ U + b, 4, axis=1)
        new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        out = sigmoid(o) * np.tanh(new)
        stays = [chance.random((B, H)) < r if training else r for r in RATES]
        h, c = (m * old + (1 - m) * step for m, old, step in zip(stays, (h, c), (out, new), strict=True))
        np.testing.assert_allclose(y[:, t], h, rtol=1e-12)
    np.testing.assert_allclose(last[1], c, rtol=1e-12)


@pytest.mark.parametrize("option", [{"zoneout": 0.4}, {"weight_dropout": 0.4}, {"weight_dropout": 0.2, "zoneout": 0.2}])
@pytest.mark.parametrize("name", CELLS)
def test_gradients_are_finite_differences(name: str, option: dict[str, Any]) -> None:
    layer = layer_of(name, recurrent_dropout=0.2, **option)
    chance = copy.deepcopy(layer.cell.generator)
    rng = np.random.default_rng(0)
    x, first = data(B, T, I), [data(B, n) for n in layer.cell.state_sizes]
    mask, resets = rng.random((B, T)) > 0.2, rng.random((B, T)) < 0.2
    up = [rng.standard_normal((B, T, layer.cell.output_size)), *(rng.standard_normal(s.shape) for s in first)]

    def run() -> Any:
        layer.cell.generator = copy.deepcopy(chance)
        out, back = layer.forward(x, mask=mask, resets=resets, initial_state=first, training=True)
        return sum((a * d).sum() for a, d in zip(out, up, strict=True)), back

    dx, dfirst = run()[1](up)
    ours = [dx, *dfirst, *(w.grad.copy() for w in layer.weights)]
    values = [w.numpy().copy() for w in layer.weights]

    def at(k: int, place: tuple[int, ...], change: float) -> float:
        arrays = [x, *first, *values]
        before = arrays[k][place]
        arrays[k][place] = before + change
        layer.set_weights(values)
        loss = float(run()[0])
        arrays[k][place] = before
        return loss

    for k, gradient in enumerate(ours):
        for place in [tuple(rng.integers(n) for n in gradient.shape) for _ in range(6)]:
            numeric = (at(k, place, 1e-6) - at(k, place, -1e-6)) / 2e-6
            assert gradient[place] == pytest.approx(numeric, rel=1e-5, abs=1e-7), (k, place)


@pytest.mark.parametrize("name", CELLS)
def test_without_training_weights_are_whole_and_streams_mix_likewise(name: str) -> None:
    x = data(B, T, I)
    for option in ({"weight_dropout": 0.5}, {"zoneout": 0.3}):
        layer = layer_of(name, **option)
        y, *last = layer(x)
        if "weight_dropout" in option:
            np.testing.assert_array_equal(y, layer_of(name)(x)[0])
        stream = layer.stream(B)
        np.testing.assert_allclose(np.stack([stream.step(x[:, t]) for t in range(T)], 1), y, rtol=1e-12)
        np.testing.assert_allclose(layer.stream(B).steps(x), y, rtol=1e-12)
        states = layer.cell.get_initial_state(B)
        for t in range(T):
            out, states = layer.cell(x[:, t], states if len(states) > 1 else states[0])
            states = states if isinstance(states, list) else [states]
            np.testing.assert_allclose(out, y[:, t], rtol=1e-12)
        for ours, wanted in zip(states, last, strict=True):
            np.testing.assert_allclose(ours, wanted, rtol=1e-12)


def test_what_stays_whole_and_what_goes_whole() -> None:
    x, first = data(B, T, I), [data(B, H), data(B, H)]
    for training in (False, True):
        y = layer_of("LSTM", zoneout=1.0)(x, initial_state=first, training=training)[0]
        np.testing.assert_array_equal(y, np.repeat(first[0][:, None], T, axis=1))
        ours, plain = layer_of("LSTM", zoneout=(0.0, 0.0)), layer_of("LSTM")
        np.testing.assert_array_equal(ours(x, training=training)[0], plain(x, training=training)[0])


def test_a_row_is_the_same_alone() -> None:
    x, layer = data(B, T, I), layer_of("GRU", zoneout=0.2)
    whole = layer(x, lengths=[5, 2, 3])[0]
    for b, n in enumerate((5, 2, 3)):
        np.testing.assert_array_equal(layer(x[b : b + 1, :n])[0], whole[b : b + 1, :n])


def test_nets_with_both_learn_and_are_saved(tmp_path: Path) -> None:
    def trained() -> Any:
        utils.set_random_seed(5)
        options: dict[str, Any] = {"zoneout": 0.1, "weight_dropout": 0.2, "return_sequences": True}
        model = Sequential(
            [
                Input((None, I)),
                layers.LSTM(5, num_layers=2, **options),
                layers.Bidirectional(layers.SimpleRNN(4, **options)),
                layers.GRU(4, zoneout=0.1, dropout=0.1),
                layers.Dense(1),
            ]
        )
        model.compile("adam", "mse")
        x = data(8, T, I).astype("float32")
        model.fit(x, data(8, 1), epochs=2, batch_size=4, verbose=0)
        model.fit([row[: 2 + k % 3] for k, row in enumerate(x)], data(8, 1), verbose=0)
        return model, x

    (model, x), (again, _) = trained(), trained()
    for a, b in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    model.save(tmp_path / "m.keras")
    loaded = models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    layer: Any = loaded.layers[0]
    assert (layer.zoneout, layer.weight_dropout) == (0.1, 0.2)
    config = layers.LSTM(3, zoneout=(0.1, 0.2)).get_config()
    assert layers.LSTM.from_config(config).zoneout == (0.1, 0.2)
    assert not {"zoneout", "weight_dropout"} & set(layers.LSTM(3).get_config())
    assert cells.MGU.Layer(3, zoneout=0.5).get_config()["zoneout"] == 0.5
    assert layers.LSTM(3, zoneout=np.array([0.1, 0.2])).zoneout == (0.1, 0.2)


def test_masks_of_weights_have_their_share() -> None:
    cell = layers.LSTMCell(64, weight_dropout=0.3, seed=1)
    cell.build((None, 2))
    _, pullback = layers.RNN(cell).forward(data(4, 6, 2), training=True)
    pullback(np.ones((4, 64)))
    assert 0.25 < np.mean(cell.recurrent_kernel.grad == 0) < 0.35
    assert (cell.kernel.grad != 0).all()


def test_bad_rates() -> None:
    for value, kind, said in (
        (1.5, ValueError, "zoneout must be a number from 0 to 1, got 1.5"),
        ("a", TypeError, "zoneout must be a number from 0 to 1"),
        ((0.1,), ValueError, "expected zoneout with a rate for each of h, c, got 1"),
        ((0.1, 2), ValueError, r"zoneout\[1\] must be a number from 0 to 1"),
    ):
        with pytest.raises(kind, match=said):
            layers.LSTM(3, zoneout=value)
    with pytest.raises(ValueError, match="weight_dropout must be a number from 0 to 1"):
        layers.GRU(3, weight_dropout=-1)
    with pytest.raises(ValueError, match="IndRNN has no recurrent kernel that weight_dropout could drop of"):
        cells.IndRNN(3, weight_dropout=0.1)


@pytest.mark.parametrize("above", ["dense", "softmax", "activation", "gru"])
def test_a_stream_has_the_bits_of_the_layers_above_too(above: str) -> None:
    if kernels.active().name != "cython":
        pytest.skip("the layers above multiply through BLAS there")
    made: Any = {
        "dense": lambda: layers.Dense(33, activation="tanh"),
        "softmax": lambda: layers.Dense(5, activation="softmax"),
        "activation": lambda: layers.Activation("tanh"),
        "gru": lambda: layers.GRU(20, return_sequences=True),
    }
    model = Sequential([Input((None, I)), layers.LSTM(37, zoneout=0.3, return_sequences=True), made[above]()])
    x = data(B, T, I)
    whole, stream = model.predict(x, verbose=0), model.stream(B)
    for t in range(T):
        np.testing.assert_array_equal(stream.step(x[:, t]), whole[:, t])


def test_what_knows_no_zoneout_refuses_it() -> None:
    layer = layer_of("LSTM", zoneout=0.1)
    with pytest.raises(NotImplementedError, match="zoneout is for calls of layers and steps of cells"):
        layer.cell.packed(backward=False)


NOISE: list[dict[str, float]] = [
    {},
    {"weight_dropout": 0.4},
    {"zoneout": 0.4},
    {"dropout": 0.3, "recurrent_dropout": 0.3, "weight_dropout": 0.2},
]


@pytest.mark.parametrize("option", NOISE, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_steps_of_a_cell_drop_as_it_does_and_have_its_gradients(name: str, option: dict[str, Any]) -> None:
    cell = layer_of(name, **option).cell
    rng = np.random.default_rng(2)
    x, first = data(B, I), [data(B, n) for n in cell.state_sizes]
    chance = copy.deepcopy(cell.generator)

    def step() -> Any:
        cell.generator = copy.deepcopy(chance)
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
        return cell.forward(x, first, training=True)

    (_, new), back = step()
    cell.generator = copy.deepcopy(chance)
    again = cell(x, first, training=True)[1]
    for a, b in zip(new, again, strict=True):
        np.testing.assert_array_equal(a, b)
    up = [rng.standard_normal(s.shape) for s in new]
    dx, dfirst = back(None, up)
    ours = [dx, *dfirst, *(w.grad.copy() for w in cell.weights)]
    values = [w.numpy().copy() for w in cell.weights]

    def at(k: int, place: tuple[int, ...], change: float) -> float:
        arrays = [x, *first, *values]
        before = arrays[k][place]
        arrays[k][place] = before + change
        cell.set_weights(values)
        loss = float(sum((a * d).sum() for a, d in zip(step()[0][1], up, strict=True)))
        arrays[k][place] = before
        return loss

    for k, gradient in enumerate(ours):
        for place in [tuple(rng.integers(n) for n in gradient.shape) for _ in range(4)]:
            numeric = (at(k, place, 1e-6) - at(k, place, -1e-6)) / 2e-6
            assert gradient[place] == pytest.approx(numeric, rel=1e-5, abs=1e-7), (k, place)


@pytest.mark.parametrize("name", CELLS)
def test_a_mask_of_weights_is_kept_from_step_to_step(name: str) -> None:
    cell = layer_of(name, weight_dropout=0.5).cell
    x, first = data(B, I), [data(B, n) for n in cell.state_sizes]
    one, two = (cell(x, first, training=True)[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, cell(x, first)[0])
    cell.reset_recurrent_dropout_mask()
    assert not np.array_equal(one, cell(x, first, training=True)[0])
    outer = layers.StackedRNNCells([cell])
    np.testing.assert_array_equal(cell(x, first, training=True)[0], outer(x, [first], training=True)[0])
