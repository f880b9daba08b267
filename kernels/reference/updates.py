"""Optimizer updates in plain NumPy: the specification.

Each is one function over flat arrays, in place. Every array of a call has the same length and dtype. `value` and the
optimizer's own arrays are written, `grad` is only read, `s` is scratch. Nothing is allocated. The rules are Keras
3.15's; `lr` is the learning rate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def sgd(value: Array, grad: Array, s: Array, lr: float) -> None:
    """w -= lr g"""
    np.multiply(grad, lr, out=s)
    np.subtract(value, s, out=value)


def sgd_momentum(value: Array, grad: Array, v: Array, s: Array, lr: float, momentum: float, nesterov: bool) -> None:
    """v = momentum v - lr g; w += v, or with nesterov w += momentum v - lr g.

    Source: Polyak 1964; Nesterov 1983 in the form of Sutskever et al. 2013.
    """
    np.multiply(grad, lr, out=s)
    np.multiply(v, momentum, out=v)
    np.subtract(v, s, out=v)
    if nesterov:
        np.subtract(value, s, out=value)
        np.multiply(v, momentum, out=s)
        np.add(value, s, out=value)
    else:
        np.add(value, v, out=value)


def adam(
    value: Array,
    grad: Array,
    m: Array,
    v: Array,
    v_hat: Array | None,
    s: Array,
    lr: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    step: int,
) -> None:
    """m += (g - m)(1 - b1); v += (g g - v)(1 - b2); w -= lr sqrt(1 - b2^step) / (1 - b1^step) m / (sqrt(v) + eps).

    `step` counts from 1. With `v_hat` (AMSGrad) the largest v so far takes the place of v.

    Source: Kingma and Ba 2015, with the epsilon of their section 2; Reddi et al. 2018 for `v_hat`.
    """
    alpha = lr * (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)
    np.subtract(grad, m, out=s)
    np.multiply(s, 1 - beta_1, out=s)
    np.add(m, s, out=m)
    np.multiply(grad, grad, out=s)
    np.subtract(s, v, out=s)
    np.multiply(s, 1 - beta_2, out=s)
    np.add(v, s, out=v)
    if v_hat is not None:
        np.maximum(v_hat, v, out=v_hat)
    np.sqrt(v if v_hat is None else v_hat, out=s)
    np.add(s, epsilon, out=s)
    np.divide(m, s, out=s)
    np.multiply(s, alpha, out=s)
    np.subtract(value, s, out=value)


def rmsprop(
    value: Array,
    grad: Array,
    v: Array,
    mean: Array | None,
    velocity: Array | None,
    s: Array,
    lr: float,
    rho: float,
    momentum: float,
    epsilon: float,
) -> None:
    """v = rho v + (1 - rho) g g; d = lr g / sqrt(v + eps); w -= d.

    With `mean` (centered): mean = rho mean + (1 - rho) g, and v - mean^2 takes the place of v in d. With `velocity`:
    velocity = momentum velocity + d, and w -= velocity.

    Source: Tieleman and Hinton 2012; centered: Graves 2013, whose epsilon is inside the root too.
    """
    np.multiply(grad, grad, out=s)
    np.multiply(s, 1 - rho, out=s)
    np.multiply(v, rho, out=v)
    np.add(v, s, out=v)
    if mean is not None:
        np.multiply(grad, 1 - rho, out=s)
        np.multiply(mean, rho, out=mean)
        np.add(mean, s, out=mean)
        np.multiply(mean, mean, out=s)
        np.subtract(v, s, out=s)
        np.add(s, epsilon, out=s)
    else:
        np.add(v, epsilon, out=s)
    np.sqrt(s, out=s)
    np.divide(grad, s, out=s)
    np.multiply(s, lr, out=s)
    if velocity is not None:
        np.multiply(velocity, momentum, out=velocity)
        np.add(velocity, s, out=velocity)
        np.subtract(value, velocity, out=value)
    else:
        np.subtract(value, s, out=value)
