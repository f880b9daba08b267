"""Products for layers that are not cells: a matrix in the layout of a backend, and what is multiplied with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from ..kernels.stages import STREAMED
from .checks import contiguous, empty, rows

Array = NDArray[Any]


@dataclass(eq=False, slots=True)
class Matrix:
    """W (K, N) and perhaps a bias (N,) in the layout of one backend. Nobody writes to it; threads may share it."""

    backend: kernels.Backend
    packed: Any
    N: int

    @classmethod
    def of(cls, W: Array, b: Array | None = None, backend: kernels.Backend | None = None) -> Matrix:
        """Copy W and b into the layout of a backend, the active one where None."""
        backend = kernels.active() if backend is None else backend
        if not (W.flags.forc and W.flags.aligned):
            W = W.copy()
        bias = None if b is None else contiguous(b)
        return cls(backend, backend.products.product_pack(W, bias), W.shape[1])

    def multiply(self, x: Array, activation: str = "linear") -> Array:
        """activation(b + x W), a new array (..., N), for x (..., K) of the matrix's dtype.

        activation: one of `FUSED`.
        """
        x, backend = x if x.flags.carray else rows(x), self.backend
        y: Array
        if x.ndim == 2:  # as most often, and without a look at shapes
            y = backend.empty((len(x), self.N), x.dtype)
            backend.products.product(self.packed, x[None], activation, y[None])
        else:
            y = backend.empty((*x.shape[:-1], self.N), x.dtype)
            backend.products.product(self.packed, _three_axes(x), activation, _three_axes(y))
        return y


def _three_axes(a: Array) -> Array:
    """(..., K) as (B, T, K), a view."""
    return a if a.ndim == 3 else a.reshape(1, -1, a.shape[-1])


#: What a product can apply to its sums.
FUSED = STREAMED


def add_gradients(x: Array, dz: Array, dW: Array | None, db: Array | None) -> None:
    """dW (K, N) += x^T dz and db (N,) += the sums of dz, for x (..., K) and dz (..., N) of one dtype.

    dW and db are C-contiguous; None where not wanted.
    """
    x, dz = x if x.flags.carray else rows(x), dz if dz.flags.carray else contiguous(dz)
    add = kernels.active().products.product_gradients
    if x.ndim == 2:
        add(x[None], dz[None], dW, db)
    else:
        add(_three_axes(x), _three_axes(dz), dW, db)


def matmul(a: Array, b: Array) -> Array:
    """a (..., M, K) times b (..., K, N), matrix by matrix, the axes before broadcast: (..., M, N), of one dtype.

    Raises:
        ValueError: K differs.
    """
    (*before, M, K), N = a.shape, b.shape[-1]
    if b.shape[-2] != K:
        raise ValueError(f"expected matrices with as many columns as the others have rows, got {a.shape}, {b.shape}")
    if b.ndim == 2:  # one matrix of many rows
        return _batched(a.reshape(1, math.prod(before) * M, K), b[None]).reshape(*before, M, N)
    lead = np.broadcast_shapes(tuple(before), b.shape[:-2])
    B = math.prod(lead)
    a, b = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
    return _batched(a.reshape(B, M, K), b.reshape(B, K, N)).reshape(*lead, M, N)


def _batched(a: Array, b: Array) -> Array:
    out = empty((a.shape[0], a.shape[1], b.shape[2]), a.dtype)
    by_columns = b.swapaxes(1, 2).flags
    if not (by_columns.c_contiguous and by_columns.aligned):
        b = contiguous(b)
    kernels.active().products.product_batched(rows(a), b, out)
    return out


def einsum(a: Array, a_axes: Sequence[Any], b: Array, b_axes: Sequence[Any], out_axes: Sequence[Any]) -> Array:
    """`numpy.einsum` of two arrays of one dtype, whose axes have letters or numbers, each once in an array."""
    a, a_axes = _summed(a, a_axes, {*b_axes, *out_axes})
    b, b_axes = _summed(b, b_axes, {*a_axes, *out_axes})
    batch = [c for c in a_axes if c in b_axes and c in out_axes]
    inner = [c for c in a_axes if c in b_axes and c not in out_axes]
    own_a, own_b = ([c for c in axes if c not in (*batch, *inner)] for axes in (a_axes, b_axes))
    size = dict(zip(a_axes, a.shape, strict=True))
    if any(size.setdefault(axis, n) != n for axis, n in zip(b_axes, b.shape, strict=True)):
        raise ValueError(f"expected axes of one name to have one size, got shapes {a.shape}, {b.shape}")
    B, M, K, N = (math.prod(size[c] for c in axes) for axes in (batch, own_a, inner, own_b))
    left = a.transpose([a_axes.index(c) for c in (*batch, *own_a, *inner)]).reshape(B, M, K)
    right = b.transpose([b_axes.index(c) for c in (*batch, *inner, *own_b)]).reshape(B, K, N)
    order = [*batch, *own_a, *own_b]
    y = matmul(left, right).reshape([size[c] for c in order])
    return y.transpose([order.index(c) for c in out_axes])


def _summed(x: Array, axes: Sequence[Any], kept: set[Any]) -> tuple[Array, list[Any]]:
    """x summed over the axes that nothing else has, and the axes that are left."""
    alone = tuple(i for i, c in enumerate(axes) if c not in kept)
    return (x.sum(axis=alone) if alone else x), [c for c in axes if c in kept]
