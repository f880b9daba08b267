"""Classify sequences by a bidirectional LSTM: does a review like or dislike, when a "not" turns its words round?

    python examples/bidirectional_classification.py

Reviews are generated: filler words, one judgement ("good" words or "bad" words), and in half of them a "not" either
in front of the judgement or at the very end ("good ... not!"). The label follows from both together, so counting
words does not help: the chance is one half. Embedding, two Bidirectional LSTMs and a Dense layer. Expect at least 97
% of unseen reviews right, in some five seconds on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cellstep as keras
from cellstep import layers

MAXLEN = 30
WORDS = 200  # 0 pads, 1 is "not", 2..11 like, 12..21 dislike, the rest is filler
NOT, LIKES, DISLIKES, FILLER = 1, (2, 12), (12, 22), (22, WORDS)


def reviews(number: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Ids (number, MAXLEN), padded with 0, and labels (number,), 1 for a review that likes."""
    texts, labels = [], []
    for _ in range(number):
        text = list(np.random.randint(*FILLER, size=np.random.randint(8, MAXLEN - 1)))
        like, turned = np.random.randint(2), np.random.randint(2)
        place = np.random.randint(1, len(text))
        text[place] = np.random.randint(*(LIKES if like else DISLIKES))
        if turned:
            text.insert(place if np.random.randint(2) else len(text), NOT)
        texts.append(text)
        labels.append(like ^ turned)
    return keras.utils.pad_sequences(texts, maxlen=MAXLEN, padding="post"), np.array(labels)


def build() -> keras.Model:
    """The chance (B, 1) that a review (B, MAXLEN) likes."""
    inputs = keras.Input(shape=(None,), dtype="int32")
    x = layers.Embedding(WORDS, 16, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.LSTM(16, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(16))(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    return keras.Model(inputs, outputs)


def main(argv: Sequence[str] | None = None) -> float:
    """Train and judge; returns the share of unseen reviews that are classified right."""
    parser = argparse.ArgumentParser(description="A bidirectional LSTM that understands 'not'.")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    keras.utils.set_random_seed(args.seed)
    x_train, y_train = reviews(4000)
    x_test, y_test = reviews(1000)
    model = build()
    model.summary()
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=32, epochs=args.epochs, validation_data=(x_test, y_test), verbose=2)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"loss {loss:.3f}, {accuracy:.1%} of {len(x_test)} unseen reviews right")
    return float(accuracy)


if __name__ == "__main__":
    main()
