"""Words in sentences in documents, layer by layer against Keras: masks of several axes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from cellstep import Input, Model, layers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RNG = np.random.default_rng(5)
THERE = RNG.random((4, 3, 5)) < 0.6
THERE[0, 1] = THERE[2] = THERE[3, 2] = False  # sentences without words, and a document without any
IDS = np.where(THERE, RNG.integers(1, 5, THERE.shape), 0)
WORDS = (RNG.standard_normal((*THERE.shape, 2)) * THERE[..., None]).astype(np.float32)


def built(of: Any, make_input: Any, model: Any, kind: str) -> Any:
    if kind == "Embedding":
        x = make_input((3, 5), dtype="int32")
        h = of.Embedding(5, 2, mask_zero=True)(x)
    else:
        x = make_input((3, 5, 2))
        h = of.Masking()(x)
    over_words = of.TimeDistributed(of.GRU(3, return_sequences=True))(h)
    sentences = of.TimeDistributed(of.LSTM(4))(over_words)
    again = of.LSTM(3, return_sequences=True)(sentences)
    return model(x, [h, over_words, sentences, again, of.GRU(2)(again)])


@pytest.mark.parametrize("kind", ["Embedding", "Masking"])
def test_documents(kind: str) -> None:
    theirs = built(keras.layers, keras.layers.Input, keras.Model, kind)
    ours = built(layers, Input, Model, kind)
    ours.set_weights(theirs.get_weights())
    x = IDS if kind == "Embedding" else WORDS
    for i, (a, b) in enumerate(zip(ours.predict(x), theirs.predict(x, verbose=0), strict=True)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=f"output {i}")
