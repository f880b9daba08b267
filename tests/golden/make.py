"""Computes the golden values with real Keras and real PyTorch, in float64.

    pip install ".[test,test-peers]"
    cd tests && python -m golden.make [FOLDER]

writes keras.npz and torch.npz beside this file, or into FOLDER. The values that are committed come from Keras 3.15.1
on JAX 0.10.2 and from PyTorch 2.13.0. Run it again only to add cases: the old ones must come out as they are, which
the tests of `tests/peers` check wherever the peers are installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import keras
import numpy as np
import torch
from golden.by_keras import by_keras
from golden.by_torch import by_torch
from golden.store import Array, Case, save
from keras.src.backend.common import dtypes

keras.config.set_floatx("float64")
# On JAX Keras narrows results of type float64, as JAX itself does unless told otherwise: tell Keras too.
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

B, T, I, H = 4, 5, 2, 3  # noqa: E741
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
ACTIVATIONS = (
    *("linear", "tanh", "sigmoid", "relu", "hard_sigmoid", "softsign", "elu", "selu", "softplus", "exponential"),
    *("relu6", "leaky_relu", "hard_tanh"),
)
MORE_ACTIVATIONS = (
    *("celu", "log_sigmoid", "squareplus", "sparse_plus", "sparse_sigmoid", "soft_shrink", "hard_shrink"),
    *("gelu", "silu", "hard_silu", "mish", "tanh_shrink"),
)
#: Weights are divided by this: else one overflows within five steps, and the other is flat everywhere.
SMALLER = {"exponential": 8, "hard_tanh": 3}
MASKS = {
    # a row without masked steps, leading and trailing ones, holes, and a row that never runs
    "holes": np.array([[1, 1, 1, 1, 1], [0, 0, 1, 1, 0], [1, 0, 1, 0, 1], [0, 0, 0, 0, 0]]),
    "right": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 0]]),
}


def draw(seed: int, cell: str, reset_after: bool, bias: bool, mask: str | None) -> dict[str, Array]:
    """Seeded inputs of a case."""
    rng = np.random.default_rng(seed)
    G, states = GATES[cell], ("h", "c") if cell == "lstm" else ("h",)
    given = {"W": rng.normal(size=(I, G * H)), "U": rng.normal(size=(H, G * H)) * 0.6}
    if bias:
        given["b"] = rng.normal(size=(2, G * H) if reset_after else (G * H,)) * 0.5
    given["x"] = rng.normal(size=(B, T, I))
    given |= {f"{s}0": rng.normal(size=(B, H)) for s in states}
    given["dy"] = rng.normal(size=(B, T, H))
    given |= {f"d{s}T": rng.normal(size=(B, H)) for s in states}
    if mask:
        given["mask"] = MASKS[mask]
    return given


def rows() -> Iterator[tuple[str, str, dict[str, Any], bool, str | None]]:
    """(peer, cell, options, bias, mask) of each case."""
    both = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    gated: list[tuple[str, dict[str, Any]]] = [
        ("lstm", both),
        ("gru", {**both, "reset_after": True}),
        ("gru", {**both, "reset_after": False}),
    ]
    for mask in (None, "holes"):
        yield "keras", "rnn", {"activation": "tanh"}, True, mask
        for cell, options in gated:
            yield "keras", cell, options, True, mask
    yield "keras", "rnn", {"activation": "tanh"}, False, None
    for cell, options in gated:
        yield "keras", cell, options, False, None
        other = {"activation": "softsign", "recurrent_activation": "hard_sigmoid"}
        yield "keras", cell, {**options, **other}, True, "holes"
    for activation in ACTIVATIONS:
        if activation != "tanh":
            yield "keras", "rnn", {"activation": activation}, True, None
    for mask in (None, "right"):
        yield "torch", "rnn", {"activation": "tanh"}, True, mask
        yield "torch", "rnn", {"activation": "relu"}, True, mask
        for cell, options in gated[:2]:
            yield "torch", cell, options, True, mask
            yield "torch", cell, options, False, mask
    for i, activation in enumerate(MORE_ACTIVATIONS):
        yield "keras", "rnn", {"activation": activation}, True, None
        cell, options = gated[i % 3]
        other = {"activation": activation, "recurrent_activation": MORE_ACTIVATIONS[-1 - i]}
        yield "keras", cell, {**options, **other}, True, "holes"


def main(folder: Path) -> None:
    peers: dict[str, dict[str, Case]] = {"keras": {}, "torch": {}}
    for seed, (peer, cell, options, bias, mask) in enumerate(rows()):
        given = draw(seed, cell, options.get("reset_after", False), bias, mask)
        # gates that nothing bounds make states grow
        gate = 2 if options.get("recurrent_activation") in MORE_ACTIVATIONS else 1
        given |= {name: given[name] / SMALLER.get(options["activation"], gate) for name in ("W", "U")}
        found = (by_keras if peer == "keras" else by_torch)(cell, options, given)
        assert all(np.isfinite(a).all() for a in found.values())
        words = [cell, *(str(v) for v in options.values()), *([] if bias else ["no_bias"]), *([mask] if mask else [])]
        peers[peer]["-".join(words)] = Case(cell, options, given, found)
    versions = {"keras": keras.__version__, "jax": jax.__version__, "torch": torch.__version__}
    for peer, cases in peers.items():
        save(folder / f"{peer}.npz", cases, versions)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
