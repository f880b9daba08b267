"""Products for layers that are not cells: a matrix in the layout of a backend, and what is multiplied with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .. import kernels
from ..kernels.stages import STREAMED
from .checks import contiguous, empty, rows

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Matrix:
    """W (K, N) and perhaps a bias (N,) in the layout of one backend, of which `functions` are. Threads may share it."""

    functions: Any
    packed: Any
    N: int

    @classmethod
    def of(cls, W: Array, b: Array | None = None, backend: kernels.Backend | None = None) -> Matrix:
        """Copy W, which lies by rows or by columns, and b into the layout of a backend, the active one where None."""
        functions = (kernels.active() if backend is None else backend).products
        bias = None if b is None else contiguous(b)
        return cls(functions, functions.product_pack(W, bias), W.shape[1])

    def multiply(self, x: Array, activation: str = "linear") -> Array:
        """activation(b + x W), a new array (..., N), for x (..., K) of the matrix's dtype.

        activation: one of `FUSED`.
        """
        x = rows(x)
        places = x if x.ndim == 3 else x.reshape(1, -1, x.shape[-1])
        y = empty((*x.shape[:-1], self.N), x.dtype)
        self.functions.product(self.packed, places, activation, y.reshape(*places.shape[:2], self.N))
        return y


#: What a product can apply to its sums.
FUSED = STREAMED


def add_gradients(x: Array, dz: Array, dW: Array | None, db: Array | None) -> None:
    """dW (K, N) += x^T dz and db (N,) += the sums of dz, for x (..., K) and dz (..., N) of one dtype.

    dW and db are C-contiguous; None where not wanted.
    """
    x, dz = rows(x), contiguous(dz)
    if x.ndim != 3:
        x, dz = x.reshape(1, -1, x.shape[-1]), dz.reshape(1, -1, dz.shape[-1])
    kernels.active().products.product_gradients(x, dz, dW, db)


def matmul(a: Array, b: Array) -> Array:
    """a (B, M, K) times b (B, K, N), matrix by matrix: (B, M, N)."""
    out = empty((a.shape[0], a.shape[1], b.shape[2]), a.dtype)
    if not b.swapaxes(1, 2).flags.c_contiguous:
        b = contiguous(b)
    kernels.active().products.product_batched(rows(a), b, out)
    return out
