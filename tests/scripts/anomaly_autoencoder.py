"""Find anomalies in sensor readings by the error with which an LSTM autoencoder reconstructs them."""

import numpy as np

from keras.layers import LSTM, Dense, Dropout, RepeatVector, TimeDistributed
from keras.models import Sequential

rng = np.random.RandomState(0)
TIME_STEPS = 24
normal = np.sin(np.arange(900) * 2 * np.pi / 24) + 0.1 * rng.randn(900)
test = np.sin(np.arange(300) * 2 * np.pi / 24) + 0.1 * rng.randn(300)
test[150:165] += 2.5  # the fault

training_mean, training_std = normal.mean(), normal.std()


def create_sequences(values, time_steps=TIME_STEPS):
    output = []
    for i in range(len(values) - time_steps + 1):
        output.append(values[i : (i + time_steps)])
    return np.stack(output)


x_train = create_sequences((normal - training_mean) / training_std)[..., None]
x_test = create_sequences((test - training_mean) / training_std)[..., None]
print("Training input shape:", x_train.shape)

model = Sequential()
model.add(LSTM(16, input_shape=(x_train.shape[1], x_train.shape[2]), return_sequences=False))
model.add(Dropout(rate=0.1))
model.add(RepeatVector(n=x_train.shape[1]))
model.add(LSTM(16, return_sequences=True))
model.add(TimeDistributed(Dense(units=x_train.shape[2])))
model.compile(optimizer="adam", loss="mae")

history = model.fit(x_train, x_train, epochs=6, batch_size=64, validation_split=0.1, verbose=0)
assert history.history["loss"][-1] < history.history["loss"][0]

x_train_pred = model.predict(x_train)
train_mae = np.mean(np.abs(x_train_pred - x_train), axis=(1, 2))
threshold = np.max(train_mae)
print("Reconstruction error threshold:", threshold)

test_mae = np.mean(np.abs(model.predict(x_test) - x_test), axis=(1, 2))
anomalies = test_mae > threshold
print("Number of anomalous windows:", anomalies.sum(), "at", np.flatnonzero(anomalies)[:1])
assert anomalies[140:160].any()
