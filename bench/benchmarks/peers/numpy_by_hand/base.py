"""What the three cells share: weights in the cell's own order of gates, the hoisted projection, the gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class ByHand:
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
        # a step's state: h stands behind x and before the 1 that multiplies the bias, so a step is one product
        self.xh1 = np.zeros((B, self.I + H + 1), dtype)
        self.xh1[:, -1] = 1
        self.x_now, self.h_now = self.xh1[:, : self.I], self.xh1[:, self.I : -1]
        self.prepare()

    def prepare(self) -> None:
        """Buffers and views of one cell."""
        raise NotImplementedError

    def reset(self) -> None:
        """Zero states for `step`."""
        self.h_now[...] = 0

    def step(self, x: Array) -> Array:
        """One step of B rows, x (B, I), on the states kept; returns h."""
        raise NotImplementedError

    def forward(self, x: Array) -> Array:
        """y (T, B, H) from x (T, B, I) and zero states; keeps what backward needs."""
        raise NotImplementedError

    def backward(self, x: Array, dy: Array) -> None:
        """dx, dW, dU, db from dy (T, B, H); after forward(x)."""
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
