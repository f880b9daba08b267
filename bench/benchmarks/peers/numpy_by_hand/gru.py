"""GRU in NumPy."""

from __future__ import annotations

import numpy as np

from .base import Array, ByHand


class GRU(ByHand):
    """The GRU that resets after the product, as Keras does by default; gates z r | h, b (2, 3H)."""

    ORDER, SIGMOIDS = (0, 1, 2), 2

    def prepare(self) -> None:
        T, B, H = self.T, self.B, self.H
        self.inner = np.empty((T, B, H), self.dtype)
        self.work = np.empty((B, H), self.dtype)
        self.inners = list(self.inner)
        self.views = [self._views(z) for z in self.zs]
        self.x_z = np.empty((B, 3 * H), self.dtype)
        self.step_views = self._views(self.x_z)
        self.hu_views = self.hu[:, : 2 * H], self.hu[:, 2 * H :]
        # backward: gradients at z, r, the inner product, and the candidate; the first three go back through U
        self.factors = np.empty((T, B, 4, H), self.dtype)
        self.d4 = np.empty((T, B, 4, H), self.dtype)
        self.dz_U = np.empty((T * B, 3 * H), self.dtype)
        self.back = [(F, d, d.reshape(B, 4 * H)[:, : 3 * H]) for F, d in zip(self.factors, self.d4, strict=True)]
        self.dh_gates = self.dh[:, None, :]

    def pack(self, W: Array, U: Array, b: Array) -> None:
        super().pack(W, U, b)
        H = self.H
        # the biases of z and r go with the projection; only the candidate's recurrent one lies inside a product
        self.project_bias = self.bias_half[0].copy()
        self.project_bias[: 2 * H] += self.bias_half[1, : 2 * H]
        self.inner_bias = self.bias_half[1, 2 * H :].copy()

    def _views(self, z: Array) -> tuple[Array, ...]:
        H = self.H
        return z[:, : 2 * H], z[:, :H], z[:, H : 2 * H], z[:, 2 * H :]

    def step(self, x: Array) -> Array:
        """One step of B rows, x (B, I), on the state kept in `self.h_now`; returns h."""
        zr, z, r, g = self.step_views
        h = self.h_now
        np.dot(x, self.W_half, self.x_z)
        np.add(self.x_z, self.project_bias, self.x_z)
        self._gates(h, zr, r, g, self.hu_views[1])
        np.subtract(h, g, h)
        np.multiply(h, z, h)
        np.add(h, g, h)
        return h

    def _gates(self, h: Array, zr: Array, r: Array, g: Array, inner: Array) -> None:
        hu_zr, hu_g = self.hu_views
        np.dot(h, self.U_half, self.hu)
        np.add(zr, hu_zr, zr)
        np.tanh(zr, zr)
        np.multiply(zr, self.half, zr)
        np.add(zr, self.half, zr)
        np.add(hu_g, self.inner_bias, inner)
        np.multiply(inner, r, self.work)
        np.add(g, self.work, g)
        np.tanh(g, g)

    def forward(self, x: Array) -> Array:
        """y (T, B, H) from x (T, B, I) and a zero state; keeps what backward needs."""
        self.project(x, self.project_bias)
        for t, (zr, z, r, g) in enumerate(self.views):
            h, new = self.hs[t], self.hs[t + 1]
            self._gates(h, zr, r, g, self.inners[t])
            np.subtract(h, g, new)
            np.multiply(new, z, new)
            np.add(new, g, new)
        return self.h[1:]

    def backward(self, x: Array, dy: Array) -> None:
        """dx, dW, dU, db from dy (T, B, H); after forward(x)."""
        T, B, H = self.T, self.B, self.H
        gates, F = self.z.reshape(T, B, 3, H), self.factors
        z, r, g = (gates[:, :, k] for k in range(3))
        # candidate: (1 - z)(1 - g^2); inner product: that times r; r: that times inner (1 - r); z: (h - g) z (1 - z)
        one_z = np.subtract(1, z)
        np.multiply(g, g, F[:, :, 3])
        np.subtract(1, F[:, :, 3], F[:, :, 3])
        F[:, :, 3] *= one_z
        np.multiply(F[:, :, 3], r, F[:, :, 2])
        np.subtract(1, r, F[:, :, 1])
        F[:, :, 1] *= F[:, :, 2]
        F[:, :, 1] *= self.inner
        np.subtract(self.h[:-1], g, F[:, :, 0])
        F[:, :, 0] *= z
        F[:, :, 0] *= one_z
        dh, work, dh_gates, U_back = self.dh, self.work, self.dh_gates, self.U_back
        dot, add, multiply = np.dot, np.add, np.multiply
        dh[...] = 0
        for t in range(T - 1, -1, -1):
            Ft, d4, d3 = self.back[t]
            add(dh, dy[t], dh)
            multiply(dh_gates, Ft, d4)
            multiply(dh, z[t], work)
            dot(d3, U_back, dh)
            add(dh, work, dh)
        flat = self.d4.reshape(T * B, 4, H)
        dz, dz_U = self.flat_dz.reshape(T * B, 3, H), self.dz_U.reshape(T * B, 3, H)
        np.copyto(dz[:, :2], flat[:, :2])
        np.copyto(dz[:, 2], flat[:, 3])
        np.copyto(dz_U, flat[:, :3])
        self.weight_gradients(x, self.dz_U)
        self.flat_dz.sum(0, out=self.db[0])
        self.dz_U.sum(0, out=self.db[1])
