"""Squared and absolute errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Array, Loss, Pullback, match


class _Error(Loss):
    """A mean over the last axis of a function of y_pred - y_true."""

    def prepare(self, y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
        return match(y_true, y_pred, live)


class MeanSquaredError(_Error):
    """mean((y_pred - y_true)**2) over the last axis. Short name: "mse".

    Targets have the shape of the predictions; a last axis of length 1 may be left out.
    """

    default_name = "mean_squared_error"

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        d = y_pred - y_true
        n = _at_least_one(d)

        def pullback(dvalues: Array) -> Array:
            grad: NDArray[Any] = d * (dvalues * (2.0 / n))[..., None]
            return grad

        return np.square(d).sum(-1) / d.dtype.type(n), pullback


class MeanAbsoluteError(_Error):
    """mean(abs(y_pred - y_true)) over the last axis. Short name: "mae". The gradient at 0 is 0.

    Targets have the shape of the predictions; a last axis of length 1 may be left out.
    """

    default_name = "mean_absolute_error"

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, Pullback]:
        d = y_pred - y_true
        n = _at_least_one(d)

        def pullback(dvalues: Array) -> Array:
            grad: NDArray[Any] = np.sign(d) * (dvalues / n)[..., None]
            return grad

        return np.abs(d).sum(-1) / d.dtype.type(n), pullback


def _at_least_one(d: Array) -> int:
    """The length of the last axis, 1 in place of 0: the mean of nothing is 0 here."""
    return max(int(d.shape[-1]), 1)
