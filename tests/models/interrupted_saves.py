"""A process that saves one model again and again, and is killed at random moments: what is at the path is always whole.

    python interrupted_saves.py WAY KILLS FOLDER

WAY is save, save_weights, tensors (a .safetensors file) or checkpoint (ModelCheckpoint in fit). Every weight of a saved
model has one and the same value, so that a mixture of two saves would show. Prints how many kills met a save that had
begun but not ended.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from cellstep import callbacks, layers, models, optimizers


class Constant(optimizers.SGD):
    """Adds 1 to every weight in each step."""

    def update(self, flat: Any, rate: float, step: int) -> None:
        flat.value += 1


def network() -> models.Sequential:
    """A model of 3 MB whose weights are 0."""
    made = models.Sequential([layers.Input((500,)), layers.Dense(500), layers.Dense(500), layers.Dense(1)])
    made.set_weights([np.zeros_like(w) for w in made.get_weights()])
    made.compile(Constant(), "mse")
    return made


def save_for_ever(way: str, path: Path) -> None:
    """Save without end, each time with other values."""
    net = network()
    if way == "checkpoint":
        keep = callbacks.ModelCheckpoint(path, save_freq=1)
        x = np.zeros((8, 500), "float32")
        net.fit(x, x[:, :1], epochs=10**6, batch_size=1, callbacks=[keep], verbose=0)
    for number in itertools.count(1):
        net.set_weights([np.full_like(w, number) for w in net.get_weights()])
        (net.save if way == "save" else net.save_weights)(path)


def value_in(way: str, path: Path) -> float:
    """The value of all weights in a file."""
    net = network()
    if way == "save_weights":
        net.load_weights(path)
    else:
        net = models.load_model(path, compile=False)
    values = {value for w in net.get_weights() for value in np.unique(w)}
    assert len(values) == 1, values
    return float(values.pop())


def main(way: str, kills: int, folder: Path) -> None:
    path = folder / {"save_weights": "m.weights.h5", "tensors": "m.safetensors"}.get(way, "m.keras")
    draw, values, left = random.Random(way), [], 0
    for _ in range(kills):
        child = os.fork()
        if not child:
            save_for_ever(way, path)
        before = path.stat().st_mtime_ns if path.exists() else 0
        deadline = time.monotonic() + 60
        while not path.exists() or path.stat().st_mtime_ns == before:  # until it saves
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        values.append(value_in(way, path))
        left = len(list(folder.glob(".cellstep-*.tmp")))
    print(f"{way}: {kills} kills, {left} in the middle of a save, {len(set(values))} different values")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
