"""Text generation: learn from a text which character comes next, then write, with more or less courage.

    python examples/text_generation.py

The text is generated: sentences of a small grammar, whose verb agrees in number with a noun some words before. An
LSTM learns to tell the next character from the ones before, 60 steps at a time, states carried on (`tbptt`); writing
draws one character after the other, from chances sharpened by a temperature, or cut to the likeliest that have nine
tenths of them together. Expect at least 95 % of the sentences written at temperature 0.2 to be sentences of the
grammar, in every character, and fewer at 1.5, in some five seconds on one core. `char_rnn.py` does so with a file of
your own.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

import numpy as np

import cellstep as keras
from cellstep import layers, sampling

LANES, WINDOW = 32, 60
NOUNS, ADJECTIVES = ("cat", "dog", "bird", "hen"), ("old", "quick", "brown", "lazy")
VERBS, PLACES = ("sleep", "wait", "sing", "jump"), ("under the tree", "by the river", "in the garden")
ONE, MANY = f"the ({'|'.join(ADJECTIVES)}) ({'|'.join(NOUNS)})", f"({'|'.join(VERBS)})"
GRAMMAR = re.compile(rf"{ONE}( {MANY}s|s {MANY}) ({'|'.join(PLACES)})")


def sentence() -> str:
    """One sentence of the grammar: 'the old cats sleep by the river', 'the lazy hen sings in the garden'."""
    many = np.random.randint(2)
    adjective, noun, verb, place = (np.random.choice(kind) for kind in (ADJECTIVES, NOUNS, VERBS, PLACES))
    return f"the {adjective} {noun}{'s' if many else ''} {verb}{'' if many else 's'} {place}"


def write(model: keras.Model, alphabet: str, length: int, **how: float) -> list[str]:
    """The whole sentences among `length` characters written after a first full stop, one streamed step each."""
    stream, text = model.stream(), "."
    for _ in range(length):
        chances = stream.step(np.array([alphabet.index(text[-1])]))[0]
        text += alphabet[int(sampling.sample(chances, **how))]
    return [part.strip() for part in text.split(".")[1:-1]]


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train and write; returns the share of right sentences by the way of drawing."""
    parser = argparse.ArgumentParser(description="Generate text, character by character.")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    keras.utils.set_random_seed(args.seed)
    text = " ".join(sentence() + "." for _ in range(2000))
    alphabet = "".join(sorted(set(text)))
    ids = np.array([alphabet.index(c) for c in text], "int32")
    steps = (len(ids) // LANES - 1) // WINDOW * WINDOW
    lanes = ids[: LANES * (steps + 1)].reshape(LANES, steps + 1)  # parts of the text side by side

    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(len(alphabet), 16),
            layers.LSTM(64, return_sequences=True),
            layers.Dense(len(alphabet), activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
    model.fit(lanes[:, :-1], lanes[:, 1:], batch_size=LANES, epochs=args.epochs, tbptt=(WINDOW, WINDOW), verbose=2)

    shares = {}
    for temperature, top_p in ((0.2, 1.0), (1.0, 1.0), (1.0, 0.9), (1.5, 1.0)):
        name = f"temperature {temperature}" + (f", top-p {top_p}" if top_p < 1 else "")
        written = write(model, alphabet, 4000, temperature=temperature, top_p=top_p)
        shares[name] = float(np.mean([GRAMMAR.fullmatch(s) is not None for s in written]))
        print(f"{name}: {shares[name]:.0%} of {len(written)} sentences right: {written[0]}.")
    return shares


if __name__ == "__main__":
    main()
