"""Mistakes that mypy and pyright must see before the script runs: one on each line with a comment, and nowhere else."""

from __future__ import annotations

import numpy as np

import cellstep as keras
from cellstep import layers

x = np.zeros((8, 6, 3), "float32")
keras.Sequental()  # a misspelt name
layers.LSMT(4)  # a misspelt name
keras.losses.MeanSqaredError()  # a misspelt name
keras.ops.sofmax(x)  # a misspelt name
layers.LSTM(4, retrun_sequences=True)  # a misspelt keyword
layers.Dense(4, name=3)  # a wrong type, of an argument that all layers have
layers.LSTM("4")  # a wrong type
print(layers.Dense(4).untis)  # a misspelt attribute
model = keras.Sequential([layers.LSTM(4), layers.Dense(1)])
model.compile("adam", "mse", metric=["mae"])  # a misspelt keyword
model.fit(x, x, epoch=3)  # a misspelt keyword
model.fit(x, x, epochs="3")  # a wrong type
print(model.fit(x, x).historie)  # a misspelt attribute
model.predict(x, verbos=0)  # a misspelt keyword
print(model.predict(x).shapes)  # a misspelt attribute
print(layers.Dense(1)(keras.Input((3,))).shapes)  # a misspelt attribute
keras.optimizers.Adam(lr=0.1)  # a misspelt keyword
keras.losses.Huber(detla=1.0)  # a misspelt keyword
keras.metrics.AUC(num_threshold=3)  # a misspelt keyword
keras.callbacks.EarlyStopping(patience="3")  # a wrong type
keras.lab.gradient_flow(["LSTM"], x).sumary()  # a misspelt attribute
