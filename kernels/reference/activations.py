"""Activations and their derivatives, each derivative a function of the activation's output.

Definitions are those of Keras 3 (`keras.activations`), with Keras's default constants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772
LEAKY_SLOPE = 0.2


def sigmoid(v: Array) -> Array:
    # exp only of numbers that are not positive: no overflow at either end
    e = np.exp(-np.abs(v))
    return np.asarray(np.where(v >= 0, 1 / (1 + e), e / (1 + e)), v.dtype)


def _elu(v: Array) -> Array:
    return np.where(v > 0, v, np.expm1(np.minimum(v, 0)))


FORWARD: dict[str, Callable[[Array], Array]] = {
    "linear": lambda v: v + 0,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda v: np.maximum(v, 0),
    "hard_sigmoid": lambda v: np.minimum(np.maximum(v + 3, 0), 6) / 6,
    "softsign": lambda v: v / (1 + np.abs(v)),
    "elu": _elu,
    "selu": lambda v: SELU_SCALE * np.where(v > 0, v, SELU_ALPHA * np.expm1(np.minimum(v, 0))),
    "softplus": lambda v: np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v))),
    "exponential": np.exp,
    "relu6": lambda v: np.minimum(np.maximum(v, 0), 6),
    "leaky_relu": lambda v: np.where(v > 0, v, LEAKY_SLOPE * v),
    "hard_tanh": lambda v: np.minimum(np.maximum(v, -1), 1),
}

DERIVATIVE: dict[str, Callable[[Array], Array]] = {
    "linear": lambda y: np.ones_like(y),
    "tanh": lambda y: 1 - y * y,
    "sigmoid": lambda y: y * (1 - y),
    "relu": lambda y: (y > 0).astype(y.dtype),
    "hard_sigmoid": lambda y: ((y > 0) & (y < 1)).astype(y.dtype) / 6,
    "softsign": lambda y: (1 - np.abs(y)) ** 2,
    "elu": lambda y: np.where(y > 0, 1, y + 1),
    "selu": lambda y: np.where(y > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA),
    "softplus": lambda y: -np.expm1(-y),
    "exponential": lambda y: y,
    "relu6": lambda y: ((y > 0) & (y < 6)).astype(y.dtype),
    "leaky_relu": lambda y: np.where(y > 0, 1, LEAKY_SLOPE),
    "hard_tanh": lambda y: ((y > -1) & (y < 1)).astype(y.dtype),
}


def activate(name: str, v: Array) -> Array:
    """The activation of v, in v's dtype."""
    return np.asarray(FORWARD[name](v), dtype=v.dtype)


def derivative(name: str, y: Array) -> Array:
    """d activation / d v, where y is the activation of v, in y's dtype."""
    return np.asarray(DERIVATIVE[name](y), dtype=y.dtype)
