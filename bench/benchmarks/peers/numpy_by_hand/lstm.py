"""LSTM in NumPy."""

from __future__ import annotations

import numpy as np

from .base import Array, ByHand


class LSTM(ByHand):
    """Gates here: o i f | g. The first three are sigmoids; in backward the last three share the factor dc."""

    ORDER, SIGMOIDS = (3, 0, 1, 2), 3

    def prepare(self) -> None:
        T, B, H = self.T, self.B, self.H
        self.c = np.zeros((T + 1, B, H), self.dtype)
        self.a = np.empty((T, B, H), self.dtype)
        self.ig, self.dc, self.keep, self.c_now = (np.zeros((B, H), self.dtype) for _ in range(4))
        self.cs, self.as_ = list(self.c), list(self.a)
        self.views = [self._views(z) for z in self.zs]
        self.step_views = self._views(self.hu)
        self.factors = np.empty((T, B, 4, H), self.dtype)
        self.dc_factor = np.empty((T, B, H), self.dtype)
        self.back = [
            (F[:, 0], F[:, 1:], D, dz.reshape(B, 4, H)[:, 0], dz.reshape(B, 4, H)[:, 1:], z[:, 2 * H : 3 * H], dz)
            for F, D, dz, z in zip(self.factors, self.dc_factor, self.dzs, self.zs, strict=True)
        ]
        self.dc_gates = self.dc[:, None, :]

    def reset(self) -> None:
        super().reset()
        self.c_now[...] = 0

    def _views(self, z: Array) -> tuple[Array, ...]:
        H = self.H
        return z, z[:, : 3 * H], z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]

    def step(self, x: Array) -> Array:
        """One step of B rows, x (B, I), on the state kept in `self.xh1` and `self.c_now`; returns h."""
        z, sig, o, i, f, g = self.step_views
        h, c = self.h_now, self.c_now
        self.x_now[...] = x
        np.dot(self.xh1, self.WUb, z)
        np.tanh(z, z)
        np.multiply(sig, self.half, sig)
        np.add(sig, self.half, sig)
        np.multiply(c, f, c)
        np.multiply(i, g, g)
        np.add(c, g, c)
        np.tanh(c, h)
        np.multiply(h, o, h)
        return h

    def forward(self, x: Array) -> Array:
        """y (T, B, H) from x (T, B, I) and zero states; keeps what backward needs."""
        self.project(x, self.bias_half)
        dot, add, multiply, tanh = np.dot, np.add, np.multiply, np.tanh
        U, hu, ig, hs, cs, half = self.U_half, self.hu, self.ig, self.hs, self.cs, self.half
        for t, (z, sig, o, i, f, g) in enumerate(self.views):
            dot(hs[t], U, hu)
            add(z, hu, z)
            tanh(z, z)
            multiply(sig, half, sig)
            add(sig, half, sig)
            c, a = cs[t + 1], self.as_[t]
            multiply(f, cs[t], c)
            multiply(i, g, ig)
            add(c, ig, c)
            tanh(c, a)
            multiply(o, a, hs[t + 1])
        return self.h[1:]

    def backward(self, x: Array, dy: Array) -> None:
        """dx, dW, dU, db from dy (T, B, H); after forward(x)."""
        T, B, H = self.T, self.B, self.H
        gates, F = self.z.reshape(T, B, 4, H), self.factors
        o, i, _, g = (gates[:, :, k] for k in range(4))
        # d gate / d z = s - s^2 for the three sigmoids, 1 - g^2 for the candidate
        np.multiply(gates, gates, F)
        np.subtract(gates[:, :, :3], F[:, :, :3], F[:, :, :3])
        np.subtract(1, F[:, :, 3], F[:, :, 3])
        F[:, :, 0] *= self.a
        F[:, :, 1] *= g
        F[:, :, 2] *= self.c[:-1]
        F[:, :, 3] *= i
        np.multiply(self.a, self.a, self.dc_factor)
        np.subtract(1, self.dc_factor, self.dc_factor)
        np.multiply(self.dc_factor, o, self.dc_factor)
        dot, add, multiply = np.dot, np.add, np.multiply
        dh, dc, keep, dc_gates, U_back = self.dh, self.dc, self.keep, self.dc_gates, self.U_back
        dh[...] = 0
        dc[...] = 0
        for t in range(T - 1, -1, -1):
            Fo, Fifg, D, dzo, dzifg, forget, dz = self.back[t]
            add(dh, dy[t], dh)
            multiply(dh, Fo, dzo)
            multiply(dh, D, keep)
            add(dc, keep, dc)
            multiply(dc_gates, Fifg, dzifg)
            multiply(dc, forget, dc)
            dot(dz, U_back, dh)
        self.weight_gradients(x, self.flat_dz)
        self.flat_dz.sum(0, out=self.db)
