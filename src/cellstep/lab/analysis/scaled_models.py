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
from ..cell_rows import layer_over, title_of, titles
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
        if not all(place.built for place in places(model)):
            run_forward(model, x)  # so that the first scale finds weights
        return model
    title = title_of(model)
    if title is None:
        raise ValueError(f"models must be models, layers or some of {', '.join(titles())}, got {model!r}")
    if np.ndim(x) != 3:
        raise ValueError(f"x must have shape (batch, time, features) where models are names, got {np.shape(x)}")
    dtype = np.result_type(np.asarray(x).dtype, np.float32)
    dtype = dtype if dtype.kind == "f" else np.dtype(np.float32)
    with unchanged():  # the caller's random numbers
        layer = layer_over(title)(
            units,
            kernel_initializer=GlorotUniform(seed=seed),
            recurrent_initializer=Orthogonal(seed=seed + 1),
            return_sequences=np.ndim(y) == 3,
            name=title.lower(),
            dtype=dtype,
        )
        if y is None:
            layer.build((None, None, np.shape(x)[-1]))
            return layer
        head = Dense(np.shape(y)[-1], kernel_initializer=GlorotUniform(seed=seed + 2), name="dense", dtype=dtype)
        net = Sequential([layer, head], name=title)
        net.compile("adam", "mse")
        net.build((None, None, np.shape(x)[-1]))
        return net


@contextmanager
def scaled(model: Any, scale: float) -> Iterator[None]:
    """All recurrent weights of a model times a number, within the block."""
    cells = {id(p.cell): p for p in places(model) if p.built}.values()
    weights = list({id(w): w for p in cells for w in p.recurrent}.values())
    before = [(weight, weight.numpy()) for weight in weights]
    try:
        for weight, value in before:
            weight.assign(value * value.dtype.type(scale))
        yield
    finally:
        for weight, value in before:
            weight.assign(value)


#: Which loss a gradient is of.
OWN, SUM, LARGEST = (
    "dL/dh_t is of the models' own loss.",
    "dL/dh_t is of the sum of the last outputs.",
    "dL/dh_t is of the largest of the last outputs: they are probabilities, whose sum is constant. Give y for the "
    "models' own loss.",
)


def gradients_and_runs(model: Any, x: Any, y: Any) -> tuple[dict[str, Array], list[CellTrace], str]:
    """The gradients of all weights, by path; the runs of the cells, forward and backward; which loss they are of."""
    with trace() as runs:
        if y is not None:
            return dict(model.gradients(x, y)[0]), runs, OWN
        with unchanged(model):
            outputs, pullback = model.forward(x)
            slopes: list[Any] = [_slope(a) for a in nested.flatten(outputs)]
            largest = any(_probabilities(_last(a)) for a in nested.flatten(outputs))
            if not isinstance(model, Model):
                slopes[1:] = [None] * (len(slopes) - 1)  # the final states of a layer that returns them
            pullback(nested.pack(outputs, slopes), need_dx=False)
            return {w.path: w.grad for w in model.trainable_weights}, runs, LARGEST if largest else SUM


def _last(output: Any) -> Any:
    """The last step of outputs (B, T, n), or outputs (B, n)."""
    return output[:, -1] if np.ndim(output) > 2 else output


def _probabilities(last: Array) -> bool:
    """Whether outputs are those of a softmax, whose sum has no gradient."""
    return (
        last.ndim > 1
        and last.size > 0
        and last.shape[-1] > 1
        and bool((last >= 0).all())
        and np.allclose(last.sum(-1), 1, atol=1e-3)
    )


def _slope(output: Any) -> Array:
    """The gradient of the sum of the last outputs, or of the largest where they are probabilities; of norm 1 a row."""
    d: Array = np.zeros_like(output)
    last = _last(d)
    if _probabilities(_last(output)):
        np.put_along_axis(last, _last(output).argmax(-1)[..., None], 1, axis=-1)
    else:
        last[...] = 1 / np.sqrt(np.prod(last.shape[1:]))
    return d
