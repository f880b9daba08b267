"""MultiHeadAttention in models, beside Keras's: masks that come by themselves, training, files in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import cellstep

pytestmark = pytest.mark.filterwarnings("ignore")
RNG = np.random.default_rng(3)
X, V = RNG.standard_normal((6, 5, 4)).astype("float32"), RNG.standard_normal((6, 3, 6)).astype("float32")
# steps that are not there: at the end, all, at the beginning
X[1, 3:] = X[2] = X[3, :2] = 0
Y = [np.ones((6, 3), "float32"), np.zeros((6, 30), "float32")]


def made(of: Any) -> Any:
    x, v = of.Input((5, 4)), of.Input((3, 6))
    h = of.layers.Masking()(x)
    h = of.layers.MultiHeadAttention(2, 3, kernel_regularizer="l1", activity_regularizer="l2")(
        h, h, use_causal_mask=True
    )
    h = of.layers.LayerNormalization()(h)
    y, scores = of.layers.MultiHeadAttention(2, 3, use_gate=True, output_shape=2)(
        h, v, key=v, return_attention_scores=True
    )
    return of.Model([x, v], [of.layers.GRU(3)(y), of.layers.Flatten()(scores)])


@pytest.mark.parametrize("writer", [keras, cellstep], ids=["keras", "cellstep"])
def test_files_and_training(writer: Any, tmp_path: Path) -> None:
    reader = cellstep if writer is keras else keras
    model = made(writer)
    model.compile("sgd", "mse")
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    again = reader.models.load_model(tmp_path / "model.keras")
    again.load_weights(tmp_path / "model.weights.h5")
    assert [w.path.split("/")[1:] for w in again.weights] == [w.path.split("/")[1:] for w in model.weights]
    losses = [
        one.fit([X, V], Y, batch_size=4, epochs=2, shuffle=False, verbose=0).history["loss"] for one in (model, again)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for a, b in zip(model.predict([X, V], verbose=0), again.predict([X, V], verbose=0), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_mask_that_a_model_computes(tmp_path: Path) -> None:
    x, seen = cellstep.Input((5, 4)), cellstep.Input((5, 5), dtype="bool")
    ours = cellstep.Model([x, seen], cellstep.layers.MultiHeadAttention(2, 3)(x, x, attention_mask=seen))
    data = [X, RNG.random((6, 5, 5)) < 0.5]
    ours.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    right = theirs.predict(data, verbose=0)
    np.testing.assert_allclose(ours.predict(data, verbose=0), right, rtol=1e-4, atol=1e-5)
    theirs.save(tmp_path / "theirs.keras")
    again = cellstep.models.load_model(tmp_path / "theirs.keras")
    np.testing.assert_allclose(again.predict(data, verbose=0), right, rtol=1e-4, atol=1e-5)
    again.compile("sgd", "mse")
    again.fit(data, X, verbose=0)
    assert cellstep.models.clone_model(again).get_config() == again.get_config()


def test_by_itself() -> None:
    theirs, ours = (of.layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1) for of in (keras, cellstep))
    for layer in (theirs, ours):
        layer.build(query_shape=X.shape, value_shape=V.shape)
    ours.set_weights(theirs.get_weights())
    for call in ({}, {"return_attention_scores": True}, {"value_mask": V[..., 0] > 0}):
        y, right = (layer(query=X, value=V, key=V, **call) for layer in (ours, theirs))
        for a, b in zip(y, right, strict=True):
            np.testing.assert_allclose(a, np.asarray(b), rtol=1e-4, atol=1e-5)
    assert not np.allclose(ours(X, V, training=True), ours(X, V))
    assert ours.query_dense.kernel.path == "multi_head_attention/query/kernel".replace(
        "multi_head_attention", ours.path
    )


def transformer(of: Any) -> Any:
    """As such models are written: positions are a table's rows for numbers that no input gives."""
    layers, ops = of.layers, of.ops

    class Positions(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = layers.Embedding(20, 6), layers.Embedding(8, 6)

        def call(self, x: Any) -> Any:
            return self.words(x) + self.places(ops.arange(0, ops.shape(x)[-1], 1))

    class Block(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.norms = layers.MultiHeadAttention(2, 6), [layers.LayerNormalization() for _ in "ab"]
            self.dense = of.Sequential([layers.Dense(5, "relu"), layers.Dense(6)])

        def call(self, x: Any) -> Any:
            x = self.norms[0](x + self.attention(x, x))
            return self.norms[1](x + self.dense(x))

    x = of.Input((8,), dtype="int32")
    y = layers.GlobalAveragePooling1D()(Block()(Positions()(x)))
    model = of.Model(x, layers.Dense(2, "softmax")(y))
    model.compile(of.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return model


def test_a_transformer_of_layers_with_call() -> None:
    theirs, ours = transformer(keras), transformer(cellstep)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    ours.set_weights(theirs.get_weights())
    x, y = RNG.integers(0, 20, (6, 8)), RNG.integers(0, 2, 6)
    losses = [one.fit(x, y, epochs=3, shuffle=False, verbose=0).history["loss"] for one in (ours, theirs)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
