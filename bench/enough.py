"""When is a cell without h in its gates enough? `python bench/enough.py [--quick] [--part NAME]`.

Prints the tables of docs/learn/without-h.md: cells with as many parameters, trained for as many updates, on tasks of
the lab, on the parity of all bits of a sequence, and on a text, where the next character is to be said. The text is the
reference of the Python language that Python itself has with it (pydoc_data.topics), its last tenth held out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

import cellstep
from cellstep import Input, Sequential, cells, lab, layers, losses, optimizers
from cellstep.lab.result import text_table


def twice(kind: Any) -> Callable[[int], Any]:
    """Two layers of a cell, one over the other."""

    def stack(units: int) -> Any:
        return layers.StackedRNNCells([kind(units), kind(units)])

    stack.__name__ = f"2 x {kind.__name__}"
    return stack


CELLS = ("GRU", cells.MinGRU, twice(cells.MinGRU), cells.SRU, cells.LRU)
TASKS = {"copy": 10, "adding": 20}
#: How many bits there are of which the parity is asked.
BITS = (2, 8)


def parity_of_all(length: int, rows: int) -> tuple[Any, Any]:
    """Bits (rows, length, 1), and whether an odd number of them is set."""
    bits = np.random.default_rng(7).integers(0, 2, (rows, length))
    return (2.0 * bits[:, :, None] - 1).astype(np.float32), bits.sum(1) % 2


def on_tasks(updates: int, seeds: int, rows: int) -> None:
    found = []
    for name, length in TASKS.items():
        both = lab.compare(name, CELLS, updates, seeds, lengths=(length,), checks=4)
        found.append((f"{name} {length}", both))
    for length in BITS:
        found.append((f"parity of {length}", lab.compare(parity_of_all(length, rows), CELLS, updates, seeds, checks=4)))
    names = list(found[0][1].cells)
    header = ["task", "score", *names, "no memory"]
    lines = []
    for name, c in found:
        mean = c.interval()[0]
        line = [name, c.task.measure[0]]
        for i, cell in enumerate(names):
            star = "" if cell == "GRU" else {1: "+", -1: "-", 0: ""}[c.differs(cell, "GRU", int(c.lengths[0]))]
            line.append(f"{mean[i, 0]:.3f}{star}")
        lines.append([*line, f"{c.baseline[0].mean():.3f}"])
    print(
        f"\n1. Scores, {seeds} seeds; + and -: shown to be better or worse than the GRU\n{text_table((header, lines))}"
    )


def text() -> Any:
    """The numbers of the text's characters, and how many different ones there are."""
    from pydoc_data.topics import topics

    whole = "\n".join(topics[name] for name in sorted(topics))
    alphabet = {c: i for i, c in enumerate(sorted(set(whole)))}
    return np.array([alphabet[c] for c in whole], np.int32), len(alphabet)


def reader(make: Any, symbols: int) -> Any:
    """A model that says the next character."""
    model = Sequential([Input((None,)), layers.Embedding(symbols, 32), *make, layers.Dense(symbols)])
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.Adam(5e-3, global_clipnorm=1.0), loss=loss)
    return model


def on_a_text(updates: int, seeds: int, units: int) -> None:
    ids, symbols = text()
    cut, window, batch = len(ids) * 9 // 10, 64, 32
    kinds: dict[str, Callable[[int], list[Any]]] = {"GRU": lambda n: [layers.GRU(n, return_sequences=True)]}
    for kind in (cells.MinGRU, cells.QRNN):
        kinds[kind.__name__] = lambda n, kind=kind: [kind.Layer(n, return_sequences=True)]
        kinds[f"2 x {kind.__name__}"] = lambda n, kind=kind: [kind.Layer(n, return_sequences=True) for _ in range(2)]
    wanted = reader(kinds["GRU"](units), symbols).count_params()
    lines = []
    for name, make in kinds.items():
        n = min(range(8, 1024, 8), key=lambda n, make=make: abs(reader(make(n), symbols).count_params() - wanted))
        nats = []
        for seed in range(seeds):
            cellstep.set_random_seed(seed)
            rng, model = np.random.default_rng(seed), reader(make(n), symbols)
            for _ in range(updates):
                at = rng.integers(0, cut - window, batch)[:, None] + np.arange(window + 1)
                model.train_on_batch(ids[at][:, :-1], ids[at][:, 1:])
            held = ids[cut:][: (len(ids) - cut) // 16 * 16].reshape(16, -1)
            nats.append(float(model.evaluate(held[:, :-1], held[:, 1:], batch_size=16, verbose=0)))
        lines.append([name, str(n), str(model.count_params()), f"{np.mean(nats):.3f}", f"{np.ptp(nats):.3f}"])
        print(lines[-1], flush=True)
    header = ["cell", "units", "parameters", "nats", "apart"]
    print(f"\n2. Nats a character of a text, {updates} updates, {seeds} seeds; how far seeds are apart")
    print(text_table((header, lines)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few updates, to see that it runs")
    parser.add_argument("--part", choices=["tasks", "text"])
    chosen = parser.parse_args()
    if chosen.part != "text":
        on_tasks(*((8, 2, 200) if chosen.quick else (800, 3, 4000)))
    if chosen.part != "tasks":
        on_a_text(*((2, 1, 16) if chosen.quick else (600, 2, 96)))


if __name__ == "__main__":
    main()
