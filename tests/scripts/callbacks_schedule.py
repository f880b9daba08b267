"""Early stopping, checkpoints and learning rates: what a longer training is watched with."""

import csv
import os
import tempfile

import numpy as np

import keras
from keras import layers
from keras.callbacks import CSVLogger, EarlyStopping, LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau

folder = tempfile.mkdtemp()
rng = np.random.default_rng(6)
x = rng.normal(size=(300, 16, 4)).astype("float32")
y = (x[:, :8].sum(axis=(1, 2)) > x[:, 8:].sum(axis=(1, 2))).astype("int32")


class Watch(keras.callbacks.Callback):
    """Notes the learning rate and the largest weight after each epoch, and how many batches there were."""

    def on_train_begin(self, logs=None):
        self.rates, self.largest, self.batches = [], [], 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        self.rates.append(float(self.model.optimizer.learning_rate))
        self.largest.append(max(np.abs(w).max() for w in self.model.get_weights()))
        if logs.get("val_accuracy", 0) > 0.99:
            self.model.stop_training = True


def build_model(units=16):
    model = keras.Sequential(
        [
            keras.Input(shape=(16, 4)),
            layers.GRU(units, recurrent_initializer="orthogonal", bias_initializer=keras.initializers.Zeros()),
            layers.Dense(8, activation="gelu", kernel_constraint=keras.constraints.MaxNorm(2)),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


model, watch = build_model(), Watch()
best = os.path.join(folder, "best.keras")
history = model.fit(
    x,
    y,
    validation_split=0.25,
    epochs=8,
    batch_size=25,
    verbose=0,
    callbacks=[
        LearningRateScheduler(lambda epoch, lr: 0.01 if epoch < 2 else lr * 0.8),
        EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True, start_from_epoch=1),
        ModelCheckpoint(best, monitor="val_loss", save_best_only=True),
        ModelCheckpoint(os.path.join(folder, "{epoch:02d}.weights.h5"), save_weights_only=True),
        CSVLogger(os.path.join(folder, "log.csv")),
        watch,
    ],
)
print("learning rates:", np.round(watch.rates, 5), "after", watch.batches, "batches")
with open(os.path.join(folder, "log.csv")) as file:
    print("columns:", next(csv.reader(file)))
again = keras.models.load_model(best)
print("best of all epochs:", again.evaluate(x[225:], y[225:], verbose=0), min(history.history["val_loss"]))

# another round with a schedule in the optimizer, from the last checkpoint
schedule = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=50)
second = build_model()
second.load_weights(os.path.join(folder, "01.weights.h5"))
optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-3)
second.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
second.fit(x, y, epochs=2, batch_size=25, verbose=0)
third = build_model()
third.set_weights(second.get_weights())
third.fit(x, y, epochs=3, validation_split=0.25, callbacks=ReduceLROnPlateau(factor=0.5, patience=1), verbose=0)
print("predictions:", third.predict(x[:4], verbose=0).argmax(axis=-1), y[:4])
