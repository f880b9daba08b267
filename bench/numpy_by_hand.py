"""LSTM, GRU and SimpleRNN as somebody good at NumPy writes them for speed: what cellstep has to beat.

Each class takes Keras's W (I, G*H), U (H, G*H) and b, for one shape (T, B), and prepares everything that can be
prepared. What makes it quick, each measured against the plainer form:

- arrays are time-major, x (T, B, I) and y (T, B, H), so that every step reads and writes one contiguous block;
- the input projection of the whole sequence is one BLAS product, the recurrent one is `np.dot` into a buffer; a
  single step is one product of [x h 1] with W, U and b in one matrix, where the cell allows it;
- gates are reordered so that those which share an activation, or a factor in backward, stand side by side;
- sigmoid(v) = tanh(v / 2) / 2 + 1 / 2, which never overflows. The inner half is multiplied into the columns of the
  sigmoid gates beforehand, so one call of tanh, which NumPy runs in vector registers, activates all gates;
- every ufunc writes into a prepared buffer, the views of each step are made once, and the constant is an array of the
  right dtype, which saves the conversion of a Python number in each call;
- backward computes all factors that do not depend on the running gradient for the whole sequence at once, and
  leaves three or four calls and one product to a step; dW, dU and dx are one product each after the loop.

`test_numpy_by_hand.py` holds it against the reference kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class _ByHand:
    """What the three cells share: weights in the cell's own order of gates, the hoisted projection, the gradients.

    ORDER: for each block of H columns here, the block of Keras's that it is. SIGMOIDS: how many blocks at the left
    are sigmoid gates.
    """

    ORDER: tuple[int, ...] = (0,)
    SIGMOIDS = 0

    def __init__(self, W: Array, U: Array, b: Array, T: int, B: int) -> None:
        self.T, self.B, self.I, self.H, self.G = T, B, W.shape[0], U.shape[0], len(self.ORDER)
        dtype, TB, H, G = W.dtype, T * B, self.H, self.G
        self.dtype = dtype
        self.half = np.array(0.5, dtype)
        self.pack(W, U, b)
        self.z = np.empty((T, B, G * H), dtype)
        self.hu = np.empty((B, G * H), dtype)
        self.h = np.zeros((T + 1, B, H), dtype)
        self.dz = np.empty((T, B, G * H), dtype)
        self.dh = np.empty((B, H), dtype)
        self.dx = np.empty((T, B, self.I), dtype)
        self.dW, self.dU, self.db = np.empty_like(self.W), np.empty_like(self.U), np.empty(self.bias.shape, dtype)
        self.flat_z, self.flat_dz = self.z.reshape(TB, G * H), self.dz.reshape(TB, G * H)
        # lists: an item costs a third of what indexing an array costs
        self.zs, self.hs, self.dzs = list(self.z), list(self.h), list(self.dz)
        # a step's state: h stands behind x and before the 1 that meets the bias, so a step is one product
        self.xh1 = np.zeros((B, self.I + H + 1), dtype)
        self.xh1[:, -1] = 1
        self.x_now, self.h_now = self.xh1[:, : self.I], self.xh1[:, self.I : -1]
        self.prepare()

    def prepare(self) -> None:
        """Buffers and views of one cell."""
        raise NotImplementedError

    def pack(self, W: Array, U: Array, b: Array) -> None:
        """New weights: reordered for backward, and with the halves of the sigmoids multiplied in for forward."""
        half = np.ones(self.G * self.H, self.dtype)
        half[: self.SIGMOIDS * self.H] = 0.5
        self.W, self.U, self.bias = self.reorder(W), self.reorder(U), self.reorder(b)
        self.W_half, self.U_half, self.bias_half = self.W * half, self.U * half, self.bias * half
        # one matrix for a step: rows of W, then U, then the bias
        if b.ndim == 1:
            self.WUb = np.concatenate([self.W_half, self.U_half, self.bias_half[None]])
        self.W_back, self.U_back = self.W.T, np.ascontiguousarray(self.U.T)

    def reorder(self, a: Array) -> Array:
        """(..., G*H) from Keras's order of gates to this one's."""
        blocks = a.reshape(*a.shape[:-1], self.G, self.H)
        return np.ascontiguousarray(blocks[..., list(self.ORDER), :]).reshape(a.shape)

    def to_keras(self, a: Array) -> Array:
        """(..., G*H) from this order of gates to Keras's; for checking, not part of what is timed."""
        back = np.argsort(self.ORDER)
        return a.reshape(*a.shape[:-1], self.G, self.H)[..., back, :].reshape(a.shape)

    def project(self, x: Array, bias: Array) -> None:
        """z = x W + bias for all steps."""
        np.dot(x.reshape(self.T * self.B, self.I), self.W_half, self.flat_z)
        np.add(self.flat_z, bias, self.flat_z)

    def weight_gradients(self, x: Array, dz_U: Array) -> None:
        """dx, dW, dU, db as one product each, from the gradients at x W + b, `self.flat_dz`, and at h U, `dz_U`."""
        TB = self.T * self.B
        np.dot(self.flat_dz, self.W_back, self.dx.reshape(TB, self.I))
        np.dot(x.reshape(TB, self.I).T, self.flat_dz, self.dW)
        np.dot(self.h[:-1].reshape(TB, self.H).T, dz_U, self.dU)


class LSTM(_ByHand):
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


class GRU(_ByHand):
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


class SimpleRNN(_ByHand):
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


BY_HAND: dict[str, type[LSTM] | type[GRU] | type[SimpleRNN]] = {"rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}
