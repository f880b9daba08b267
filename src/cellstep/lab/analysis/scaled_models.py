"""The models that `gradient_flow` looks at: made from names, with their recurrent weights scaled, and run both ways."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...initializers import GlorotUniform, Orthogonal
from ...layers import Dense, nested, trace
from ...layers.tracing import CellTrace
from ...models import Model, Sequential
from ...models.rollback import unchanged
from ..cell_rows import layer_over, recurrent_weights, titles
from .traced_cells import places, run_forward

Array = NDArray[Any]


def checked_model(model: Any, x: Any, y: Any, units: int, seed: int) -> Any:
    """The model itself, checked; or for a name a new layer with Keras's defaults, and where there is y a model of it.

    Raises:
        TypeError, ValueError: it is none of them, or not compiled, though there is y.
    """
    if not isinstance(model, str):
        if isinstance(model, Model) and y is not None:
            model._trainer.ready("gradient_flow")
        elif y is not None:
            raise TypeError(f"models must be compiled models, or names, where y is given, got {type(model).__name__}")
        if not all(place.cell.built for place in places(model)):
            run_forward(model, x)  # so that the first scale finds weights
        return model
    if model not in titles():
        raise ValueError(f"models must be models, layers or some of {', '.join(titles())}, got {model!r}")
    if np.ndim(x) != 3:
        raise ValueError(f"x must have shape (batch, time, features) where models are names, got {np.shape(x)}")
    dtype = np.result_type(np.asarray(x).dtype, np.float32)
    dtype = dtype if dtype.kind == "f" else np.dtype(np.float32)
    with unchanged():  # the caller's random numbers
        layer = layer_over(model)(
            units,
            kernel_initializer=GlorotUniform(seed=seed),
            recurrent_initializer=Orthogonal(seed=seed + 1),
            return_sequences=np.ndim(y) == 3,
            name=model.lower(),
            dtype=dtype,
        )
        if y is None:
            layer.build((None, None, np.shape(x)[-1]))
            return layer
        head = Dense(np.shape(y)[-1], kernel_initializer=GlorotUniform(seed=seed + 2), name="dense", dtype=dtype)
        net = Sequential([layer, head], name=model)
        net.compile("sgd", "mse")
        net.build((None, None, np.shape(x)[-1]))
        return net


@contextmanager
def scaled(model: Any, scale: float) -> Iterator[None]:
    """All recurrent weights of a model times a number, within the block."""
    cells = {id(p.cell): p for p in places(model) if p.cell.built}.values()
    weights = [getattr(p.cell, name) for p in cells for name in recurrent_weights(p.row)]
    before = [(weight, weight.numpy()) for weight in weights]
    try:
        for weight, value in before:
            weight.assign(value * value.dtype.type(scale))
        yield
    finally:
        for weight, value in before:
            weight.assign(value)


def gradients_and_runs(model: Any, x: Any, y: Any) -> tuple[dict[str, Array], list[CellTrace]]:
    """The gradients of all weights, by path, and the runs of the cells, forward and backward."""
    with trace() as runs:
        if y is not None:
            return dict(model.gradients(x, y)[0]), runs
        with unchanged(model):
            outputs, pullback = model.forward(x)
            slopes: list[Any] = [_last(a) for a in nested.flatten(outputs)]
            if not isinstance(model, Model):
                slopes[1:] = [None] * (len(slopes) - 1)  # the final states of a layer that returns them
            pullback(nested.pack(outputs, slopes), need_dx=False)
            return {w.path: w.grad for w in model.trainable_weights}, runs


def _last(output: Any) -> Array:
    """The gradient of the sum of the last outputs, of norm 1 a row."""
    d: Array = np.zeros_like(output)
    last = d[:, -1] if d.ndim > 2 else d
    last[...] = 1 / np.sqrt(np.prod(last.shape[1:]))
    return d
