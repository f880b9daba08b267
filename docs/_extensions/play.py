"""The trained net of the interactive page, made by the package when the site is built, as `_static/play/data.js`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cellstep
from cellstep import Input, Sequential, layers, seeds

if TYPE_CHECKING:
    from sphinx.application import Sphinx

WORDS = ("won", "lost", "home", "away", "season")
SENTENCE = ("home", "won", "away", "lost", "home", "won", "won", "season", "away", "lost", "home", "lost", "won")
UNITS = 4


def sentences(n: int, steps: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Words as one-hot (n, steps, 5), and at each step whether more were won than lost since the last "season"."""
    words = rng.choice(len(WORDS), (n, steps), p=[0.3, 0.3, 0.15, 0.15, 0.1])
    more = np.zeros(n, int)
    y = np.zeros((n, steps, 1), "float32")
    for t in range(steps):
        more = np.where(words[:, t] == 4, 0, more + (words[:, t] == 0) - (words[:, t] == 1))
        y[:, t, 0] = more > 0
    return np.eye(len(WORDS), dtype="float32")[words], y


def trained() -> Any:
    """An LSTM that has learnt it, after some seconds."""
    with seeds.seeded(0):
        memory = layers.LSTM(UNITS, return_sequences=True, name="memory")
        model = Sequential([Input((None, len(WORDS))), memory, layers.Dense(1, activation="sigmoid")])
        model.compile(cellstep.optimizers.Adam(0.02, global_clipnorm=1.0), "binary_crossentropy")
        x, y = sentences(1000, 20, np.random.default_rng(0))
        model.fit(x, y, epochs=40, batch_size=50, verbose=0)
    return model


def data(model: Any) -> dict[str, Any]:
    """What the page needs of it."""
    kernel, recurrent, bias, weights, shift = (np.asarray(w, np.float64) for w in model.get_weights())
    return {
        "words": WORDS,
        "sentence": SENTENCE,
        "net": {"kernel": kernel.tolist(), "recurrent": recurrent.tolist(), "bias": bias.tolist()},
        "dense": {"weights": weights[:, 0].tolist(), "bias": float(shift[0])},
    }


def write(app: Sphinx, problem: Exception | None) -> None:
    if problem is None and app.builder.format == "html":
        file = Path(app.outdir) / "_static" / "play" / "data.js"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"const PLAY = {json.dumps(data(trained()))};\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
