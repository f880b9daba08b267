"""Writes files as older Keras wrote them, and what their models predict.

    pip install tensorflow-cpu==2.15.1                                  # tf.keras 2.15: .keras, .h5, weights
    pip install keras==3.0.5 numpy==1.26.4 jax==0.4.30 jaxlib==0.4.30   # and keras==3.4.1: .keras, .h5, .weights.h5
    KERAS_BACKEND=jax python tests/golden/legacy_keras.py tests/golden

writes the archive legacy-<version>.zip into the folder that is named.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

try:
    import tensorflow as tf

    keras = tf.keras
    VERSION = f"2-tf{tf.__version__}"
    TWO = True
except ModuleNotFoundError:
    import keras

    VERSION, TWO = keras.__version__, False

import numpy as np

L = keras.layers
X = (np.arange(30).reshape(2, 5, 3) % 7 - 3).astype("float32") / 3
WORDS = (np.arange(10).reshape(2, 5) * 3 % 7).astype("int32")


def line() -> Any:
    """A Sequential with the shape of its inputs in the first layer, compiled and trained."""
    model = keras.Sequential(
        [
            L.LSTM(3, return_sequences=True, input_shape=(None, 3), activation="softsign", dropout=0.1),
            L.Bidirectional(L.GRU(2, return_sequences=True, reset_after=False), merge_mode="sum"),
            L.SimpleRNN(3, kernel_regularizer="l2", go_backwards=True, return_sequences=True),
            L.TimeDistributed(L.Dense(2, activation="relu")),
            L.BatchNormalization(),
            L.LayerNormalization(),
            L.Conv1D(3, 2, padding="causal"),
            L.GlobalMaxPooling1D(),
            L.Dense(2, activation="softmax"),
        ],
        name="line",
    )
    model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, np.eye(2, dtype="float32"), epochs=2, verbose=0, shuffle=False)
    return model


def embedded() -> Any:
    """Words and a mask."""
    return keras.Sequential(
        [
            L.Embedding(7, 4, mask_zero=True, **({"input_length": 5} if TWO else {})),
            L.Dropout(0.2),
            L.Bidirectional(L.LSTM(2)),
            L.Dense(1, activation="sigmoid"),
        ],
        name="embedded",
    )


def cells() -> Any:
    """RNN over one cell, and over several."""
    x = L.Input((5, 3), name="x")
    h = L.RNN(L.SimpleRNNCell(3, activation="relu"), return_sequences=True)(x)
    return keras.Model(x, L.RNN([L.LSTMCell(3), L.GRUCell(2)], name="pile")(h), name="cells")


def graph() -> Any:
    """A functional model: two inputs and outputs, states that go from layer to layer, a shared layer, models inside."""
    x, z = L.Input((5, 3), name="x"), L.Input((5, 3), name="z")
    seen, h, c = L.LSTM(3, return_sequences=True, return_state=True, name="reader")(x)
    said = L.LSTM(3, return_sequences=True, name="writer")(z, initial_state=[h, c])
    found = L.Attention(use_scale=True, name="looks")([said, seen])
    joined = L.Concatenate(name="joined")([said, found])
    i = L.Input((6,), name="i")
    inner = keras.Model(i, L.Dense(4, activation="tanh", name="deep")(L.Dense(5, name="wide")(i)), name="inner")
    chain = keras.Sequential([L.Input((6,)), L.Dense(4, name="lone")], name="chain")
    pooled = inner(L.GlobalAveragePooling1D(name="pooled")(joined))
    again = L.Dense(4, name="again")
    total = L.Add(name="total")([again(pooled), again(chain(L.GlobalMaxPooling1D(name="peak")(joined)))])
    model = keras.Model([x, z], [L.Dense(1, name="first")(total), L.Dense(2, name="second")(pooled)], name="graph")
    model.compile("rmsprop", "mse")
    return model


def frozen() -> Any:
    """A layer that is frozen between others, and weights that no gradient changes."""
    model = keras.Sequential(
        [L.Input((5, 3)), L.BatchNormalization(name="a"), L.GRU(3, trainable=False, name="b"), L.Dense(2, name="c")],
        name="frozen",
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(X, np.ones((2, 2), "float32"), epochs=1, verbose=0)
    return model


MODELS = {make.__name__: make for make in (line, embedded, cells, graph, frozen)}


def inputs(name: str) -> Any:
    return {"embedded": WORDS, "graph": [X, X[:, ::-1].copy()]}.get(name, X)


def save(model: Any, archive: zipfile.ZipFile, name: str) -> None:
    """The model in every kind of file that this version can write."""
    endings = [".keras", ".h5", ".weights.h5", *([".weights-only.h5"] if TWO else [])]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for ending in endings:
            path = Path(folder) / f"{name}{ending}"
            try:
                if "weights" in ending:
                    model.save_weights(path, **({"save_format": "h5"} if ending == ".weights-only.h5" else {}))
                else:
                    model.save(path)
            except ValueError as error:  # Keras 3.0 gives two weights of a layer in both directions one name
                print(f"{VERSION} does not write {path.name}: {error}")
                continue
            archive.write(path, path.name)


def main(folder: Path) -> None:
    values: dict[str, Any] = {}
    with zipfile.ZipFile(folder / f"legacy-{VERSION}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, make in MODELS.items():
            keras.utils.set_random_seed(1)
            model = make()
            y = model.predict(inputs(name), verbose=0)
            values |= {f"{name}/{i}": part for i, part in enumerate(y if isinstance(y, list) else [y])}
            save(model, archive, name)
            archive.writestr(f"{name}.json", model.to_json())
            if name == "frozen":  # one step more: the optimizer's state counts
                model.fit(X, np.ones((2, 2), "float32"), epochs=1, verbose=0)
                values["frozen/after"] = model.predict(X, verbose=0)
        buffer = io.BytesIO()
        np.savez(buffer, **values)
        archive.writestr("outputs.npz", buffer.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
