"""A stateful LSTM that is fed a long series piece by piece, and its weights in a model for single steps."""

import numpy as np

import keras
from keras import ops
from keras.layers import LSTM, Dense, Input

BATCH, PIECE = 4, 10
t = np.arange(BATCH * 200)
series = (np.sin(t / 5.0) * np.cos(t / 31.0)).astype("float32").reshape(BATCH, 200, 1)
inputs, targets = series[:, :-1], series[:, 1:]
pieces = inputs.shape[1] // PIECE


def build(batch_size, steps):
    model = keras.Sequential()
    model.add(Input(batch_shape=(batch_size, steps, 1)))
    model.add(LSTM(12, stateful=True, return_sequences=True))
    model.add(LSTM(12, stateful=True, return_sequences=True))
    model.add(Dense(1))
    model.compile(loss="mean_squared_error", optimizer="rmsprop")
    return model


def reset(model):
    for layer in model.layers:
        if hasattr(layer, "reset_states"):
            layer.reset_states()


model = build(BATCH, PIECE)
x = np.concatenate([inputs[:, p * PIECE : (p + 1) * PIECE] for p in range(pieces)])
y = np.concatenate([targets[:, p * PIECE : (p + 1) * PIECE] for p in range(pieces)])
losses = []
for epoch in range(5):
    history = model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0, shuffle=False)
    reset(model)
    losses.append(history.history["loss"][0])
print("loss by epoch:", np.round(losses, 4))

# another model, for one series and one step a call, with the same weights
live = build(1, 1)
live.set_weights(model.get_weights())
for step in range(20):
    one_step = ops.convert_to_numpy(live(inputs[:1, step : step + 1]))
reset(model)
for piece in range(2):
    by_piece = ops.convert_to_numpy(model(inputs[:, piece * PIECE : (piece + 1) * PIECE]))
print("step by step", one_step[0, 0, 0], "and in pieces", by_piece[0, -1, 0])
assert np.allclose(one_step[0, 0, 0], by_piece[0, -1, 0], atol=1e-4)

# go on from there with its own forecasts
value, forecast = one_step, []
for _ in range(5):
    value = ops.convert_to_numpy(live(value))
    forecast.append(float(value[0, 0, 0]))
print("forecast:", np.round(forecast[:5], 3))
