"""Writes models as older versions of Keras wrote them, what these predict, and which arguments their layers take.

    pip install keras==3.4.1 "numpy<2" jax==0.4.30 jaxlib==0.4.30 h5py    # and keras==3.9.2
    KERAS_BACKEND=jax python tests/golden/older_keras.py tests/golden

writes the folder keras-<version> into the one that is named.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

L = keras.layers
X = (np.arange(30).reshape(2, 5, 3) % 7 - 3).astype("float32") / 3


def attention() -> Any:
    """A call without masks."""
    a, b = L.Input((5, 3), name="a"), L.Input((5, 3), name="b")
    return keras.Model([a, b], L.Dense(2)(L.Flatten()(L.Attention(use_scale=True)([a, b]))))


def states() -> Any:
    """Initial states that are arrays."""
    x = L.Input((5, 3), name="x")
    given = [np.full((2, 2), value, "float32") for value in (0.5, 0.25)]
    h = L.LSTM(2, return_sequences=True)(x, initial_state=given)
    return keras.Model(x, L.GRU(2)(h, initial_state=keras.ops.convert_to_tensor(given[0])))


def mask() -> Any:
    """A mask that is an array."""
    x = L.Input((5, 3), name="x")
    return keras.Model(x, L.LSTM(2)(x, mask=np.array([[1, 1, 1, 0, 0], [1, 1, 0, 1, 1]], bool)))


def masking() -> Any:
    """A mask that is computed, and written down as operations."""
    x = L.Input((5, 3), name="x")
    return keras.Model(x, L.LSTM(2)(L.GRU(2, return_sequences=True)(L.Masking(1 / 3)(x))))


def arguments(kind: Any) -> list[str]:
    """What a constructor takes, without those of every layer."""
    names = [p.name for owner in kind.__mro__ if "__init__" in vars(owner) for p in _parameters(owner)]
    return sorted(set(names))


def _parameters(owner: Any) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(vars(owner)["__init__"]).parameters.values())[1:]
    return [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


def main(folder: Path) -> None:
    target = folder / f"keras-{keras.__version__}"
    target.mkdir(exist_ok=True)
    keras.utils.set_random_seed(1)
    outputs = {}
    for make in (attention, states, mask, masking):
        model = make()
        model.save(target / f"{make.__name__}.keras")
        outputs[make.__name__] = model.predict([X, X] if make is attention else X, verbose=0)
    np.savez(target / "outputs.npz", x=X, **outputs)
    kinds = {name: kind for name, kind in vars(L).items() if inspect.isclass(kind) and issubclass(kind, L.Layer)}
    taken = {name: arguments(kind) for name, kind in sorted(kinds.items())}
    (target / "arguments.json").write_text(json.dumps(taken, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
