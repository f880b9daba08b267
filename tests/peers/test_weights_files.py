"""A weights file goes from Keras to here and back: outputs are the same, and training goes on the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import cellstep

pytest.importorskip("h5py")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RNG = np.random.default_rng(3)
X, Y = RNG.standard_normal((8, 5, 3)).astype("float32"), RNG.standard_normal((8, 1)).astype("float32")
#: Optimizers of every layout of the state: in pairs, one after another, with averages before, with a number behind.
CASES = [("from keras", name) for name in ("Adam", "Nadam", "RMSprop", "Adadelta", "SGD")]
CASES += [("to keras", name) for name in ("Adam", "RMSprop")]


def make(library: Any, optimizer: str) -> Any:
    parts = library.layers
    net = library.Sequential(
        [
            parts.Input((5, 3)),
            parts.Dense(4),
            parts.GRU(3, return_sequences=True),
            parts.Dropout(0.0),
            parts.LSTM(2),
            parts.Dense(1),
        ]
    )
    options = {"momentum": 0.9} if optimizer == "SGD" else {"use_ema": True} if optimizer == "RMSprop" else {}
    net.compile(getattr(library.optimizers, optimizer)(0.01, **options), "mse")
    return net


@pytest.mark.parametrize(("way", "optimizer"), CASES)
def test_a_file_goes_both_ways(tmp_path: Path, way: str, optimizer: str) -> None:
    libraries = (keras, cellstep) if way == "from keras" else (cellstep, keras)
    first, second = (make(library, optimizer) for library in libraries)
    for _ in range(2):
        first.train_on_batch(X, Y)
    first.save_weights(tmp_path / "a.weights.h5")
    # Keras reads a state into an optimizer that knows its variables
    second.optimizer.build(second.trainable_weights)
    second.load_weights(tmp_path / "a.weights.h5")
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for net in (first, second):
        for _ in range(2):
            net.train_on_batch(X, Y)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-6)
