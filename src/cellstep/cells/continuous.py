"""Cells in continuous time, of which a step follows an equation of time constants for a while."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import activations
from ..configured import hook
from .cell import Cell


class CTRNN(Cell):
    """The continuous-time RNN in its rate form, tau dh/dt = -h + activation(x W + h U + b), by Euler's steps of
    `interval`; tau is softplus of a weight of each unit.

    K. Funahashi and Y. Nakamura, "Approximation of dynamical systems by continuous time recurrent neural networks",
    Neural Networks 6, 1993.
    """

    gates = "n"
    vectors = {"time_constant": "ones"}
    activation: Any = "tanh"
    interval = 0.1

    @hook
    def step(self, z: Any, h: Any) -> Any:
        return h + self.interval / activations.softplus(self.time_constant) * (self.activation(z.n) - h)


class LTC(Cell):
    """The liquid time-constant network, dh/dt = -(1 / tau + f) h + f a with f = activation(x W + h U + b), by the
    paper's fused step of `interval`; tau is softplus of a weight.

    R. Hasani, M. Lechner, A. Amini, D. Rus and R. Grosu, "Liquid time-constant networks", AAAI 2021
    (arXiv 2006.04439).
    """

    gates = "f"
    vectors = {"time_constant": "ones", "a": "ones"}
    activation: Any = "sigmoid"
    interval = 0.1

    @hook
    def step(self, z: Any, h: Any) -> Any:
        f = self.activation(z.f)
        return (h + self.interval * f * self.a) / (
            1 + self.interval * (1 / activations.softplus(self.time_constant) + f)
        )


class CfC(Cell):
    """The closed-form continuous-time network, with linear heads: h' = s g + (1 - s) k, s = sigmoid(w - f interval),
    g = tanh(xg + h Ug), k = tanh(xk + h Uk), and f and w the sums of gates of their own.

    R. Hasani et al., "Closed-form continuous-time neural networks", Nature Machine Intelligence 4, 2022
    (arXiv 2106.13898).
    """

    gates = "f w g k"
    interval = 1.0

    @hook
    def step(self, z: Any, h: Any) -> Any:
        s = activations.sigmoid(z.w - z.f * self.interval)
        return s * np.tanh(z.g) + (1 - s) * np.tanh(z.k)
