"""A language model in PyTorch, whose GRU cellstep runs: one line, `cellstep.torch.accelerate(model)`.

    python examples/torch_language_model.py

Needs PyTorch. The text is a play of made-up lines. An embedding, two layers of GRU with dropout and an output layer
that shares the embedding's weights learn it by truncated back-propagation through time: states go on from window to
window. The program trains the same model twice, first as it is, then accelerated, and prints both times; then the
model writes, a step at a time. Dropout draws the same numbers in both runs, so the losses are the same.
"""

from __future__ import annotations

import argparse
import random
import time

import torch
from torch import Tensor, nn

import cellstep.torch

NAMES = ("HELENA", "CLAUDIO", "NURSE", "DUKE", "FOOL")
SUBJECTS = ("my lord", "this night", "thy love", "the crown", "my heart", "fair fortune")
VERBS = ("doth know", "shall follow", "hath undone", "will mourn", "doth fear")
OBJECTS = ("the morning", "thy gentle hand", "a broken oath", "all my days", "the wretched sea")
ENDINGS = (".", "!", ", and so farewell.", "; what say you?")


def play(lines: int) -> str:
    draw = random.Random(0)
    return "\n".join(
        f"{draw.choice(NAMES)}:\n{draw.choice(SUBJECTS).capitalize()} {draw.choice(VERBS)} {draw.choice(OBJECTS)}"
        f"{draw.choice(ENDINGS)}\n"
        for _ in range(lines)
    )


class LanguageModel(nn.Module):
    def __init__(self, characters: int, units: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, units)
        self.gru = nn.GRU(units, units, num_layers=2, dropout=0.1)
        self.head = nn.Linear(units, characters)
        self.head.weight = self.embedding.weight

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y, h = self.gru(self.embedding(x), h)
        return self.head(y), h  # type: ignore[return-value]


def train(model: LanguageModel, text: Tensor, window: int, epochs: int) -> tuple[float, float]:
    """Nats per character in the last epoch, and the seconds of all. text: (steps, rows)."""
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    start, losses = time.perf_counter(), []
    for _ in range(epochs):
        h, losses = None, []
        for t in range(0, len(text) - window, window):
            y, h = model(text[t : t + window], h)
            h = h.detach()
            loss = nn.functional.cross_entropy(y.flatten(0, 1), text[t + 1 : t + 1 + window].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
    return sum(losses) / len(losses), time.perf_counter() - start


def write(model: LanguageModel, characters: list[str], length: int) -> str:
    model.eval()
    x, h, written = torch.tensor([[characters.index("\n")]]), None, []
    with torch.no_grad():
        for _ in range(length):
            y, h = model(x, h)
            x = torch.multinomial((y[0] / 0.5).softmax(-1), 1)
            written.append(characters[int(x)])
    return "".join(written).strip()


def main(arguments: list[str] | None = None) -> dict[str, tuple[float, float]]:
    """Nats per character and the seconds of training, by the name of the run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args(arguments)
    text = play(options.lines)
    characters = sorted(set(text))
    numbers = torch.tensor([characters.index(c) for c in text])
    rows = numbers[: len(numbers) // 32 * 32].view(32, -1).t().contiguous()
    results = {}
    for name in ("torch.nn", "accelerated"):
        torch.manual_seed(0)
        model = LanguageModel(len(characters), options.units)
        if name == "accelerated":
            cellstep.torch.accelerate(model)
        nats, seconds = results[name] = train(model, rows, 50, options.epochs)
        print(f"{name:12} {nats:.3f} nats per character, trained in {seconds:.1f} s")
    print(write(model, characters, 200))
    return results


if __name__ == "__main__":
    main()
