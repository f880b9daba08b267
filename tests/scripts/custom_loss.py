"""Forecasts with an interval: quantile losses written by hand, one output for each quantile, and a weighted sum."""

import numpy as np

import keras
from keras import layers, ops


def quantile_loss(q):
    def loss(y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.maximum(q * error, (q - 1) * error), axis=-1)

    return loss


class LogCosh(keras.losses.Loss):
    def __init__(self, scale=1.0, name="my_log_cosh", **kwargs):
        super().__init__(name=name, **kwargs)
        self.scale = scale

    def call(self, y_true, y_pred):
        z = (y_pred - y_true) / self.scale
        return ops.mean(z + ops.softplus(-2.0 * z) - ops.log(2.0), axis=-1)


rng = np.random.default_rng(4)
t = np.arange(900, dtype="float32")
noise = rng.normal(size=900) * (0.1 + 0.3 * (np.sin(t / 40) > 0))
series = (np.sin(t / 8) + noise).astype("float32")
x = np.stack([series[i : i + 20] for i in range(860)])[..., None]
y = series[20:880, None]

inputs = layers.Input(shape=(20, 1), name="past")
h = layers.GRU(20, return_sequences=True)(inputs)
h = layers.GRU(20)(h)
low = layers.Dense(1, name="low")(h)
middle = layers.Dense(1, name="middle")(h)
high = layers.Dense(1, name="high")(h)
model = keras.Model(inputs, {"low": low, "middle": middle, "high": high})
model.compile(
    optimizer=keras.optimizers.Adam(5e-3),
    loss={"low": quantile_loss(0.1), "middle": LogCosh(scale=0.5), "high": quantile_loss(0.9)},
    loss_weights={"low": 1.0, "middle": 0.5, "high": 1.0},
    metrics={"middle": ["mae"]},
)
history = model.fit(x, {"low": y, "middle": y, "high": y}, epochs=5, batch_size=43, verbose=0)
print({name: round(values[-1], 4) for name, values in history.history.items()})

predictions = model.predict(x, verbose=0)
inside = (predictions["low"] <= y) & (y <= predictions["high"])
print(f"{inside.mean():.0%} of the values lie within the interval")
print("mean width:", float(ops.mean(predictions["high"] - predictions["low"])))
