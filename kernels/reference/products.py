"""Products for everything that is not a cell, in plain NumPy: the specification, and what NumPy and Numba run.

    product            y = activation(b + x W)
    product_gradients  dW += x^T dz,  db += sum dz
    product_batched    out = a b, matrix by matrix
    activated          y = activation(x)

Letters: B rows of the batch, T places in each, which may overlap (windows of a convolution); K numbers into a sum, N
sums out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activations import activate

Array = NDArray[Any]

#: Multiply-adds of a slice of a long product.
SLICE = 1 << 29


@dataclass(frozen=True, slots=True)
class Packed:
    """W (K, N) and b (N,) or None: copies, so that later changes of the caller's do not show."""

    W: Array
    b: Array | None

    @property
    def K(self) -> int:
        return int(self.W.shape[0])

    @property
    def N(self) -> int:
        return int(self.W.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.W.dtype


def product_pack(W: Array, b: Array | None) -> Packed:
    """Copy W (K, N), C- or F-contiguous, and b (N,) or None."""
    return Packed(W.copy(order="K"), None if b is None else b.copy())


def product(packed: Packed, x: Array, activation: str, y: Array) -> None:
    """y (B, T, N) = activation(b + x W) for x (B, T, K), any strides but units side by side.

    activation: one of `stages.STREAMED`.
    """
    rows = flat(x)
    z = np.empty((len(rows), packed.N), x.dtype)
    for part in _slices(len(rows), packed.K * packed.N):
        np.matmul(rows[part], packed.W, out=z[part])
    if packed.b is not None:
        z += packed.b
    activated(z, activation, y.reshape(z.shape))


def product_gradients(x: Array, dz: Array, dW: Array | None, db: Array | None) -> None:
    """dW (K, N) += x^T dz and db (N,) += the sums of dz, for x (B, T, K) and dz (B, T, N), C-contiguous."""
    if dW is not None:
        rows, slopes = flat(x), flat(dz)
        for part in _slices(len(rows), dW.size):
            dW += rows[part].T @ slopes[part]
    if db is not None:
        db += flat(dz).sum(axis=0)


def product_batched(a: Array, b: Array, out: Array) -> None:
    """out (B, M, N) = a (B, M, K) b (B, K, N), with b or its transpose (B, N, K) C-contiguous."""
    work = a.shape[2] * b.shape[2]
    for part in _slices(len(a), a.shape[1] * work):
        for rows in _slices(a.shape[1], work * len(a[part])):
            np.matmul(a[part, rows], b[part], out=out[part, rows])


def activated(x: Array, activation: str, y: Array) -> None:
    """y (rows, N) = activation(x), both C-contiguous, perhaps one array; activation as in `product`."""
    if activation == "softmax":
        np.subtract(x, x.max(axis=-1, keepdims=True), out=y)
        np.exp(y, out=y)
        y /= y.sum(axis=-1, keepdims=True)
    else:
        y[...] = activate(activation, x)


def _slices(n: int, work: int) -> list[slice]:
    """n rows of so many multiply-adds each, as many at a time as take about 100 ms: signals are heard in between."""
    each = max(1, SLICE // max(1, work))
    return [slice(i, i + each) for i in range(0, n, each)]


def flat(x: Array) -> Array:
    """x (B, T, K) as (B T, K); a copy where its rows do not lie evenly."""
    return x.reshape(-1, x.shape[2])
