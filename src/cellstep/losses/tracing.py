"""Tracing: a loss that is written as a function of tensors, as in Keras, and its gradient.

    def tilted(y_true, y_pred):
        gap = y_true - y_pred
        return math.mean(math.maximum(0.9 * gap, -0.1 * gap), axis=-1)

    model.compile("adam", loss=tilted)

The function is called once on tensors, to see which operations it is made of; their pullbacks are its gradient. One
that computes with NumPy cannot be seen through: it gives back (values, gradient) instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..layers.context import Context
from ..layers.tracer import argument
from ..layers.tracer import trace as trace_function
from .alignment import Array, LossPullback

if TYPE_CHECKING:
    from .base import Loss

#: How many shapes of batches are kept.
KEPT = 16


class Trace:
    """What a function is made of for batches of one shape.

    Attributes:
        graph: from y_true and y_pred to the values; None where the function gives (values, gradient) itself.
        shape: of the values, None for the number of rows. rows: how many it holds for; None for any.
    """

    def __init__(self, loss: Loss, y_true: Array, y_pred: Array) -> None:
        self.loss = loss
        pairs = (("y_true", y_true), ("y_pred", y_pred))
        self.graph: Any
        self.rows: int | None
        for self.rows in (None, len(y_pred)):
            tensors = [argument(name, (self.rows, *a.shape[1:]), y_pred.dtype) for name, a in pairs]
            tensors[0].differentiable = False
            try:
                self.graph, values = trace_function(f"loss {loss.name}", lambda pair: loss.call(*pair), tensors)
                self.shape = values.shape
                return
            except (TypeError, AttributeError) as error:
                # NumPy cannot compute with tensors, and neither has an array's methods
                reason = str(error.__cause__ or error)
            except ValueError:
                if self.rows is not None:
                    raise
        self.graph = self.rows = None
        pair = loss.call(y_true, y_pred)
        if not isinstance(pair, tuple) or len(pair) != 2 or np.shape(pair[1]) != y_pred.shape:
            got = "values alone" if not isinstance(pair, tuple) else f"a gradient of shape {np.shape(pair[-1])}"
            why = f" ({reason})" if reason and not isinstance(pair, tuple) else ""
            raise TypeError(
                f"loss {loss.name} must have a gradient: write it with operators and functions of cellstep.ops, or "
                f"give back (values, gradient), the gradient with the shape {y_pred.shape} of y_pred, got {got}{why}"
            )
        shape = np.shape(pair[0])
        if shape and shape != y_pred.shape[: len(shape)]:
            raise ValueError(f"loss {loss.name} must give values of shape {y_pred.shape[:-1]}, got {shape}")
        self.shape = (None, *shape[1:]) if shape else ()

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, LossPullback]:
        if self.graph is None:
            values, slopes = (np.asarray(a, y_pred.dtype) for a in self.loss.call(y_true, y_pred))
            return values, lambda d: d.reshape(d.shape + (1,) * (slopes.ndim - d.ndim)) * slopes
        (values,), _, back = self.graph.apply([y_true, y_pred], [None, None], Context(tape=True))

        def pullback(d: Array) -> Array:
            gradient = back([d])[1]
            return np.zeros_like(y_pred) if gradient is None else gradient

        return values, pullback


def trace(loss: Loss, y_true: Array, y_pred: Array) -> Trace:
    """What the loss is made of for batches such as these; kept for the next."""
    kept: dict[Any, Trace] = loss.__dict__.setdefault("_cached_traces", {})
    key = (y_true.shape[1:], y_pred.shape[1:], y_pred.dtype)
    found = kept.get((*key, None)) or kept.get((*key, len(y_pred)))
    if found is None:
        if len(kept) >= KEPT:
            kept.pop(next(iter(kept)))
        found = Trace(loss, y_true, y_pred)
        kept[*key, found.rows] = found
    return found
