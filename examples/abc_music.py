"""Music, character by character: tunes in ABC notation from a net that has to keep time.

    python examples/abc_music.py --out tunes.abc --midi tunes.mid --score tune.svg

ABC notation writes a tune as text: `M:3/4` is its metre, `L:1/8` the unit of length, `K:G` the key; then notes, each
with its length, and `|` after each bar. The lengths of a bar must add up to the metre, which stands at the head of
the tune: to end a bar in time a model has to remember the metre and count. A table of which character follows which
four cannot; an LSTM learns it.

The tunes to learn from are generated. `--data FILE` takes real songs, an empty line after each: thesession.org gives
its tunes away (github.com/adactio/TheSession-data), and MIT's course 6.S191 comes with 817 Irish ones, `irish.abc` in
the data of its first lab (github.com/MITDeepLearning/introtodeeplearning).

The last tenth of the tunes is held out. A net that is much surer of the tunes that it learned from than of these has
learned them by heart, and the program says so: `--tunes 70 --epochs 300` shows it.

The text is far too long for one back-propagation, so it is cut into 32 lanes that are read side by side, 64
characters at a time; states are carried on from piece to piece, while gradients end at its edge. There are two ways
to say so: a `stateful` layer that is fed piece after piece, and `fit(..., tbptt=(64, 64))` on the lanes as a whole.
They are one computation but for rounding; both are run.

Then it writes tunes with a stream, drawing each character with a temperature, top-k or top-p, and counts the bars
that are in time. `--midi` makes them heard, with mido (the extra `music`), and `--score` draws the first as notes
where abcm2ps is installed. Expect 90 % of them at temperature 0.5 and 85 % at 1, against some 25 % from the table, in
some ten seconds on one core.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

import cellstep as keras
from cellstep import layers, sampling

LANES, PIECE, UNITS, MEMORY = 32, 64, 96, 4
SCALE = "CDEFGABcdefgab"
TONICS = {"C": 0, "G": 4, "D": 1, "F": 3}  # where the key note lies in SCALE
METRES = {"2/4": 4, "3/4": 6, "4/4": 8}  # in eighths
WAYS = [(0.3, {}), (0.5, {}), (0.7, {}), (1.0, {}), (1.3, {}), (1.0, {"top_k": 4}), (1.0, {"top_p": 0.9})]
NOTE = re.compile(r"[\^_=]*[A-Ga-gz][,']*(\d*)(/?)((?:[1-9]\d*)?)")
HEART = 0.15  # nats: how much surer of what it learned from than of the rest a net may be
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}  # semitones
FIFTHS = "FCGDAEB"  # in this order notes become sharp, in the other one flat
MODES = {"": 0, "maj": 0, "ion": 0, "mix": -1, "dor": -2, "m": -3, "min": -3, "aeo": -3, "phr": -4, "loc": -5, "lyd": 1}


def bar(length: int, start: int, end: int | None = None) -> str:
    """Notes that last `length` eighths in all and move by small steps; the last one is `end`, where given."""
    notes, at = "", start
    while length:
        lasts = int(np.random.choice([n for n in (1, 1, 1, 2, 2, 3, 4) if n <= length]))
        if end is not None and length <= 4:
            lasts, at = length, end
        notes += SCALE[at] + (str(lasts) if lasts > 1 else "")
        length -= lasts
        at = int(np.clip(at + np.random.randint(-2, 3), 0, len(SCALE) - 1))
    return notes


def tune() -> str:
    """Eight bars, A B A C A B A D, which end on the key note."""
    metre, key = np.random.choice(list(METRES)), np.random.choice(list(TONICS))
    eighths, tonic = METRES[metre], TONICS[key]
    a, b, c = (bar(eighths, tonic + int(np.random.randint(6))) for _ in range(3))
    bars = [a, b, a, c, a, b, a, bar(eighths, tonic + 2, tonic)]
    return f"X:1\nM:{metre}\nL:1/8\nK:{key}\n{'|'.join(bars)}|]\n\n"


def bars_in_time(text: str) -> tuple[int, int]:
    """How many bars of a tune are exactly as long as its metre says, and how many it has."""
    head = dict(re.findall(r"^([A-Z]):(.*)$", text, re.MULTILINE))
    body = "".join(line for line in text.splitlines() if not re.match(r"[A-Za-z]:", line))
    bars = [part for part in re.split(r"[|\]\[:]+", re.sub(r'"[^"]*"|!.*?!|\s', "", body)) if part]
    try:
        metre = {"C": Fraction(1), "C|": Fraction(1)}.get(head["M"]) or Fraction(head["M"])
        unit = Fraction(head["L"])
    except (KeyError, ValueError, ZeroDivisionError):
        return 0, max(1, len(bars))
    return sum(_length(notes) * unit == metre for notes in bars), max(1, len(bars))


def _length(notes: str) -> Fraction:
    """The length of a bar in units; -1 where it is not made of notes alone."""
    found = list(NOTE.finditer(notes))
    if "".join(note[0] for note in found) != notes:
        return Fraction(-1)
    return sum(
        (Fraction(int(n or 1), int(d or 2) if slash else 1) for n, slash, d in (f.groups() for f in found)), Fraction(0)
    )


def heard(tune: str) -> list[tuple[int | None, Fraction]]:
    """The notes of a tune: semitones above the C below middle C, None for a rest; and lengths in whole notes."""
    head = dict(re.findall(r"^([A-Z]):(.*)$", tune, re.MULTILINE))
    body = "".join(line for line in tune.splitlines() if not re.match(r"[A-Za-z]:", line))
    found = re.match(r"\s*([A-G])([#b]?)\s*([A-Za-z]{0,3})", head.get("K", "C")) or re.match("(C)()()", "C")
    assert found is not None
    sharps = FIFTHS.index(found[1]) - 1 + 7 * ((found[2] == "#") - (found[2] == "b")) + MODES.get(found[3].lower(), 0)
    of_key = {letter: 1 for letter in FIFTHS[: max(sharps, 0)]} | {
        letter: -1 for letter in FIFTHS[7 + min(sharps, 0) :]
    }
    unit = re.fullmatch(r"\s*([1-9]\d?)/([1-9]\d?)\s*", head.get("L", ""))  # a net may write nonsense there
    of_one = Fraction(int(unit[1]), int(unit[2])) if unit else Fraction(1, 8)
    notes, of_bar = [], dict[str, int]()
    for each in re.finditer(f"[|]|{NOTE.pattern}", re.sub(r'"[^"]*"|!.*?!', "", body)):
        text = each[0]
        if text == "|":
            of_bar = {}
            continue
        signs, letter = re.match(r"([\^_=]*)([A-Ga-gz])", text).groups()  # type: ignore[union-attr]
        length = _length(text) * of_one
        if letter == "z":
            notes.append((None, length))
            continue
        if signs:  # holds to the end of the bar
            of_bar[letter] = signs.count("^") - signs.count("_")
        up = 12 * (1 + letter.islower() + text.count("'") - text.count(","))
        notes.append((STEPS[letter.upper()] + up + of_bar.get(letter, of_key.get(letter.upper(), 0)), length))
    return notes


def write_midi(tunes: Sequence[str], path: Path, beats: int = 120) -> None:
    """The tunes, one after another, as a MIDI file."""
    import mido

    file = mido.MidiFile(type=0)
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(beats)))
    rest = 0
    for pitch, length in (note for tune in tunes for note in [*heard(tune), (None, Fraction(1, 2))]):
        ticks = int(4 * file.ticks_per_beat * length)
        if pitch is None:
            rest += ticks
            continue
        note = min(max(48 + pitch, 0), 127)  # what MIDI has
        track.append(mido.Message("note_on", note=note, velocity=80, time=rest))
        track.append(mido.Message("note_off", note=note, velocity=0, time=ticks))
        rest = 0
    file.save(path)


def draw_score(tune: str, path: Path) -> str:
    """The tune as notes, an SVG; what was done, in a sentence."""
    program = shutil.which("abcm2ps")
    if program is None:
        return "no score: abcm2ps is not installed; https://abcjs.net draws a tune that is pasted there"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "tune.abc"
        source.write_text(tune, encoding="utf-8")
        command = [program, "-q", "-g", "-O", str(Path(folder) / "score.svg"), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        drawn = sorted(Path(folder).glob("*.svg"))
        if not drawn:
            return f"no score: abcm2ps said {done.stderr.strip() or done.returncode}"
        shutil.copyfile(drawn[0], path)
    return f"the first tune as notes: {path}"


def in_time(written: str) -> float:
    """The share of bars in time over all whole tunes of a text."""
    counts = [bars_in_time(part) for part in written.split("\n\n")[:-1] if part.strip()]
    return sum(right for right, _ in counts) / max(1, sum(bars for _, bars in counts))


def build(symbols: int, stateful: bool, updates: int) -> keras.Sequential:
    """Chances of the next character, to be trained by so many steps of the optimizer."""
    shape: dict = {"batch_shape": (LANES, None)} if stateful else {"shape": (None,)}
    model = keras.Sequential(
        [
            keras.Input(**shape, dtype="int32"),
            layers.Embedding(symbols, 16),
            layers.LSTM(UNITS, return_sequences=True, stateful=stateful),
            layers.Dense(symbols, activation="softmax"),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(0.01, updates)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss="sparse_categorical_crossentropy")
    return model


def train(
    ids: np.ndarray, symbols: int, epochs: int, stateful: bool, seed: int, stop: int | None = None
) -> tuple[keras.Sequential, list[float]]:
    """Read the lanes from left to right once an epoch, piece by piece, states carried on; or stop after fewer."""
    keras.utils.set_random_seed(seed)
    pieces = (len(ids) // LANES - 1) // PIECE
    model = build(symbols, stateful, epochs * pieces)
    lanes = ids[: LANES * (pieces * PIECE + 1)].reshape(LANES, -1)
    x, y = lanes[:, :-1], lanes[:, 1:]
    options = {"batch_size": LANES, "epochs": stop or epochs, "verbose": 0}
    if not stateful:
        return model, model.fit(x, y, tbptt=(PIECE, PIECE), **options).history["loss"]
    # row k of piece p continues where row k of piece p - 1 ended
    x, y = (a.reshape(LANES, pieces, PIECE).swapaxes(0, 1).reshape(-1, PIECE) for a in (x, y))
    begin = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: model.reset_states())
    return model, model.fit(x, y, shuffle=False, callbacks=[begin], **options).history["loss"]


def nats(model: keras.Sequential, ids: np.ndarray) -> float:
    """What a character costs, the mean of -log(chance of the character that came), over a text read from end to end."""
    return float(model.evaluate(ids[None, :-1], ids[None, 1:], verbose=0))


def by_heart(learned: float, held: float) -> str:
    """What the two costs say, in a sentence."""
    if held - learned > HEART:
        return "It has learned its tunes by heart: more tunes, fewer units, dropout or fewer epochs would help."
    return "It has not learned its tunes by heart."


def write(
    next_chances: Callable[[str], np.ndarray], alphabet: str, length: int, temperature: float, **kept: float
) -> str:
    """`length` characters, each drawn from what `next_chances` makes of the one before, beginning with a tune."""
    text = "\nX"
    next_chances("\n")
    while len(text) < length:
        text += alphabet[int(sampling.sample(next_chances(text[-1]), temperature, **kept))]
    return text[1:]


def by_net(model: keras.Sequential, alphabet: str) -> Callable[[str], np.ndarray]:
    stream = model.stream()
    return lambda last: stream.step(np.array([alphabet.index(last)], "int32"))[0]


def by_table(text: str, alphabet: str) -> Callable[[str], np.ndarray]:
    """What follows the last MEMORY characters in the text: no recurrence, and no longer memory."""
    table: dict[str, Counter[str]] = {}
    for k in range(len(text)):
        for n in range(MEMORY + 1):  # shorter ends too, for ends that the text does not have
            table.setdefault(text[max(0, k - n) : k], Counter())[text[k]] += 1
    seen = ""

    def chances(last: str) -> np.ndarray:
        nonlocal seen
        seen = (seen + last)[-MEMORY:]
        found = next(table[seen[n:]] for n in range(MEMORY + 1) if seen[n:] in table)
        return np.array([found[c] for c in alphabet]) / found.total()

    return chances


def draw(shares: dict[str, float], table: float, learnt: float, path: Path) -> None:
    """The share of bars in time for each way of drawing."""
    from cellstep.lab import style

    with style.context():
        figure, axes = style.figure(title="Bars in time, by the way of drawing characters")
        ax, names = axes[0, 0], list(shares)
        ax.barh(names, [100 * s for s in shares.values()], color=style.PALETTE[1], height=0.6)
        for name, share in shares.items():
            ax.text(100 * share - 1, name, f"{share:.0%}", ha="right", va="center", color="white")
        ax.axvline(100 * table, color=style.GREY, linestyle="--", label=f"table of {MEMORY} characters")
        ax.axvline(100 * learnt, color=style.GREY, linestyle=":", label="tunes to learn from")
        ax.invert_yaxis()
        ax.set_xlim(0, 103)
        ax.set_xlabel("bars in time [%]")
        ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=2)
    style.save(figure, path)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Train, write, count; returns the share of bars in time by the way of drawing, that of the table, and the nats of
    a character, learned and held out."""
    parser = argparse.ArgumentParser(description="Learn to write tunes in ABC notation.")
    parser.add_argument("--data", type=Path, help="a text of tunes, an empty line after each; default: generated ones")
    parser.add_argument("--tunes", type=int, default=1500, help="how many to generate")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--length", type=int, default=8000, help="characters to write for each way")
    parser.add_argument("--out", type=Path, help="write the tunes drawn at temperature 0.7 there")
    parser.add_argument("--midi", type=Path, help="write these as a MIDI file; needs mido")
    parser.add_argument("--score", type=Path, help="draw the first of them as notes, an SVG; needs abcm2ps")
    parser.add_argument("--picture", type=Path, help="write a picture there; needs matplotlib")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.epochs < 2:
        parser.error(f"--epochs must be 2 or more, got {args.epochs}")
    if args.data and not args.data.is_file():
        parser.error(f"--data must be a file, got {args.data}")
    for option, value, library in (("--midi", args.midi, "mido"), ("--picture", args.picture, "matplotlib")):
        if value and importlib.util.find_spec(library) is None:
            parser.error(f"{option} needs {library}: pip install {library}")

    keras.utils.set_random_seed(args.seed)
    text = args.data.read_text(encoding="utf-8") if args.data else "".join(tune() for _ in range(args.tunes))
    alphabet = "".join(sorted(set(text)))
    ids = np.array([alphabet.index(c) for c in text], "int32")
    cut = text.rfind("\n\n", 0, len(text) * 9 // 10) + 2
    held, text = text[cut:], text[:cut]
    ids, held_ids = ids[:cut], ids[cut:]
    if len(ids) < LANES * (2 * PIECE + 1) or len(held_ids) < 2:
        parser.error(f"--data must have at least {LANES * (2 * PIECE + 1)} characters and a tenth more, got {cut}")
    learnt = in_time(text)
    print(f"{len(text)} characters, {len(alphabet)} different; {learnt:.0%} of the bars in time")
    print(f"{len(held)} more are held out: {held.count('X:')} tunes")

    first = train(ids, len(alphabet), args.epochs, True, args.seed, stop=2)[1]
    start = time.perf_counter()
    model, losses = train(ids, len(alphabet), args.epochs, False, args.seed)
    took = time.perf_counter() - start
    print(f"nats a character after 2 epochs: {first[1]:.3f} stateful, {losses[1]:.3f} by tbptt: the same computation")
    print(f"{args.epochs} epochs took {took:.1f} s; nats a character at the end: {losses[-1]:.3f}")
    learned, fresh = nats(model, ids[: len(held_ids)]), nats(model, held_ids)
    print(f"nats a character: {learned:.3f} of tunes that it learned from, {fresh:.3f} of those held out.")
    print(f"{by_heart(learned, fresh)}\n")

    shares = {}
    for temperature, kept in WAYS:
        name = ", ".join([f"T {temperature}", *(f"{k.replace('_', '-')} {v}" for k, v in kept.items())])
        written = write(by_net(model, alphabet), alphabet, args.length, temperature, **kept)
        shares[name] = in_time(written)
        print(f"{name:14} {shares[name]:.0%} of the bars in time")
        if temperature == 0.7:
            tunes = [part for part in written.split("\n\n")[:-1] if part.strip()]
            if args.out:
                args.out.write_text(written[: written.rindex("\n\n") + 1], encoding="utf-8")
            if args.midi:
                write_midi(tunes, args.midi)
            if args.score:
                print(draw_score(tunes[0], args.score))
    table = in_time(write(by_table(text, alphabet), alphabet, args.length, 1.0))
    print(f"a table of {MEMORY} characters, T 1.0: {table:.0%}\n")
    print(write(by_net(model, alphabet), alphabet, 400, 0.5).split("\n\n")[0])
    if args.picture:
        draw(shares, table, learnt, args.picture)
    return {**shares, "table": table, "learned": learned, "held out": fresh}


if __name__ == "__main__":
    main()
