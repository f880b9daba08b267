"""Gated cells with one state, written as their equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import activations
from ..configured import hook
from .cell import Cell


class MGU(Cell):
    """The minimal gated unit: one gate that both forgets and resets.

        f = sigmoid(xf + h Uf)    n = activation(xn + (f h) Un)    h' = (1 - f) h + f n

    G. Zhou, J. Wu, C. Zhang and Z. Zhou, "Minimal gated unit for recurrent neural networks", 2016 (arXiv 1603.09420).
    """

    gates = "f n"
    roles = {"f": "store"}
    activation: Any = "tanh"
    recurrent_activation: Any = "sigmoid"

    @hook
    def step(self, z: Any, h: Any) -> Any:
        f = self.recurrent_activation(z.f)
        n = self.activation(z.x.n + self.product(f * h, "n"))
        return (1 - f) * h + f * n


class UGRNN(Cell):
    """The update gate RNN: h' = g h + (1 - g) c, with g = sigmoid(xg + h Ug) and c = activation(xc + h Uc).

    J. Collins, J. Sohl-Dickstein and D. Sussillo, "Capacity and trainability in recurrent neural networks", ICLR 2017
    (arXiv 1611.09913).
    """

    gates = "g c"
    roles = {"g": "keep", "c": "store"}
    activation: Any = "tanh"
    recurrent_activation: Any = "sigmoid"

    @hook
    def step(self, z: Any, h: Any) -> Any:
        g = self.recurrent_activation(z.g)
        return g * h + (1 - g) * self.activation(z.c)


class JANET(Cell):
    """Just another network: an LSTM with a forget gate alone, h' = f h + (1 - s) c with f = sigmoid(v), s = sigmoid(v -
    beta), v = xf + h Uf and c = tanh(xc + h Uc).

    J. van der Westhuizen and J. Lasenby, "The unreasonable effectiveness of the forget gate", 2018 (arXiv 1804.04849).
    """

    gates = "f c"
    gate_names = {"f": "forget", "c": "candidate"}
    roles = {"f": "keep", "c": "store"}
    beta = 1.0

    @hook
    def step(self, z: Any, h: Any) -> Any:
        return activations.sigmoid(z.f) * h + (1 - activations.sigmoid(z.f - self.beta)) * np.tanh(z.c)


class IndRNN(Cell):
    """The independently recurrent network: each unit sees of h its own number alone, h' = activation(x W + u h + b).

    S. Li, W. Li, C. Cook, C. Zhu and Y. Gao, "Independently recurrent neural network (IndRNN)", CVPR 2018
    (arXiv 1803.04831).
    """

    gates = "n"
    vectors = {"u": "ones"}
    activation: Any = "relu"

    @hook
    def step(self, z: Any, h: Any) -> Any:
        return self.activation(z.x.n + self.u * h)


class LayerNormGRU(Cell):
    """A GRU whose products are normalized over the units of each gate, with a gain and a shift.

    J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", 2016 (arXiv 1607.06450), here gate by gate.
    """

    gates = "z r n"
    vectors = {f"gain_{part}": "ones" for part in ("z", "r", "n", "q")} | {
        f"shift_{part}": "zeros" for part in ("z", "r", "n", "q")
    }
    gate_names = {"z": "update", "r": "reset", "n": "candidate"}
    roles = {"z": "keep", "r": "reset", "n": "store"}
    use_bias = False
    epsilon = 1e-3

    def normal(self, value: Any, part: str) -> Any:
        """Normalized over the units, with the gain and the shift of this part."""
        return self.normalize(value, self.epsilon) * getattr(self, f"gain_{part}") + getattr(self, f"shift_{part}")

    @hook
    def step(self, z: Any, h: Any) -> Any:
        u, r = activations.sigmoid(self.normal(z.z, "z")), activations.sigmoid(self.normal(z.r, "r"))
        n = np.tanh(self.normal(z.x.n, "n") + r * self.normal(z.h.n, "q"))
        return u * h + (1 - u) * n
