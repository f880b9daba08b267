"""Many to many, of different lengths: an encoder, a decoder, and attention between them.

    python examples/attention.py

The languages are generated: clauses such as "the small red hen does not see the cat", into "la poule petite rouge ne
voit pas le chat". Words change places, an article follows the gender of a noun further on, and a negation stands around
the verb, so neither lengths nor places agree. The encoder, two GRUs from both sides, keeps a state for each source
word; the decoder, a GRU that starts from their last states, writes one word at a time and looks back, at each, at the
source words that it needs: `Attention` makes the weights, which are the picture.

The same net without attention has to carry the whole sentence in the decoder's first state. Expect 95 % of unseen
sentences translated without a wrong word with attention, and less than half without, given as many updates: the longer,
the worse. `translate_characters.py` carries the decoder's states by hand; here each word is written by reading again
what stands.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import cellstep as keras
from cellstep import layers

NOUNS = {
    "cat": "le chat",
    "dog": "le chien",
    "hen": "la poule",
    "cow": "la vache",
    "wolf": "le loup",
    "bee": "la guêpe",
}
ADJECTIVES = {"small": "petit", "red": "rouge", "old": "vieux", "sad": "triste", "quick": "vite", "calm": "calme"}
VERBS = {"see": "voit", "hear": "entend", "follow": "suit", "like": "aime", "fear": "craint"}
START, END = "<start>", "<end>"
EXAMPLE = "the small red hen does not see the old cat and the dog likes the bee"
UNITS, MOST = 32, 26
BUCKETS = ((5, 10), (11, 17), (18, 23))  # lengths of source sentences, in words


def noun_phrase() -> tuple[str, str]:
    noun = str(np.random.choice(list(NOUNS)))
    adjectives = np.random.choice(list(ADJECTIVES), np.random.randint(3), replace=False)
    article, name = NOUNS[noun].split()
    return " ".join(["the", *adjectives, noun]), " ".join([article, name, *(ADJECTIVES[a] for a in adjectives)])


def pair() -> tuple[str, str]:
    """1 or 2 clauses in both languages."""
    source, target = [], []
    for _ in range(np.random.randint(1, 3)):
        (who, qui), (whom, que) = noun_phrase(), noun_phrase()
        verb, no = str(np.random.choice(list(VERBS))), np.random.randint(2)
        source.append(f"{who} {'does not ' + verb if no else verb + 's'} {whom}")
        target.append(f"{qui} {'ne ' + VERBS[verb] + ' pas' if no else VERBS[verb]} {que}")
    return " and ".join(source), " et ".join(target)


def build(sources: int, targets: int, attend: bool, updates: int) -> tuple[keras.Model, keras.Model]:
    """The model to train, and one of its layers that gives attention's weights (B, T, S).

    The first gives chances (B, T, targets) from source ids (B, S) and target ids (B, T), both padded with 0.
    """
    source, written = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    reader = layers.Bidirectional(layers.GRU(UNITS, return_sequences=True, return_state=True))
    read, ahead, back = reader(layers.Embedding(sources, UNITS, mask_zero=True)(source))
    decoder = layers.GRU(2 * UNITS, return_sequences=True)
    state = decoder(
        layers.Embedding(targets, UNITS, mask_zero=True)(written), initial_state=layers.Concatenate()([ahead, back])
    )
    context, weights = layers.Attention()([state, read], return_attention_scores=True)
    seen = layers.Concatenate()([state, context]) if attend else state
    model = keras.Model([source, written], layers.Dense(targets, activation="softmax")(seen))
    rate = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=updates)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss="sparse_categorical_crossentropy")
    return model, keras.Model([source, written], weights)


def write(model: keras.Model, x: np.ndarray, words: list[str]) -> list[list[str]]:
    """A translation of each row of x, always the likeliest word, until END or MOST words."""
    written = np.full((len(x), 1), words.index(START), "int32")
    for _ in range(MOST):
        last = model.predict([x, written], batch_size=len(x), verbose=0)[:, -1]
        written = np.concatenate([written, last.argmax(axis=-1).astype("int32")[:, None]], axis=1)
        if (written == words.index(END)).any(axis=1).all():
            break
    texts = [[words[number] for number in row[1:]] for row in written]
    return [text[: text.index(END)] if END in text else text for text in texts]


def draw(source: list[str], target: list[str], weights: np.ndarray, shares: dict[str, list[float]], path: Path) -> None:
    """Where the decoder looked, weights (T, S), and the share of right sentences by length with and without."""
    from cellstep.lab import style

    with style.context():
        figure, axes = style.figure(rows=2, height=7.4, height_ratios=(5, 2.2))
        map_, ax = axes[:, 0]
        image = map_.imshow(weights, cmap=style.SEQUENTIAL, vmin=0, vmax=1)
        map_.set_xticks(range(len(source)), source, rotation=60, ha="right", rotation_mode="anchor")
        map_.set_yticks(range(len(target)), target)
        map_.set_xlabel("source word")
        map_.set_ylabel("word written")
        map_.set_title("Where the decoder looks as it writes")
        map_.grid(False)
        figure.colorbar(image, ax=map_, label="weight (share of 1)")
        for i, (name, share) in enumerate(shares.items()):
            ax.plot([100 * s for s in share], label=name, **style.line(i, points=len(share)))
        ax.set_xticks(range(len(BUCKETS)), [f"{low} to {high}" for low, high in BUCKETS])
        ax.set_ylim(0, 103)
        ax.set_xlabel(style.label("length of the source", "words"))
        ax.set_ylabel(style.label("sentences right", "%"))
        ax.legend(loc="center right")
    style.save(figure, path, dpi=100)


def main(argv: Sequence[str] | None = None) -> tuple[float, float]:
    """Train both; returns the share of unseen sentences translated right, with and without attention."""
    parser = argparse.ArgumentParser(description="Translate sentences, with and without attention.")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--picture", type=Path, help="write a picture there; needs matplotlib")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    keras.utils.set_random_seed(args.seed)
    pairs = [(s.split(), t.split()) for s, t in dict(pair() for _ in range(4500)).items()][:4200]
    english = ["", *sorted({word for source, _ in pairs for word in source})]
    french = ["", START, END, *sorted({word for _, target in pairs for word in target})]
    x = keras.utils.pad_sequences([[english.index(w) for w in source] for source, _ in pairs], padding="post")
    y = keras.utils.pad_sequences([[french.index(w) for w in [START, *t, END]] for _, t in pairs], padding="post")
    cut = len(x) - 300
    lengths = np.array([len(source) for source, _ in pairs[cut:]])

    shares, right = {}, {}
    for name, attend in (("without attention", False), ("with attention", True)):
        model, looks = build(len(english), len(french), attend, args.epochs * -(-cut // 32))
        model.fit([x[:cut], y[:cut, :-1]], y[:cut, 1:], batch_size=32, epochs=args.epochs, verbose=0)
        written = write(model, x[cut:], french)
        good = np.array([text == target for text, (_, target) in zip(written, pairs[cut:], strict=True)])
        right[name] = float(good.mean())
        shares[name] = [float(good[(low <= lengths) & (lengths <= high)].mean()) for low, high in BUCKETS]
        by_length = ", ".join(f"{share:.0%}" for share in shares[name])
        print(f"{name:18} {right[name]:6.1%} of {len(good)} unseen sentences right; short, middling, long: {by_length}")

    example = EXAMPLE.split()
    ids = np.array([[english.index(word) for word in example]], "int32")
    (text,) = write(model, ids, french)
    print(f"\n{' '.join(example)}\n-> {' '.join(text)}\n")
    if args.picture:
        prefix = np.array([[french.index(word) for word in [START, *text]]], "int32")
        weights = looks.predict([ids, prefix], verbose=0)
        draw(example, [*text, END], weights[0], shares, args.picture)
    better, worse = right["with attention"], right["without attention"]
    print(f"Attention takes the share of right sentences from {worse:.0%} to {better:.0%}.")
    return better, worse


if __name__ == "__main__":
    main()
