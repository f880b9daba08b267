"""gates: what is told is what the equations of the cells compute, step by step in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cellstep
from cellstep import lab, layers

Array = NDArray[Any]
B, T, FEATURES, H = 3, 6, 2, 5
LENGTHS = [6, 2, 0]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def sigmoid(v: Array) -> Array:
    return 1 / (1 + np.exp(-v))


def made(kind: Any, **options: Any) -> Any:
    layer = kind(H, return_sequences=True, dtype="float64", **options)
    layer.build((None, None, FEATURES))
    layer.set_weights([normal(*w.shape, seed=k) for k, w in enumerate(layer.weights)])
    return layer


def test_an_lstm_step_by_step() -> None:
    layer, x = made(layers.LSTM), normal(B, T, FEATURES)
    found = lab.gates(layer, x)
    assert (found.kind, found.units, list(found.gates)) == ("LSTM", H, ["forget", "input", "candidate", "output"])
    W, U, b = layer.get_weights()
    h = c = np.zeros((B, H))
    for t in range(T):
        i, f, g, o = np.split(x[:, t] @ W + h @ U + b, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        c = f * c + i * g
        h = o * np.tanh(c)
        right = {"forget": f, "input": i, "candidate": g, "output": o}
        for name, value in right.items():
            np.testing.assert_allclose(found.gates[name][:, t], value, atol=1e-13)
        np.testing.assert_allclose(found.states["c"][:, t], c, atol=1e-13)
        np.testing.assert_allclose(found.states["h"][:, t], h, atol=1e-13)


def test_a_gru_step_by_step() -> None:
    layer, x = made(layers.GRU), normal(B, T, FEATURES)
    found = lab.gates(layer, x)
    assert (found.kind, list(found.gates), list(found.states)) == ("GRU", ["update", "reset", "candidate"], ["h"])
    W, U, b = layer.get_weights()
    h = np.zeros((B, H))
    for t in range(T):
        xz, xr, xh = np.split(x[:, t] @ W + b[0], 3, axis=1)
        hz, hr, hh = np.split(h @ U + b[1], 3, axis=1)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        g = np.tanh(xh + r * hh)
        h = z * h + (1 - z) * g
        for name, value in {"update": z, "reset": r, "candidate": g}.items():
            np.testing.assert_allclose(found.gates[name][:, t], value, atol=1e-13)
        np.testing.assert_allclose(found.states["h"][:, t], h, atol=1e-13)


def test_a_simple_net_has_a_state_alone() -> None:
    layer, x = made(layers.SimpleRNN), normal(B, T, FEATURES)
    found = lab.gates(layer, x)
    assert not found.gates
    assert found.memory is None
    np.testing.assert_allclose(found.states["h"], layer(x))
    assert "no gates" in found.summary()
    size = np.abs(found.states["h"]).mean(axis=(0, 1))
    assert (np.diff(size[found.order]) <= 0).all()


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_numbers_of_the_steps_that_ran(kind: Any) -> None:
    model = cellstep.Sequential([layers.Masking(dtype="float64"), made(kind)])
    x = 3 * normal(B, T, FEATURES)
    running = np.arange(T) < np.array(LENGTHS)[:, None]
    x[~running] = 0
    found = lab.gates(model, x)
    np.testing.assert_array_equal(found.running, running)
    keeps = found.gates["forget" if kind is layers.LSTM else "update"]
    np.testing.assert_array_equal(np.isnan(keeps).all(axis=2), ~running)
    seen = np.array([keeps[b, t] for b in range(B) for t in range(T) if running[b, t]])
    assert found.memory is not None
    np.testing.assert_allclose(found.memory, 1 / (1 - seen.sum(axis=0) / len(seen)), rtol=1e-13)
    assert (np.diff(found.memory[found.order]) <= 0).all()
    name = "forget" if kind is layers.LSTM else "update"
    shut = sum(v < 0.05 for v in seen.ravel()) / seen.size
    opened = sum(v > 0.95 for v in seen.ravel()) / seen.size
    assert (found.shut[name], found.open[name]) == (shut, opened)
    assert found.saturated[name] == pytest.approx(shut + opened)
    assert 0 < found.saturated[name] < 1
    candidates = found.gates["candidate"][running]
    assert found.saturated["candidate"] == pytest.approx((np.abs(candidates) > 0.95).mean())
    header, rows = found.table()
    assert [row[0] for row in rows] == [*found.gates, *found.states]
    assert float(rows[0][1]) == pytest.approx(
        seen.mean() if kind is layers.GRU or rows[0][0] == "forget" else 0, rel=5e-3
    )
    assert len(header) == len(rows[0])
    assert f"{np.median(found.memory):.3g} steps (median)" in found.summary()


def test_gates_that_have_no_ends() -> None:
    found = lab.gates(made(layers.LSTM, recurrent_activation="relu", activation="linear"), normal(B, T, FEATURES))
    assert not found.saturated
    assert found.memory is None


def test_saturated_gates_are_named() -> None:
    layer = made(layers.GRU)
    bias = layer.cell.bias.value.copy()
    layer.cell.bias.assign(bias + 50 * (np.arange(3 * H) < H))
    found = lab.gates(layer, normal(B, T, FEATURES))
    assert found.open["update"] == 1
    assert "100% of the update values are near 1: the state stays" in found.summary()
    assert "saturated, so" not in found.summary()
    layer.cell.bias.assign(bias - 50 * (np.arange(3 * H) < H))
    assert "100% of the update values are saturated" in lab.gates(layer, normal(B, T, FEATURES)).summary()


def test_which_layer() -> None:
    model = cellstep.Sequential(
        [
            cellstep.Input((None, FEATURES)),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
            layers.GRU(3, num_layers=2, name="top"),
        ]
    )
    x = normal(B, T, FEATURES).astype("float32")
    assert lab.gates(model, x).name.split("/")[-1].startswith("forward_lstm")
    assert lab.gates(model, x).others == 3
    backward = lab.gates(model, x, 1)
    assert backward.backwards
    assert lab.gates(model, x, backward.name).name == backward.name
    assert lab.gates(model, x, "top").name == "top/cells/gru_cell"
    assert lab.gates(model, x, "gru_cell_1").name == "top/cells/gru_cell_1"
    assert lab.gates(model, x, row=2).row == 2
    with pytest.raises(ValueError, match=r"layer must be one of bidirectional.*, got 'lstm_9'"):
        lab.gates(model, x, "lstm_9")
    with pytest.raises(ValueError, match=r"layer must be a number from 0 to 3 .*, got 4"):
        lab.gates(model, x, 4)
    with pytest.raises(TypeError, match=r"layer must be a name or a number, got 1\.5"):
        lab.gates(model, x, 1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="row must be one of the 3 rows of x, from 0 on, got 3"):
        lab.gates(model, x, row=3)
    with pytest.raises(TypeError, match="expected a model or a layer of cellstep, got str"):
        lab.gates("LSTM", x)


def test_the_conclusion_counts_units_that_remember() -> None:
    x = np.random.default_rng(0).standard_normal((4, 9, 2))
    model = cellstep.Sequential([cellstep.Input((9, 2)), layers.LSTM(6), layers.Dense(1)])
    model.compile("adam", "mse")
    found = lab.gates(model, x)
    assert found.memory is not None
    long = sum(found.memory >= 9)
    assert found.conclusion().startswith(f"So {long} of 6 units remember a sequence of 9 steps from end to end")
    assert "No optimizer has updated this net" in found.summary()
    model.fit(x, x[:, -1, :1], verbose=0)
    assert "No optimizer" not in lab.gates(model, x).summary()
    assert "is for gradient_flow to say" in lab.gates(layers.SimpleRNN(3), x).conclusion()
