"""A QRNN with a window is a convolution over the inputs that ran, written here as such, and a pooling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, cells, kernels, layers, models, testing, use_backend

B, T, INPUTS, H = 3, 9, 2, 4
X = np.random.default_rng(0).standard_normal((B, T, INPUTS))


def sigmoid(v: Any) -> Any:
    return 1 / (1 + np.exp(-v))


def layer_of(window: int, **options: Any) -> Any:
    layer = cells.QRNN.Layer(H, window=window, return_sequences=True, dtype="float64", **options)
    layer.build(X.shape)
    for i, w in enumerate(layer.weights):
        w.assign(np.random.default_rng(i).standard_normal(w.shape) / 2)
    return layer


def by_convolution(layer: Any, x: Any) -> Any:
    """Outputs for one row x (T, inputs)."""
    W, b = (np.array(w) for w in layer.weights)
    sums = np.zeros((len(x), 3 * H))
    for t in range(len(x)):
        for i in range(min(layer.cell.window, t + 1)):
            sums[t] += x[t - i] @ W[:, 3 * H * i : 3 * H * (i + 1)] + b[3 * H * i : 3 * H * (i + 1)]
    n, f, o = np.tanh(sums[:, :H]), sigmoid(sums[:, H : 2 * H]), sigmoid(sums[:, 2 * H :])
    c, y = np.zeros(H), np.zeros((len(x), H))
    for t in range(len(x)):
        c = f[t] * c + (1 - f[t]) * n[t]
        y[t] = o[t] * c
    return y


@pytest.mark.parametrize("window", [1, 2, 5])
def test_whole_sequences(window: int) -> None:
    layer = layer_of(window)
    for x, y in zip(X, layer(X), strict=True):
        np.testing.assert_allclose(y, by_convolution(layer, x), rtol=1e-12, atol=1e-14)


def test_masked_steps_are_not_in_the_window() -> None:
    layer, mask = layer_of(3), np.random.default_rng(1).random((B, T)) < 0.6
    y = layer(np.where(mask[..., None], X, np.nan), mask=mask)
    for x, out, runs in zip(X, y, mask, strict=True):
        np.testing.assert_allclose(out[runs], by_convolution(layer, x[runs]), rtol=1e-12, atol=1e-14)


def test_windows_begin_anew_with_rows_and_end_with_them() -> None:
    layer, resets = layer_of(3), np.zeros((B, T), bool)
    resets[:, 4] = True
    lengths = np.array([9, 6, 5])
    y = layer(X, resets=resets, lengths=lengths)
    for x, out, n in zip(X, y, lengths, strict=True):
        wanted = np.concatenate([by_convolution(layer, x[:4]), by_convolution(layer, x[4:n])])
        np.testing.assert_allclose(out[:n], wanted, rtol=1e-12, atol=1e-14)


def test_streams(backend: kernels.Backend) -> None:
    with use_backend(backend.name):
        layer = layer_of(2)
        y, stream = layer(X), layer.stream(B)
        for t in range(T):
            out = stream.step(X[:, t])
            if backend.name == "cython":
                np.testing.assert_array_equal(out, y[:, t])
            np.testing.assert_allclose(out, y[:, t], rtol=1e-12, atol=1e-14)


def test_gradients(backend: kernels.Backend) -> None:
    testing.check_cell(cells.QRNN(3, window=2), batch=2, steps=4, backends=[backend.name])


def test_a_window_is_saved(tmp_path: Path) -> None:
    model = Sequential([Input((T, INPUTS)), layers.RNN(cells.QRNN(H, window=3)), layers.Dense(1)])
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    assert again.layers[0].cell.window == 3
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert cells.QRNN.Layer.from_config(layer_of(2).get_config()).cell.window == 2


@pytest.mark.parametrize("window", [0, 6, 1.5, True])
def test_windows_of_no_meaning(window: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="window"):
        cells.QRNN(H, window=window)
