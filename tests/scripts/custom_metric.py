"""Metrics of one's own: a class that counts, and a function, in the training of a detector."""

import numpy as np

import keras
from keras import layers, ops


class F1(keras.metrics.Metric):
    def __init__(self, threshold=0.5, name="f1", **kwargs):
        super().__init__(name=name, **kwargs)
        self.threshold = threshold
        self.tp = self.add_weight(name="tp", initializer="zeros")
        self.fp = self.add_weight(name="fp", initializer="zeros")
        self.fn = self.add_weight(name="fn", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(y_true, "float32")
        y_pred = ops.cast(y_pred > self.threshold, "float32")
        self.tp.assign_add(ops.sum(y_true * y_pred))
        self.fp.assign_add(ops.sum((1 - y_true) * y_pred))
        self.fn.assign_add(ops.sum(y_true * (1 - y_pred)))

    def result(self):
        precision = self.tp / (self.tp + self.fp + keras.config.epsilon())
        recall = self.tp / (self.tp + self.fn + keras.config.epsilon())
        return 2 * precision * recall / (precision + recall + keras.config.epsilon())

    def reset_state(self):
        self.tp.assign(0.0)
        self.fp.assign(0.0)
        self.fn.assign(0.0)


def mean_confidence(y_true, y_pred):
    return ops.mean(ops.abs(y_pred - 0.5) * 2, axis=-1)


rng = np.random.default_rng(2)
x = rng.normal(size=(600, 30, 2)).astype("float32")
events = rng.random(600) < 0.3
x[events, 10:20, 0] += 1.2
y = events.astype("float32").reshape(-1, 1)

inputs = keras.Input((30, 2))
h = layers.Bidirectional(layers.SimpleRNN(12, activation="tanh"), merge_mode="concat")(inputs)
h = layers.LayerNormalization()(h)
outputs = layers.Dense(1, activation="sigmoid")(h)
model = keras.Model(inputs=inputs, outputs=outputs, name="detector")
model.compile(
    optimizer="nadam",
    loss=keras.losses.BinaryCrossentropy(label_smoothing=0.05),
    metrics=[F1(), mean_confidence, "accuracy", keras.metrics.AUC(name="auc"), keras.metrics.Recall()],
)
history = model.fit(x, y, epochs=4, batch_size=50, validation_split=0.2, verbose=2)
for name, values in sorted(history.history.items()):
    print(f"{name:>22}", " ".join(f"{value:.3f}" for value in values))

results = model.evaluate(x[480:], y[480:], return_dict=True, verbose=0)
metric = F1(threshold=0.3)
metric.update_state(y[480:], model.predict(x[480:], verbose=0))
print("f1 at 0.3:", float(metric.result()), results)
