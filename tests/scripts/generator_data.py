"""Batches from a PyDataset that augments its data, then from a Python generator."""

import math

import numpy as np

import keras
from keras import layers


class Windows(keras.utils.PyDataset):
    def __init__(self, values, labels, batch_size, augment=False, **kwargs):
        super().__init__(**kwargs)
        self.values, self.labels = values, labels
        self.batch_size = batch_size
        self.augment = augment
        self.passes = 0

    def __len__(self):
        return math.ceil(len(self.values) / self.batch_size)

    def __getitem__(self, idx):
        low = idx * self.batch_size
        high = min(low + self.batch_size, len(self.values))
        batch_x, batch_y = self.values[low:high], self.labels[low:high]
        if self.augment:
            batch_x = batch_x * (1 + 0.1 * np.sin(idx))
        return batch_x, batch_y

    def on_epoch_end(self):
        self.passes += 1


rng = np.random.default_rng(9)
frequencies = rng.integers(1, 4, 330)
time = np.linspace(0, 1, 32)
signals = np.sin(2 * np.pi * frequencies[:, None] * time + rng.random((330, 1)) * 6)[..., None].astype("float32")
labels = frequencies - 1

model = keras.Sequential(
    [
        layers.Masking(mask_value=-99.0),
        layers.LSTM(20, go_backwards=True),
        layers.Dense(3),
    ]
)
model.compile(
    optimizer=keras.optimizers.SGD(0.03, momentum=0.9, nesterov=True),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
)
train = Windows(signals[:250], labels[:250], batch_size=32, augment=True, workers=1)
validation = Windows(signals[250:], labels[250:], batch_size=40)
history = model.fit(train, epochs=4, validation_data=validation, verbose=2)
print("accuracy:", history.history["val_acc"])
print("of the dataset:", model.evaluate(validation, verbose=0))
print(model.predict(validation, verbose=0).shape)


def endless(batch_size):
    place = 0
    while True:
        rows = np.arange(place, place + batch_size) % 250
        yield signals[rows], labels[rows], np.where(labels[rows] == 2, 2.0, 1.0)
        place += batch_size


model.fit(endless(25), steps_per_epoch=10, epochs=2, validation_data=(signals[250:], labels[250:]), verbose=0)
outputs = model.predict(signals[250:255])
print(np.argmax(outputs, axis=1), labels[250:255])
