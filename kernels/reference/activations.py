"""Activations and their derivatives.

Definitions are those of Keras 3 (`keras.activations`), with Keras's default constants. Beyond Keras, an infinite
argument gives the limit where there is one, also where a formula would say 0 times infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..cells import OF_INPUT

Array = NDArray[Any]
Pullback = Callable[[Array], Array]

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772
LEAKY_SLOPE = 0.2
SHRINK = 0.5
#: exp of less than minus this is 0, and a sigmoid of more is 1, in float64 too.
FAR = 1500.0


class Differentiable(Protocol):
    """An activation that is no name: any function of rows (B, H), with its gradient."""

    def forward(self, x: Array) -> tuple[Array, Pullback]:
        """y of x's shape and dtype, and the map from dy to dx."""


def sigmoid(v: Array) -> Array:
    # exp only of numbers that are not positive: no overflow at either end
    e = np.exp(-np.abs(v))
    return np.asarray(np.where(v >= 0, 1 / (1 + e), e / (1 + e)), v.dtype)


def _elu(v: Array) -> Array:
    return np.where(v > 0, v, np.expm1(np.minimum(v, 0)))


def _softplus(v: Array) -> Array:
    return np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v)))


def _squareplus(v: Array) -> Array:
    # (v + sqrt(v^2 + 4)) / 2 is the reciprocal of its mirror image: nothing cancels on the left, nothing overflows
    half = np.abs(v) / 2
    right = half + np.hypot(half, 1)
    return np.where(v < 0, 1 / right, right)


def _squareplus_slope(y: Array) -> Array:
    # v = y - 1 / y, so dy / dv = y^2 / (1 + y^2)
    q = np.minimum(y, 1 / np.maximum(y, 1)) ** 2
    return np.asarray(np.where(y < 1, q, 1) / (1 + q))


def _sparse_plus(v: Array) -> Array:
    return np.where(v < 1, np.square((np.clip(v, -1, 1) + 1) / 2), v)


# NumPy has no erfc; the C library's, one number at a time (0.1 us), is exact in float64 and keeps small values' digits.
_erfc_of_objects = np.frompyfunc(math.erfc, 1, 1)


def _gauss_cdf(v: Array) -> Array:
    """The standard normal distribution, in float64."""
    return 0.5 * np.asarray(_erfc_of_objects(v / -math.sqrt(2.0)), np.float64)


def _gauss_pdf(v: Array) -> Array:
    return np.exp(-0.5 * np.square(v, dtype=np.float64)) / math.sqrt(2 * math.pi)


def _gelu(v: Array) -> Array:
    return np.asarray(np.maximum(v, -FAR) * _gauss_cdf(v))


def _gelu_slope(v: Array) -> Array:
    return np.asarray(_gauss_cdf(v) + np.clip(v, -FAR, FAR) * _gauss_pdf(v))


def _silu_slope(v: Array) -> Array:
    return np.asarray(sigmoid(v) * (1 + np.clip(v, -FAR, FAR) * sigmoid(-v)))


def _hard_sigmoid(v: Array) -> Array:
    return np.asarray(np.minimum(np.maximum(v + 3, 0), 6) / 6)


def _mish_slope(v: Array) -> Array:
    t = np.tanh(_softplus(v))
    return np.asarray(t + np.clip(v, -FAR, FAR) * (1 - t * t) * sigmoid(v))


#: The activation, from v.
FORWARD: dict[str, Callable[[Array], Array]] = {
    "linear": lambda v: v + 0,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda v: np.maximum(v, 0),
    "hard_sigmoid": _hard_sigmoid,
    "softsign": lambda v: v / (1 + np.abs(v)),
    "elu": _elu,
    "selu": lambda v: SELU_SCALE * np.where(v > 0, v, SELU_ALPHA * np.expm1(np.minimum(v, 0))),
    "softplus": _softplus,
    "exponential": np.exp,
    "relu6": lambda v: np.minimum(np.maximum(v, 0), 6),
    "leaky_relu": lambda v: np.where(v > 0, v, LEAKY_SLOPE * v),
    "hard_tanh": lambda v: np.minimum(np.maximum(v, -1), 1),
    "celu": _elu,
    "log_sigmoid": lambda v: -_softplus(-v),
    "squareplus": _squareplus,
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": lambda v: np.minimum(np.maximum(v + 1, 0), 2) / 2,
    "soft_shrink": lambda v: v - np.clip(v, -SHRINK, SHRINK),
    "hard_shrink": lambda v: np.where(np.abs(v) <= SHRINK, 0, v),
    "gelu": _gelu,
    "silu": lambda v: np.maximum(v, -FAR) * sigmoid(v),
    "hard_silu": lambda v: np.maximum(v, -3) * _hard_sigmoid(v),
    "mish": lambda v: np.maximum(v, -FAR) * np.tanh(_softplus(v)),
    "tanh_shrink": lambda v: v - np.tanh(v),
}

#: d activation / d v: from y, the activation of v; of those in `OF_INPUT` from v.
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
    "celu": lambda y: np.where(y > 0, 1, y + 1),
    "log_sigmoid": lambda y: -np.expm1(y),
    "squareplus": _squareplus_slope,
    "sparse_plus": lambda y: np.minimum(np.sqrt(y), 1),
    "sparse_sigmoid": lambda y: ((y > 0) & (y < 1)).astype(y.dtype) / 2,
    "soft_shrink": lambda y: (y != 0).astype(y.dtype),
    "hard_shrink": lambda y: (y != 0).astype(y.dtype),
    "gelu": _gelu_slope,
    "silu": _silu_slope,
    "hard_silu": lambda v: _hard_sigmoid(v) + np.clip(v, -3, 3) * (np.abs(v) < 3) / 6,
    "mish": _mish_slope,
    "tanh_shrink": lambda v: np.tanh(v) ** 2,
}


def activate(name: str, v: Array) -> Array:
    """The activation of v, in v's dtype."""
    return np.asarray(FORWARD[name](v), dtype=v.dtype)


def derivative(name: str, kept: Array) -> Array:
    """d activation / d v, in v's dtype; kept is v for a name in `OF_INPUT`, for any other the activation of v."""
    return np.asarray(DERIVATIVE[name](kept), dtype=kept.dtype)


def apply(activation: str | Differentiable, v: Array) -> tuple[Array, Pullback]:
    """The activation of v (B, H), in v's dtype, and the map from gradients of it to those of v."""
    if not isinstance(activation, str):
        return activation.forward(v)
    y = activate(activation, v)
    kept = v if activation in OF_INPUT else y
    return y, lambda dy: dy * derivative(activation, kept)
