"""SimpleRNN in NumPy."""

from __future__ import annotations

import numpy as np

from .base import Array, ByHand


class SimpleRNN(ByHand):
    """h' = tanh(x W + b + h U)."""

    def prepare(self) -> None:
        self.factors = np.empty((self.T, self.B, self.H), self.dtype)
        self.fs = list(self.factors)

    def step(self, x: Array) -> Array:
        """One step of B rows, x (B, I), on the state kept in `self.xh1`; returns h."""
        self.x_now[...] = x
        np.dot(self.xh1, self.WUb, self.hu)
        return np.tanh(self.hu, self.h_now)

    def forward(self, x: Array) -> Array:
        """y (T, B, H) from x (T, B, I) and a zero state; keeps what backward needs."""
        self.project(x, self.bias)
        dot, add, tanh, U, hu, hs = np.dot, np.add, np.tanh, self.U, self.hu, self.hs
        for t, z in enumerate(self.zs):
            dot(hs[t], U, hu)
            add(z, hu, z)
            tanh(z, hs[t + 1])
        return self.h[1:]

    def backward(self, x: Array, dy: Array) -> None:
        """dx, dW, dU, db from dy (T, B, H); after forward(x)."""
        np.multiply(self.h[1:], self.h[1:], self.factors)
        np.subtract(1, self.factors, self.factors)
        dot, add, multiply, dh = np.dot, np.add, np.multiply, self.dh
        dh[...] = 0
        for t in range(self.T - 1, -1, -1):
            add(dh, dy[t], dh)
            multiply(dh, self.fs[t], self.dzs[t])
            dot(self.dzs[t], self.U_back, dh)
        self.weight_gradients(x, self.flat_dz)
        self.flat_dz.sum(0, out=self.db)
