"""Cells that tests write as their equations.

They are defined where a test asks for them, and taken away again: the tables of other tests do not have them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cellstep import Cell
from cellstep.activations import gelu, sigmoid, softplus


def define() -> dict[str, Any]:
    """The classes, by name."""

    class WrittenRNN(Cell):
        gates = "n"

        def step(self, z: Any, h: Any) -> Any:
            return np.tanh(z.n)

    class WrittenLSTM(Cell):
        gates = "i f c o"
        states = "h c"
        activation = "tanh"
        recurrent_activation = "sigmoid"

        def step(self, z: Any, h: Any, c: Any) -> Any:
            act, rec = self.activation, self.recurrent_activation
            c = rec(z.f) * c + rec(z.i) * act(z.c)
            return rec(z.o) * act(c), c

    class WrittenGRU(Cell):
        gates = "z r n"
        reset_after = True

        def step(self, z: Any, h: Any) -> Any:
            u, r = sigmoid(z.z), sigmoid(z.r)
            n = np.tanh(z.x.n + (r * z.h.n if self.reset_after else self.product(r * h, "n")))
            return u * h + (1 - u) * n

    class TwoProducts(Cell):
        """Products of two values that the step makes, one after the other, and of a memory."""

        gates = "a f n m"
        states = "h c"
        vectors = "p"

        def step(self, z: Any, h: Any, c: Any) -> Any:
            f = sigmoid(z.f + self.p * c)
            n = np.tanh(z.x.n + self.product(f * h, "n"))
            m, a = self.product(n * c + h, "m a")
            c = f * c + np.tanh(z.x.m + m) * n
            return gelu(z.x.a + a) * np.clip(c, -0.7, 0.7), c

    class Normalized(Cell):
        gates = "i f c o"
        states = "h c"
        vectors = {"gain": "ones", "shift": "zeros"}

        def step(self, z: Any, h: Any, c: Any) -> Any:
            def normal(v: Any) -> Any:
                return self.normalize(v) * self.gain + self.shift

            c = sigmoid(normal(z.f)) * c + sigmoid(normal(z.i)) * np.tanh(normal(z.c))
            return sigmoid(normal(z.o)) * np.tanh(normal(c)), c

    class Diagonal(Cell):
        """Without a product with h."""

        gates = "n"
        states = "h e"
        vectors = {"u": "ones", "tau": "zeros"}
        leak = 0.25

        def step(self, z: Any, h: Any, e: Any) -> Any:
            rate = sigmoid(self.tau)
            e = np.where(h > 0.1, e + self.leak * h, e - softplus(h) / 8)
            return (1 - rate) * h + rate * np.tanh(z.x.n + self.u * h - np.abs(e) ** 2), e

    kinds = [WrittenRNN, WrittenLSTM, WrittenGRU, TwoProducts, Normalized, Diagonal]
    return {kind.__name__: kind for kind in kinds}


NAMES = ("WrittenRNN", "WrittenLSTM", "WrittenGRU", "TwoProducts", "Normalized", "Diagonal")
