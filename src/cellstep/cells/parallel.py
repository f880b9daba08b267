"""Cells whose gates do not see h: all their products are of the input, so that one product serves many steps, and what
is left of a step is elementwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import activations, core
from ..configured import hook
from .cell import Cell

#: A QRNN's gates of inputs before this step's, three for each step back.
_EARLIER = "abcdegijklmp"


def _positive(v: Any) -> Any:
    """v + 0.5 where v is at least 0, else sigmoid(v), which is above 0 everywhere."""
    return np.where(v >= 0, v + 0.5, activations.sigmoid(v))


class MinGRU(Cell):
    """The minimal GRU, whose gate and candidate see the input alone.

        z = sigmoid(x Wz + bz)    n = x Wn + bn    h' = (1 - z) h + z n

    With `positive` the candidate is n + 0.5 where n is at least 0 and sigmoid(n) elsewhere, as in the paper's form for
    parallel scans in the space of logarithms.

    L. Feng, F. Tung, M. O. Ahmed, Y. Bengio and H. Hajimirsadeghi, "Were RNNs all we needed?", 2024 (arXiv 2410.01201).
    """

    gates = "z n"
    gate_names = {"z": "update", "n": "candidate"}
    roles = {"z": "store", "n": "store"}
    positive = False

    @hook
    def step(self, z: Any, h: Any) -> Any:
        u, n = activations.sigmoid(z.x.z), _positive(z.x.n) if self.positive else 1.0 * z.x.n
        return (1 - u) * h + u * n


class MinLSTM(Cell):
    """The minimal LSTM, whose gates share one unit of memory and see the input alone.

        f, i = sigmoid(x W + b)    n = x Wn + bn    h' = (f h + i n) / (f + i)

    f / (f + i) is made of exponentials of which the largest is 1, so that it is right where both gates are closed.
    `positive` is as in MinGRU.

    L. Feng, F. Tung, M. O. Ahmed, Y. Bengio and H. Hajimirsadeghi, "Were RNNs all we needed?", 2024 (arXiv 2410.01201).
    """

    gates = "f i n"
    gate_names = {"f": "forget", "i": "input", "n": "candidate"}
    roles = {"f": "keep", "i": "store", "n": "store"}
    positive = False

    @hook
    def step(self, z: Any, h: Any) -> Any:
        most = np.minimum(np.minimum(z.x.f, z.x.i), 0.0)
        f, i = np.exp(most) + np.exp(most - z.x.i), np.exp(most) + np.exp(most - z.x.f)
        f = f / (f + i)
        return f * h + (1 - f) * (_positive(z.x.n) if self.positive else 1.0 * z.x.n)


class SRU(Cell):
    """The simple recurrent unit: gates see of the memory each unit's own number, and the output passes the input by.

        f = sigmoid(x Wf + vf c + bf)         c' = f c + (1 - f) (x Wu + bu)
        r = sigmoid(x Wr + vr c + br)         h' = r activation(c') + (1 - r) scale (x Ws + bs)

    x Ws is the paper's x where its width is that of the units; others have this product there too.

    T. Lei, Y. Zhang, S. I. Wang, H. Dai and Y. Artzi, "Simple recurrent units for highly parallelizable recurrence",
    EMNLP 2018 (arXiv 1709.02755).
    """

    gates = "u f r s"
    states = "h c"
    vectors = {"forget_vector": "zeros", "reset_vector": "zeros"}
    gate_names = {"u": "candidate", "f": "forget", "r": "reset", "s": "skip"}
    roles = {"u": "store", "f": "keep", "r": "output"}
    activation: Any = "linear"
    scale = 1.0

    @hook
    def step(self, z: Any, h: Any, c: Any) -> Any:
        f = activations.sigmoid(z.x.f + self.forget_vector * c)
        r = activations.sigmoid(z.x.r + self.reset_vector * c)
        c = f * c + (1 - f) * z.x.u
        return r * self.activation(c) + (1 - r) * self.scale * z.x.s, c


class QRNN(Cell):
    """The quasi-recurrent network with fo-pooling.

        n = tanh(x Wn + bn)    f, o = sigmoid(x W + b)    c' = f c + (1 - f) n    h' = o c'

    With `window` k, 1 to 5, each sum is over the inputs of this step and of the k - 1 before it that ran, with weights
    for each: the kernel has the columns of n, f and o for this step's input, then those for the input one step before,
    and so on. The bias has columns beside each of these, that count where there is such an input; the paper has the
    first alone. What later steps get from inputs that were there are states, three for each step of the window but one.

    J. Bradbury, S. Merity, C. Xiong and R. Socher, "Quasi-recurrent neural networks", ICLR 2017 (arXiv 1611.01576).
    """

    gates = "n f o"
    states = "h c"
    gate_names = {"n": "candidate", "f": "forget", "o": "output"}
    roles = {"n": "store", "f": "keep", "o": "output"}
    window = 1

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        if core.check_count("window", own["window"]) > 1 + len(_EARLIER) // 3:
            raise ValueError(f"expected window from 1 to {1 + len(_EARLIER) // 3}, got {own['window']}")
        return super()._checked(own)

    @classmethod
    def letters(cls, hyperparameters: Mapping[str, Any]) -> list[str]:
        return [*"nfo", *_EARLIER[: 3 * hyperparameters["window"] - 3]]

    @classmethod
    def declared_states(cls, hyperparameters: Mapping[str, Any]) -> dict[str, str]:
        later = [f"{gate}{i}" for i in range(1, hyperparameters["window"]) for gate in "nfo"]
        return dict.fromkeys(["h", "c", *later], "units")

    @hook
    def step(self, z: Any, h: Any, c: Any, *sums: Any) -> Any:
        # sums: for the three gates of the next step, of the one after it, and so on, from inputs that were there
        of_x = [getattr(z.x, letter) for letter in self.letters({"window": self.window})]
        known = [a + b for a, b in zip(of_x, sums, strict=False)] + of_x[len(sums) :]
        f = activations.sigmoid(known[1])
        c = f * c + (1 - f) * np.tanh(known[0])
        return activations.sigmoid(known[2]) * c, c, *known[3:]


class LRU(Cell):
    """The linear recurrent unit: a state of complex numbers, each multiplied by one of its own, and a product with all.

        lambda = exp(-exp(nu) + i exp(theta))    s' = lambda s + gain sqrt(1 - |lambda|^2) (x B)    h' = Re(s' C) + x D

    The kernel has the real and the imaginary part of B, and D, in the columns of the gates a, b and d; the recurrent
    kernel has the real part of C and minus its imaginary one in the columns of a and b, and those of d are not read.
    The paper's D is a vector; its factor of x B is a weight of its own, with these first values.

    A. Orvieto, S. Smith, A. Gu, A. Fernando, C. Gulcehre, R. Pascanu and S. De, "Resurrecting recurrent neural networks
    for long sequences", ICML 2023 (arXiv 2303.06349).
    """

    gates = "a b d"
    states = "h re im"
    vectors = {"nu": "ring_radius", "theta": "ring_phase", "gain": "ones"}
    gate_names = {"a": "real part", "b": "imaginary part", "d": "skip"}
    use_bias = False
    kernel_initializer: Any = "lecun_normal"
    recurrent_initializer: Any = "lecun_normal"

    @hook
    def step(self, z: Any, h: Any, re: Any, im: Any) -> Any:
        decay, phase = np.exp(-np.exp(self.nu)), np.exp(self.theta)
        across, along = decay * np.cos(phase), decay * np.sin(phase)
        scale = self.gain * np.sqrt(1 - decay * decay)
        new = across * re - along * im + scale * z.x.a, along * re + across * im + scale * z.x.b
        return z.x.d + self.product(new[0], "a") + self.product(new[1], "b"), *new
