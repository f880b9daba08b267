"""Many to many, of equal length: a tag for every word, by a net that reads from both sides.

    python examples/tagging.py

The sentences are generated. Most of their words can be several things: "play" is a noun or a verb, "light" an adjective
or a noun, and often only the words behind decide ("the light plays the ...", "the light play tests ..."). The tags that
the grammar meant are the answer. Sentences differ in length, so batches are padded, and a mask keeps padding out of
states, loss and score.

Three taggers: the commonest tag of each word, an LSTM that has read up to the word, and two LSTMs that meet at it from
both sides (`Bidirectional`), with as many weights in all. Expect 99 % of the words of unseen sentences right from both
sides, and under 97 % from the left alone, which has to guess wherever the answer lies behind the word.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import cellstep as keras
from cellstep import layers

TAGS = ("article", "adjective", "noun", "verb", "pronoun")
ARTICLE, ADJECTIVE, NOUN, VERB, PRONOUN = range(len(TAGS))
BOTH = ["look", "play", "walk", "test", "plan", "paint"]  # "the walk", "we walk"; with an s too
WORDS = {  # what each kind can be; many stand in two rows
    ARTICLE: ["the", "a"],
    ADJECTIVE: ["light", "cold", "calm", "plain", "old", "red"],
    NOUN: [*BOTH, "light", "cold", "calm", "plain", "cat", "cup"],
    PRONOUN: ["we", "they", "you"],
}
SHOWN = "the light plays the plain cold cups"
Tagged = list[tuple[str, int]]


def noun_phrase(many: bool) -> Tagged:
    """An article, 0 to 2 adjectives and a noun, which ends in s for many."""
    adjectives = [(str(word), ADJECTIVE) for word in np.random.choice(WORDS[ADJECTIVE], np.random.randint(3), False)]
    noun = str(np.random.choice(WORDS[NOUN])) + ("s" if many else "")
    return [(str(np.random.choice(WORDS[ARTICLE])), ARTICLE), *adjectives, (noun, NOUN)]


def sentence() -> Tagged:
    """1 to 3 clauses of a subject, a verb that agrees with it, and perhaps an object."""
    out: Tagged = []
    for _ in range(np.random.randint(1, 4)):
        many = bool(np.random.randint(2))
        subject = noun_phrase(many) if np.random.random() < 0.8 else [(str(np.random.choice(WORDS[PRONOUN])), PRONOUN)]
        singular = not many and subject[0][1] != PRONOUN
        out += [*subject, (str(np.random.choice(BOTH)) + ("s" if singular else ""), VERB)]
        if np.random.random() < 0.6:
            out += noun_phrase(bool(np.random.randint(2)))
    return out


def build(words: int, both_sides: bool) -> keras.Model:
    """Chances (B, T, tags) of each word's tag, from ids (B, T) in which 0 pads."""
    if both_sides:
        reader = layers.Bidirectional(layers.LSTM(24, return_sequences=True))
    else:
        reader = layers.LSTM(38, return_sequences=True)  # about as many weights as two of 24
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(words, 16, mask_zero=True),
            reader,
            layers.Dense(len(TAGS), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def draw(words: list[str], chances: dict[str, np.ndarray], path: Path) -> None:
    """Each tagger's chances (T, tags) for one sentence; a ring marks the tag that it takes."""
    from cellstep.lab import style

    with style.context():
        figure, axes = style.figure(rows=len(chances), height=2.5 * len(chances), sharex=True)
        for ax, (name, p) in zip(axes[:, 0], chances.items(), strict=True):
            image = ax.imshow(100 * p.T, aspect="auto", vmin=0, vmax=100, cmap="Blues")
            ax.plot(p.argmax(axis=1), "o", markersize=9, markerfacecolor="none", color=style.PALETTE[0])
            ax.set_title(name)
            ax.set_yticks(range(len(TAGS)), TAGS)
            ax.grid(False)
        axes[-1, 0].set_xticks(range(len(words)), words)
        axes[-1, 0].set_xlabel("words, in the order of reading")
        figure.colorbar(image, ax=axes[:, 0], label=style.label("chance of the tag", "%"))
    style.save(figure, path, dpi=100)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train and judge; returns the share of words tagged right by tagger."""
    parser = argparse.ArgumentParser(description="Tag every word of a sentence, from the left and from both sides.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--picture", type=Path, help="write a picture there; needs matplotlib")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    keras.utils.set_random_seed(args.seed)
    train, test = ([sentence() for _ in range(number)] for number in (2000, 500))
    vocabulary = sorted({word for tagged in train + test for word, _ in tagged})
    ids = {word: number for number, word in enumerate(vocabulary, 1)}

    def arrays(sentences: list[Tagged]) -> tuple[np.ndarray, np.ndarray]:
        x = keras.utils.pad_sequences([[ids[word] for word, _ in tagged] for tagged in sentences], padding="post")
        y = keras.utils.pad_sequences([[tag for _, tag in tagged] for tagged in sentences], padding="post")
        return x, y

    (x, y), (x_test, y_test) = arrays(train), arrays(test)
    counts = {number: Counter(y[x == number].tolist()) for number in ids.values()}
    commonest = np.array([0, *(counts[number].most_common(1)[0][0] for number in ids.values())])
    real = x_test > 0
    right = {"the word's commonest tag": float((commonest[x_test] == y_test)[real].mean())}

    shown = SHOWN.split()
    chances = {}
    for name, both_sides in (("read from the left", False), ("read from both sides", True)):
        model = build(len(ids) + 1, both_sides)
        model.fit(x, y, batch_size=32, epochs=args.epochs, verbose=0)
        right[name] = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
        chances[name] = model.predict(np.array([[ids.get(w, 0) for w in shown]]), verbose=0)[0]
    for name, share in right.items():
        print(f"{name:26} {share:6.1%} of {real.sum()} words of unseen sentences right")
    if args.picture:
        draw(shown, chances, args.picture)
    left, both = right["read from the left"], right["read from both sides"]
    print(f"Reading from both sides makes {(1 - both) / (1 - left):.0%} of the mistakes of reading from the left.")
    return right


if __name__ == "__main__":
    main()
