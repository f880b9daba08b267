"""A walk through recurrent layers, and a model that reads pictures row by row.

    python examples/rnn_guide.py

Outputs at the end or at each step, states in and out, stacks and both directions, states kept from batch to batch,
cells in an RNN layer: each shown on a few numbers, with an assertion of what it should give. Then an LSTM reads
pictures of digits, drawn in a small font at random places under noise, one row of pixels a step. Expect at least 95 %
of unseen pictures right, in some two seconds on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cellstep as keras
from cellstep import layers

SIZE = 14
GLYPHS = [  # of ten digits, 5 rows of 3 pixels: a row is a number of three bits, the left pixel first
    (7, 5, 5, 5, 7),
    (2, 6, 2, 2, 7),
    (7, 1, 7, 4, 7),
    (7, 1, 7, 1, 7),
    (5, 5, 7, 1, 1),
    (7, 4, 7, 1, 7),
    (7, 4, 7, 5, 7),
    (7, 1, 1, 1, 1),
    (7, 5, 7, 5, 7),
    (7, 5, 7, 1, 7),
]


def same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two results agree but for rounding."""
    return bool(np.allclose(a, b, rtol=1e-5, atol=1e-6))


def tour() -> None:
    """What recurrent layers give, on 4 sequences of 10 steps of 3 numbers."""
    x = np.random.standard_normal((4, 10, 3)).astype("float32")

    every = layers.LSTM(8, return_sequences=True, return_state=True)
    outputs, h, c = every(x)
    print(f"return_sequences: {outputs.shape}, return_state: {h.shape} and {c.shape}")
    assert same(outputs[:, -1], h)  # the last output is the state h

    _, h, c = every(x[:, :6])
    rest, _, _ = every(x[:, 6:], initial_state=[h, c])
    assert same(rest, outputs[:, 6:])  # states put back where they were taken: as if there was no break

    stateful = layers.GRU(8, stateful=True)
    halves = [stateful(x[:, :5]), stateful(x[:, 5:])]  # keeps its states from call to call
    stateful.reset_state()
    assert same(stateful(x), halves[1])

    both = layers.Bidirectional(layers.GRU(8, return_sequences=True))
    print(f"Bidirectional: {both(x).shape}, forward outputs beside backward outputs")
    stack = layers.RNN([layers.LSTMCell(8), layers.GRUCell(5)], return_sequences=True)
    print(f"RNN over two cells: {stack(x).shape}")

    layer, by_cell = layers.LSTM(8), layers.RNN(layers.LSTMCell(8))
    by_cell.build(x.shape)
    layer.build(x.shape)
    by_cell.set_weights(layer.get_weights())
    assert same(layer(x), by_cell(x))  # the cell makes a step, the layer goes through time


def pictures(number: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Pictures (number, SIZE, SIZE), float32, and their digits (number,)."""
    y = np.random.randint(10, size=number)
    x = 0.2 * np.random.standard_normal((number, SIZE, SIZE))
    glyphs = np.array([[[row >> bit & 1 for bit in (2, 1, 0)] for row in glyph] for glyph in GLYPHS])
    glyphs = glyphs.repeat(2, axis=1).repeat(2, axis=2)  # 10 by 6 pixels
    for picture, digit in zip(x, y, strict=True):
        top, left = np.random.randint(SIZE - 10 + 1), np.random.randint(SIZE - 6 + 1)
        picture[top : top + 10, left : left + 6] += glyphs[digit]
    return x.astype("float32"), y


def main(argv: Sequence[str] | None = None) -> float:
    """The tour, then the model; returns the share of unseen pictures that are read right."""
    parser = argparse.ArgumentParser(description="A walk through recurrent layers.")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    keras.utils.set_random_seed(args.seed)
    tour()
    x_train, y_train = pictures(4000)
    x_test, y_test = pictures(1000)
    model = keras.models.Sequential(
        [keras.Input((None, SIZE)), layers.LSTM(64), layers.BatchNormalization(), layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss=loss, metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=64, epochs=args.epochs, validation_data=(x_test, y_test), verbose=2)
    accuracy = float(model.evaluate(x_test, y_test, verbose=0)[1])
    print(f"{accuracy:.1%} of {len(x_test)} unseen pictures read right")
    return accuracy


if __name__ == "__main__":
    main()
