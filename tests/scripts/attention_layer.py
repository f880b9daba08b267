"""Classify sequences by a layer of one's own that weighs the steps, and look at the weights."""

import os
import tempfile

import numpy as np

import keras
from keras import layers, ops


class AttentionPooling(layers.Layer):
    """score = v . tanh(W h + b), and the mean of h weighted by the softmax of the scores."""

    def __init__(self, units=16, return_attention=False, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.return_attention = return_attention
        self.supports_masking = True

    def build(self, input_shape):
        self.W = self.add_weight(name="W", shape=(input_shape[-1], self.units), initializer="glorot_uniform")
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")
        self.v = self.add_weight(name="v", shape=(self.units, 1), initializer="glorot_uniform")
        super().build(input_shape)

    def call(self, inputs, mask=None):
        scores = ops.squeeze(ops.matmul(ops.tanh(ops.matmul(inputs, self.W) + self.b), self.v), axis=-1)
        if mask is not None:
            scores = ops.where(mask, scores, -1e9)
        weights = ops.softmax(scores, axis=-1)
        pooled = ops.sum(inputs * ops.expand_dims(weights, -1), axis=1)
        if self.return_attention:
            return pooled, weights
        return pooled

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        pooled = (input_shape[0], input_shape[-1])
        return (pooled, input_shape[:2]) if self.return_attention else pooled

    def get_config(self):
        config = super().get_config()
        config.update({"units": self.units, "return_attention": self.return_attention})
        return config


# the class is whether the token 7 comes before the middle
rng = np.random.default_rng(11)
x = rng.integers(1, 7, (400, 15))
x[np.arange(15) >= rng.integers(8, 16, (400, 1))] = 0  # padding
place = rng.integers(0, 8, 400)
x[np.arange(400), place] = 7
y = (place < 4).astype("float32")

inputs = keras.Input(shape=(15,), dtype="int32")
h = layers.Embedding(8, 8, mask_zero=True)(inputs)
h = layers.GRU(16, return_sequences=True)(h)
pooled, attention = AttentionPooling(12, return_attention=True, name="pooling")(h)
outputs = layers.Dense(1, activation="sigmoid")(pooled)
model = keras.Model(inputs, outputs)
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
model.fit(x[:320], y[:320], batch_size=32, epochs=5, validation_data=(x[320:], y[320:]), verbose=0)
print(model.evaluate(x[320:], y[320:], verbose=0))

looks = keras.Model(inputs, attention).predict(x[320:], verbose=0)
print("weights of a row add to", looks[0].sum(), "and the largest is at", looks[0].argmax(), "of", place[320])

path = os.path.join(tempfile.mkdtemp(), "attention.keras")
model.save(path)
again = keras.models.load_model(path, custom_objects={"AttentionPooling": AttentionPooling})
assert np.allclose(again.predict(x[:8], verbose=0), model.predict(x[:8], verbose=0), atol=1e-5)
