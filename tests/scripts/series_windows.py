"""Forecast a noisy series from windows of its past, and compare with the naive forecast."""

import numpy as np

import keras
from keras import layers

keras.utils.set_random_seed(42)

# a year of hourly values: a daily and a weekly wave, a trend, and noise
hours = np.arange(1500)
rng = np.random.default_rng(0)
series = 10 + 0.002 * hours + 3 * np.sin(2 * np.pi * hours / 24) + np.sin(2 * np.pi * hours / 168)
series = (series + rng.normal(0, 0.3, len(hours))).astype("float32")

split = int(0.8 * len(series))
mean, std = series[:split].mean(), series[:split].std()
scaled = (series - mean) / std

WINDOW, HORIZON = 48, 6


def make_windows(values):
    x, y = [], []
    for start in range(len(values) - WINDOW - HORIZON + 1):
        x.append(values[start : start + WINDOW])
        y.append(values[start + WINDOW : start + WINDOW + HORIZON])
    return np.array(x)[..., np.newaxis], np.array(y)


x_train, y_train = make_windows(scaled[:split])
x_test, y_test = make_windows(scaled[split - WINDOW :])
print("train", x_train.shape, y_train.shape, "test", x_test.shape, y_test.shape)

model = keras.models.Sequential(
    [
        layers.Input(shape=(WINDOW, 1)),
        layers.LSTM(16, return_sequences=True),
        layers.LSTM(16),
        layers.Dense(16, activation="relu"),
        layers.Dense(HORIZON),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.01), loss=keras.losses.Huber(), metrics=["mae"])
model.summary()

history = model.fit(x_train, y_train, epochs=4, batch_size=64, validation_data=(x_test, y_test), verbose=2)
print("validation mae by epoch:", [round(v, 3) for v in history.history["val_mae"]])

forecast = model.predict(x_test) * std + mean
actual = y_test * std + mean
naive = np.repeat(x_test[:, -1, :], HORIZON, axis=1) * std + mean
print("mae of the model", np.abs(forecast - actual).mean(), "and of the last value", np.abs(naive - actual).mean())
assert np.abs(forecast - actual).mean() < np.abs(naive - actual).mean()
