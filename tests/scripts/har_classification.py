"""Recognise activities from windows of a three-axis accelerometer: convolutions, then a GRU."""

import numpy as np

import keras
from keras import layers, regularizers

np.random.seed(7)
ACTIVITIES = ["resting", "walking", "running", "jumping"]
TIMESTEPS, CHANNELS = 64, 3


def record(activity, n):
    t = np.arange(TIMESTEPS) / 32.0
    rate, size = [(0, 0), (1.5, 1.0), (3.0, 2.0), (2.0, 4.0)][activity]
    phase = np.random.rand(n, 1, CHANNELS) * 2 * np.pi
    wave = size * np.sin(2 * np.pi * rate * t[None, :, None] + phase)
    return wave + np.random.normal(0, 0.5, (n, TIMESTEPS, CHANNELS))


counts = [120, 90, 60, 30]
X = np.concatenate([record(a, n) for a, n in enumerate(counts)]).astype("float32")
labels = np.concatenate([np.full(n, a) for a, n in enumerate(counts)])
order = np.random.permutation(len(X))
X, labels = X[order], labels[order]
Y = keras.utils.to_categorical(labels, len(ACTIVITIES))
X_train, X_test, Y_train, Y_test = X[:240], X[240:], Y[:240], Y[240:]

model = keras.Sequential(name="har")
model.add(layers.Input(shape=(TIMESTEPS, CHANNELS)))
model.add(layers.Conv1D(filters=16, kernel_size=5, activation="relu", padding="same"))
model.add(layers.BatchNormalization())
model.add(layers.MaxPooling1D(pool_size=2))
model.add(layers.Conv1D(16, 3, activation="relu"))
model.add(layers.Dropout(0.3))
model.add(layers.GRU(24, kernel_regularizer=regularizers.l2(1e-4)))
model.add(layers.Dense(len(ACTIVITIES), activation="softmax"))
model.compile(
    loss="categorical_crossentropy",
    optimizer=keras.optimizers.Adam(3e-3, clipnorm=1.0),
    metrics=["accuracy", keras.metrics.TopKCategoricalAccuracy(k=2, name="top2")],
)

weights = {a: len(labels) / (len(counts) * n) for a, n in enumerate(counts)}
model.fit(X_train, Y_train, epochs=4, batch_size=32, class_weight=weights, verbose=0)
score = model.evaluate(X_test, Y_test, batch_size=32, return_dict=True)
print({name: round(float(value), 3) for name, value in score.items()})

predictions = model.predict(X_test).argmax(axis=1)
confusion = np.zeros((4, 4), int)
for true, guess in zip(Y_test.argmax(axis=1), predictions):
    confusion[true, guess] += 1
print("rows are true, columns predicted:")
print(confusion)
