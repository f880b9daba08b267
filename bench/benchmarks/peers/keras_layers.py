"""Keras on whichever of its backends is installed: a model of one layer, called through `predict_on_batch`.

That is Keras's way to a compiled call on every backend. It has no call for gradients that all its backends share:
training is compared in `fit`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

import numpy as np

from ...kernels import Cell
from ..problem import Problem, Runner, stepping
from . import jax_jit, pytorch

NEEDS = ("keras",)
WORK = ("step", "forward", "ragged")

#: In order of preference, which is that of their speed; the names of the packages are those of the backends.
BACKENDS = ("jax", "tensorflow", "torch")


def backends() -> list[str]:
    """Those of Keras's compiled backends that are installed."""
    return [name for name in BACKENDS if importlib.util.find_spec(name) is not None]


def _keras() -> Any:
    # read by Keras once, at its import; what the user has set stands
    for name in backends()[:1]:
        os.environ.setdefault("KERAS_BACKEND", name)
    return importlib.import_module("keras")


def has(cell: Cell) -> bool:
    """Whether Keras has a layer of this name."""
    return hasattr(_keras().layers, cell.title)


def version() -> str:
    """Name, version and backend."""
    keras = _keras()
    return f"Keras {keras.__version__} on {keras.backend.backend()}"


def set_threads(n: int) -> None:
    """Those of the backend. TensorFlow's are left as they are: it fixes them at its first call."""
    backend = _keras().backend.backend()
    if backend in ("jax", "torch"):
        {"jax": jax_jit, "torch": pytorch}[backend].set_threads(n)


def runner(p: Problem, threads: int) -> Runner:
    """The `Runner` of a problem; a ragged batch comes with a mask."""
    keras = _keras()
    T, B, inputs, H = p.shape
    layer = getattr(keras.layers, p.row.title)(H, return_sequences=p.work != "step", return_state=p.work == "step")
    places: Any = [keras.Input(batch_shape=(B, T, inputs))]
    arrays: Any = [p.x]
    if p.work == "step":
        places += [keras.Input(batch_shape=(B, H)) for _ in p.row.states]
        outputs = keras.tree.flatten(layer(places[0], initial_state=places[1:]))[1:]
    elif p.lengths is None:
        outputs = layer(places[0])
    else:
        places.append(keras.Input(batch_shape=(B, T), dtype="bool"))
        arrays.append(np.arange(T) < p.lengths[:, None])
        outputs = layer(places[0], mask=places[1])
    model = keras.Model(places, outputs)
    layer.set_weights(list(p.weights.values()))
    if p.work == "step":
        return _step(p, model)

    def run() -> Any:
        return model.predict_on_batch(arrays)

    return Runner(run, lambda: {"y": p.without_padding(run())})


def _step(p: Problem, model: Any) -> Runner:
    first = [np.zeros((p.shape.B, p.shape.H), np.float32) for _ in p.row.states]
    states, tree = first, _keras().tree

    def run() -> None:
        nonlocal states
        states = tree.flatten(model.predict_on_batch([p.x, *states]))

    def begin() -> None:
        nonlocal states
        states = first

    return stepping(run, begin, lambda: states[0])
