"""FunctionLoss: a function as a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .base import Loss


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

    arguments = ()

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
