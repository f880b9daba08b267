"""One process that fits one model: `python bench/fit_worker.py cellstep|keras SHAPE [MODE]`, for the suite.

The same code runs on cellstep and on Keras. The modes `check` and `check64` print the loss of one short epoch, from
fixed weights and without shuffling, in float32 or float64, and end. Without them, the worker fits one epoch for each
line that it reads, and answers with its loss. Any other mode is one of `OPTIONS`, which is switched on for that.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np

from cellstep.benchmarks.shapes import Shape, fit_samples, parse

CHECKED = 128  # samples
OPTIONS = ("mask", "dropout", "recurrent_dropout", "bidirectional")


def data(shape: Shape) -> tuple[Any, Any]:
    """x (samples, T, I), y (samples, 1): whether the mean of the first input is positive."""
    x = np.random.default_rng(3).standard_normal((fit_samples(shape), shape.T, shape.I)).astype(np.float32)
    return x, (x[:, :, :1].mean(1) > 0).astype(np.float32)


def build(library: Any, shape: Shape, dtype: str = "float32", option: str = "") -> Any:
    """An LSTM and Dense(1), compiled, with weights from a fixed seed."""
    layers = library.layers
    dropped = {option: 0.2} if option.endswith("dropout") else {}
    lstm = layers.LSTM(shape.H, dtype=dtype, **dropped)
    model = library.Sequential(
        [
            library.Input((shape.T, shape.I), dtype=dtype),
            *([layers.Masking(9.0, dtype=dtype)] if option == "mask" else []),
            layers.Bidirectional(lstm) if option == "bidirectional" else lstm,
            layers.Dense(1, dtype=dtype),
        ]
    )
    rng = np.random.default_rng(5)
    model.set_weights([(rng.standard_normal(w.shape) / np.sqrt(w.shape[0])).astype(dtype) for w in model.get_weights()])
    model.compile(optimizer="adam", loss="mse")
    return model


def main() -> None:
    """See above."""
    name, shape = sys.argv[1], parse(sys.argv[2])
    mode = sys.argv[3] if len(sys.argv) > 3 else ""
    library: Any = importlib.import_module(name)
    check = mode.startswith("check")
    model = build(library, shape, "float64" if mode == "check64" else "float32", "" if check else mode)
    x, y = data(shape)
    if mode == "mask":
        x[:, -shape.T // 4 :][::2] = 9.0
    if check:
        x, y = x[:CHECKED], y[:CHECKED]

    def epoch() -> float:
        done = model.fit(x, y, batch_size=shape.B, epochs=1, shuffle=not check, verbose=0)
        return float(done.history["loss"][0])

    if check:
        print(epoch())
        return
    for _ in sys.stdin:
        print(epoch(), flush=True)


if __name__ == "__main__":
    main()
