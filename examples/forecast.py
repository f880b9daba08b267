"""Forecast a time series from several measurements: the temperature half a day ahead.

    python examples/forecast.py

The weather is generated: a season, days, pressure fronts that pass at random and bring warmth half a day later, and
noise. A window of 48 hours of temperature and pressure goes into an LSTM; training stops early when the validation
error no longer falls, and the best weights are kept. Expect a mean absolute error at most half of that of two usual
rules ("as it is now", "as it was a day before that hour"), in some a second or two on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cellstep as keras
from cellstep import layers

PAST, AHEAD = 48, 12  # hours


def weather(hours: int) -> NDArray[Any]:
    """Temperature and pressure of each hour, (hours, 2)."""
    t = np.arange(hours)
    front = np.zeros(hours + AHEAD)
    for i in range(1, len(front)):
        front[i] = 0.97 * front[i - 1] + 0.25 * np.random.standard_normal()
    season, day = 8 * np.sin(2 * np.pi * t / 8760), 4 * np.sin(2 * np.pi * t / 24)
    temperature = 10 + season + day + 4 * front[:-AHEAD] + 0.3 * np.random.standard_normal(hours)
    pressure = 1013 - 6 * front[AHEAD:] + 0.3 * np.random.standard_normal(hours)
    return np.stack([temperature, pressure], axis=1)


def windows(series: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Pieces (N, PAST, 2) of a series (T, 2), and the temperature AHEAD hours after the end of each, (N, 1)."""
    pieces = np.lib.stride_tricks.sliding_window_view(series, PAST, axis=0)[:-AHEAD]
    return pieces.transpose(0, 2, 1), series[PAST + AHEAD - 1 :, :1]


def main(argv: Sequence[str] | None = None) -> tuple[float, float]:
    """Train and judge; returns the mean absolute error in degrees, of the model and of the better rule."""
    parser = argparse.ArgumentParser(description="Forecast a temperature with an LSTM.")
    parser.add_argument("--epochs", type=int, default=12, help="at most")
    parser.add_argument("--hours", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    keras.utils.set_random_seed(args.seed)
    series = weather(args.hours)
    first, second = args.hours * 7 // 10, args.hours * 85 // 100
    mean, spread = series[:first].mean(0), series[:first].std(0)  # of the training part alone
    scaled = ((series - mean) / spread).astype("float32")
    x, y = windows(scaled[:first])
    x_val, y_val = windows(scaled[first:second])
    x_test, y_test = windows(scaled[second:])

    inputs = keras.layers.Input(shape=(PAST, 2))
    hidden = layers.LSTM(32)(inputs)
    model = keras.Model(inputs=inputs, outputs=layers.Dense(1)(hidden))
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.003), loss="mse")
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
    history = model.fit(
        x, y, batch_size=64, epochs=args.epochs, validation_data=(x_val, y_val), callbacks=[stop], verbose=2
    )

    error = float(spread[0] * np.abs(model.predict(x_test, verbose=0) - y_test).mean())
    now = float(spread[0] * np.abs(x_test[:, -1, :1] - y_test).mean())
    yesterday = float(spread[0] * np.abs(x_test[:, -1 - 24 + AHEAD, :1] - y_test).mean())
    print(f"{len(history.history['loss'])} epochs; mean absolute error {AHEAD} hours ahead, in degrees:")
    print(f"model {error:.2f}, as it is now {now:.2f}, as it was a day before {yesterday:.2f}")
    return error, min(now, yesterday)


if __name__ == "__main__":
    main()
