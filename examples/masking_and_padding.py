"""Masking and padding: sequences of different lengths in one array, and how layers know where they end.

    python examples/masking_and_padding.py

Follows a mask from the layer that makes it to the layers that use it, then trains two models on the same padded data,
one that masks and one that does not: which symbol came last, with 0 to 37 steps of padding behind it? Expect at least
99 % of unseen rows right with the mask and less than half without, and outputs that padding does not change by one
bit, in a few seconds on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

import cellstep as keras
from cellstep import layers

SYMBOLS, MAXLEN = 10, 40


def show_masks() -> bool:
    """Print what each layer does with a mask; returns whether padding changed nothing in the end."""
    rows = [[711, 632, 71], [73, 8, 3215, 55, 927], [83, 91, 1, 645, 1253, 927]]
    padded = keras.utils.pad_sequences(rows, padding="post")
    print(f"padded at the end:\n{padded}")

    embedding = layers.Embedding(input_dim=5000, output_dim=16, mask_zero=True)
    embedded, mask = embedding(padded), embedding.compute_mask(padded)
    print(f"Embedding(mask_zero=True) makes the mask\n{mask.astype(int)}")
    found = layers.Masking(mask_value=0.0).compute_mask(embedded * mask[..., None])
    print(f"Masking finds the same in steps that are 0 throughout: {np.array_equal(found, mask)}")

    lstm = layers.LSTM(32)
    with_mask, with_lengths = lstm(embedded, mask=mask), lstm(embedded, lengths=[len(row) for row in rows])
    alone = np.concatenate([lstm(embedding(np.array([row]))) for row in rows])  # each row by itself, no padding
    model = keras.Sequential([embedding, lstm])  # layers in a model pass the mask along by themselves
    same = all(np.array_equal(y, alone) for y in (with_mask, with_lengths, model(padded)))
    print(f"an LSTM by mask, by lengths and in a model gives what rows without padding give, bit for bit: {same}")
    print(f"without the mask it does not: {not np.array_equal(lstm(embedded), alone)}\n")
    return same


def last_symbol(mask: bool, epochs: int) -> float:
    """Train on padded rows to tell the last symbol; the share of unseen rows that are right."""
    rows = [np.random.randint(1, SYMBOLS, np.random.randint(3, MAXLEN + 1)) for _ in range(2500)]
    x, y = keras.utils.pad_sequences(rows, maxlen=MAXLEN, padding="post"), np.array([row[-1] for row in rows])
    inputs = keras.Input(shape=(None,), dtype="int32")
    hidden = layers.Embedding(SYMBOLS, 8, mask_zero=mask)(inputs)
    outputs = layers.Dense(SYMBOLS, activation="softmax")(layers.SimpleRNN(16)(hidden))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:2000], y[:2000], batch_size=32, epochs=epochs, verbose=0)
    return float(model.evaluate(x[2000:], y[2000:], verbose=0)[1])


def main(argv: Sequence[str] | None = None) -> tuple[bool, float, float]:
    """Returns whether padding changed nothing, and the accuracies with a mask and without."""
    parser = argparse.ArgumentParser(description="Masking and padding.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    keras.utils.set_random_seed(args.seed)
    same = show_masks()
    masked, plain = last_symbol(True, args.epochs), last_symbol(False, args.epochs)
    print(f"the last symbol before the padding: {masked:.1%} right with the mask, {plain:.1%} without")
    return same, masked, plain


if __name__ == "__main__":
    main()
