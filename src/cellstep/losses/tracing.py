"""Tracing: a loss that is written as a function of tensors, as in Keras, and its gradient.

    def tilted(y_true, y_pred):
        gap = y_true - y_pred
        return math.mean(math.maximum(0.9 * gap, -0.1 * gap), axis=-1)

    model.compile("adam", loss=tilted)

The function is called once on tensors, to see which operations it is made of; their pullbacks are its gradient. One
that computes with NumPy cannot be seen through: it gives back (values, gradient) instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers import Input, SymbolicTensor
from ..layers.context import Context
from .base import Array, Loss, Pullback

#: How many shapes of batches are kept.
KEPT = 16


class FunctionLoss(Loss):
    """A function `fn(y_true, y_pred)` as a loss: values of tensors, or (values, gradient) of arrays.

    Args:
        fn: gives values of shape (B,), (B, T) or that of y_pred, or one number for the batch. Targets come in y_pred's
            dtype; an axis of length 1 at the end that y_pred has is there in y_true too. A gradient has y_pred's shape,
            and says how the value at each place, or of each row and step, changes with the predictions there.
        name: that of the function where None.
        reduction, dtype: as in `Loss`.

    Raises:
        TypeError: fn is no function.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        if not callable(fn):
            raise TypeError(f"fn must be a function of (y_true, y_pred), got {fn!r}")
        super().__init__(name or str(getattr(fn, "__name__", "loss")), reduction, dtype)
        self.fn = fn

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred)


class Trace:
    """What a function is made of for batches of one shape.

    Attributes:
        graph: from y_true and y_pred to the values; None where the function gives (values, gradient) itself.
        shape: of the values, None for the number of rows.
    """

    def __init__(self, loss: Loss, y_true: Array, y_pred: Array) -> None:
        from ..models.graph import Graph

        self.loss = loss
        tensors = [Input(batch_shape=(None, *a.shape[1:]), dtype=y_pred.dtype) for a in (y_true, y_pred)]
        tensors[0].differentiable = False
        values: Any = None
        try:
            values = loss.call(*tensors)
        except (TypeError, AttributeError) as error:
            # NumPy cannot compute with tensors, and neither has an array's methods
            reason = error
        if isinstance(values, SymbolicTensor):
            self.graph: Any = Graph.of(tensors, [values])
            self.shape = values.shape
            return
        self.graph = None
        given = loss.call(y_true, y_pred)
        if not isinstance(given, tuple) or len(given) != 2 or np.shape(given[1]) != y_pred.shape:
            got = "values alone" if not isinstance(given, tuple) else f"a gradient of shape {np.shape(given[-1])}"
            why = f" ({reason})" if values is None and not isinstance(given, tuple) else ""
            raise TypeError(
                f"loss {loss.name} must have a gradient: write it with operators and functions of cellstep.math, or "
                f"give back (values, gradient), the gradient with the shape {y_pred.shape} of y_pred, got {got}{why}"
            )
        shape = np.shape(given[0])
        if shape and shape != y_pred.shape[: len(shape)]:
            raise ValueError(f"loss {loss.name} must give values of shape {y_pred.shape[:-1]}, got {shape}")
        self.shape = (None, *shape[1:]) if shape else ()

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        if self.graph is None:
            values, slopes = (np.asarray(a, y_pred.dtype) for a in self.loss.call(y_true, y_pred))
            return values, lambda d: d.reshape(d.shape + (1,) * (slopes.ndim - d.ndim)) * slopes
        (values,), _, back = self.graph.apply([y_true, y_pred], [None, None], Context(tape=True))

        def pullback(d: Array) -> Array:
            found = back([d])[1]
            return np.zeros_like(y_pred) if found is None else found

        return values, pullback


def trace(loss: Loss, y_true: Array, y_pred: Array) -> Trace:
    """What the loss is made of for batches such as these; kept for the next."""
    kept: dict[Any, Trace] = loss.__dict__.setdefault("_cached_traces", {})
    key = (y_true.shape[1:], y_pred.shape[1:], y_pred.dtype)
    if key not in kept:
        if len(kept) >= KEPT:
            kept.pop(next(iter(kept)))
        kept[key] = Trace(loss, y_true, y_pred)
    return kept[key]


def targets(y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None = None) -> Array:
    """Targets in the predictions' dtype and, where an axis of length 1 at the end is all that is amiss, of their rank;
    0 where not `live`."""
    if y_true.dtype.kind not in "fiub":
        raise TypeError(f"y_true must hold real numbers, got dtype {y_true.dtype}")
    if len(y_true) != len(y_pred):
        raise ValueError(f"y_true must have {len(y_pred)} rows, as y_pred has, got {len(y_true)}")
    true = y_true
    if true.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
        true = true[..., None]
    elif true.ndim == y_pred.ndim + 1 and true.shape[-1] == 1:
        true = true[..., 0]
    true = true.astype(y_pred.dtype, copy=False)
    if live is None or live.ndim > true.ndim:
        return true
    return np.where(live.reshape(live.shape + (1,) * (true.ndim - live.ndim)), true, true.dtype.type(0))
