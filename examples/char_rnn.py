"""A character model: learn to say which character comes next in a text, then write some.

    python examples/char_rnn.py TEXT --minutes 2

Embedding, LSTM, Dense; trained on random windows of the first nine tenths of the text for a given time, and judged on
the last tenth, which it never sees: the figure is nats per character, the mean of -log(probability of the character
that came). Guessing evenly among 65 characters costs log(65) = 4.17.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cellstep
from cellstep import layers, losses, optimizers, sampling

WINDOW, BATCH, EMBEDDING = 64, 32, 32
FIRST_RATE, LAST_RATE = 6e-3, 5e-4
STREAMS = 16  # the held-out text is read as so many long pieces side by side


def build(symbols: int, units: int) -> cellstep.Sequential:
    """Logits (B, T, symbols) for the next character from ids (B, T)."""
    model = cellstep.Sequential(
        [
            cellstep.Input((None,)),
            layers.Embedding(symbols, EMBEDDING),
            layers.LSTM(units, return_sequences=True),
            layers.Dense(symbols),
        ]
    )
    model.compile(
        optimizers.Adam(FIRST_RATE, global_clipnorm=1.0), loss=losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def windows(ids: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """BATCH random pieces of the text, and the same pieces one character later."""
    starts = rng.integers(0, len(ids) - WINDOW, BATCH)
    pieces = ids[starts[:, None] + np.arange(WINDOW + 1)]
    return pieces[:, :-1], pieces[:, 1:]


def train(model: cellstep.Sequential, ids: NDArray[Any], seconds: float, most: float, rng: np.random.Generator) -> int:
    """Train until the time is up or `most` updates are made, and return how many were.

    The learning rate falls from FIRST_RATE to LAST_RATE by the same factor in equal parts of the way.
    """
    start, updates, shown, smooth = time.perf_counter(), 0, 0.0, None
    while (part := max((passed := time.perf_counter() - start) / seconds, updates / most)) < 1:
        model.optimizer.learning_rate = FIRST_RATE * (LAST_RATE / FIRST_RATE) ** part
        loss = float(np.ravel(model.train_on_batch(*windows(ids, rng)))[0])
        smooth = loss if smooth is None else 0.98 * smooth + 0.02 * loss
        updates += 1
        if passed - shown > 10:
            shown = passed
            print(f"{passed:5.0f} s  {updates:6} updates  training loss {smooth:.3f}", flush=True)
    return updates


def held_out_nats(model: cellstep.Sequential, ids: NDArray[Any]) -> float:
    """Mean -log(probability) of each character of the text but the first of each of its STREAMS pieces."""
    length = len(ids) // STREAMS
    pieces = ids[: STREAMS * length].reshape(STREAMS, length)
    logits = np.asarray(model.predict(pieces[:, :-1], batch_size=STREAMS, verbose=0), np.float64)
    top = logits.max(-1, keepdims=True)
    log_sum = top[..., 0] + np.log(np.exp(logits - top).sum(-1))
    chosen = np.take_along_axis(logits, pieces[:, 1:, None], -1)[..., 0]
    return float((log_sum - chosen).mean())


def write(model: cellstep.Sequential, first: int, length: int, rng: np.random.Generator, **how: float) -> list[int]:
    """`length` ids drawn one after the other, each a step of a stream."""
    stream, out = model.stream(), [first]
    for _ in range(length):
        logits = stream.step(np.array(out[-1:], np.int32))[0]
        out.append(int(sampling.sample(logits, from_logits=True, seed=rng, **how)))
    return out


def main(argv: Sequence[str] | None = None) -> float:
    """Train, judge, write; returns the held-out nats per character."""
    parser = argparse.ArgumentParser(description="Train a character model on a text file.")
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0, help="of training")
    parser.add_argument("--updates", type=int, help="stop after so many, if the time is not up before")
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--temperature", type=float, default=1.0, help="of what is written")
    parser.add_argument("--top-k", type=int, help="write with the k likeliest characters only")
    parser.add_argument("--top-p", type=float, help="or with the likeliest that have probability p together")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if not args.minutes > 0 or not (args.updates is None or args.updates > 0):
        parser.error("--minutes and --updates must be above 0")
    try:
        text = args.text.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        parser.error(f"cannot read {args.text}: {error}")
    if len(text) < 40 * WINDOW:
        parser.error(f"{args.text}: expected at least {40 * WINDOW} characters, got {len(text)}")

    cellstep.set_random_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    alphabet = sorted(set(text))
    number = {c: i for i, c in enumerate(alphabet)}
    ids = np.array([number[c] for c in text], np.int32)
    cut = len(ids) * 9 // 10
    model = build(len(alphabet), args.units)
    print(f"{len(ids)} characters, {len(alphabet)} different; {args.units} units; {args.minutes} minutes of training")
    updates = train(model, ids[:cut], 60 * args.minutes, args.updates or float("inf"), rng)
    nats = held_out_nats(model, ids[cut:])
    print(f"{updates} updates; {nats:.3f} nats per character on {len(ids) - cut} held-out characters\n")
    written = write(model, int(ids[cut]), 300, rng, temperature=args.temperature, top_k=args.top_k, top_p=args.top_p)
    print("".join(alphabet[i] for i in written))
    return nats


if __name__ == "__main__":
    main()
