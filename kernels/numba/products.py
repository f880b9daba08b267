"""Products of matrices on tiles, and the panels that they read. Sums go in the order of k, whatever the tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .jit import inner
from .tile import TALL, tile, width

Array = NDArray[Any]

#: Rows of a panel that are used for all rows of C while they are in the first cache: 16 KB with vectors of 32 bytes.
DEEP = 256
_EIGHT = TALL == 8

_one, _one_by_two, _one_by_four = tile(1), tile(1, 2), tile(1, 4)
_two, _four, _eight = tile(2), tile(4), tile(8)
_weights = tile(TALL, tall=True)


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An empty array that starts a line of the cache: no vector of a row then lies in two of them."""
    n = dtype.itemsize
    for size in shape:
        n *= size
    memory: Array = np.empty(n + 64, np.uint8)
    start = -memory.ctypes.data % 64
    out: Array = memory[start : start + n].view(dtype).reshape(shape)
    return out


def panels(*groups: Sequence[Array]) -> list[Array]:
    """The matrices of each group, (K, N) with any strides, as panels one behind the other: (all their
    ceil(N / width), K, width), zeros past each N. All of one dtype; those of a group of one K."""
    dtype = groups[0][0].dtype
    wide = width(dtype)
    shapes = [(sum(-(-M.shape[1] // wide) for M in group), group[0].shape[0], wide) for group in groups]
    # one allocation for all: each is an integer of lines of the cache
    memory = aligned((sum(n * K * wide for n, K, _ in shapes),), dtype)
    out, start = [], 0
    for group, (n, K, _) in zip(groups, shapes, strict=True):
        whole = memory[start : start + n * K * wide].reshape(n, K, wide)
        first = 0
        for M in group:
            count = -(-M.shape[1] // wide)
            _fill(M, whole[first : first + count])
            first += count
        out.append(whole)
        start += n * K * wide
    return out


def _fill(M: Array, out: Array) -> None:
    (K, N), wide = M.shape, out.shape[2]
    full = N // wide
    rest = N - full * wide
    out[:full] = M[:, : full * wide].reshape(K, full, wide).swapaxes(0, 1)
    out[full:, :, :rest], out[full:, :, rest:] = M[:, full * wide :], 0


@inner
def zeros3(n0: int, n1: int, n2: int, like: Array) -> Array:
    """Zeros (n0, n1, n2) of the dtype of `like` that start a line of the cache."""
    memory: Array = np.zeros(n0 * n1 * n2 + 64 // like.itemsize, like.dtype)
    start = (-memory.ctypes.data % 64) // like.itemsize
    return memory[start : start + n0 * n1 * n2].reshape(n0, n1, n2)


@inner
def zeros2(n0: int, n1: int, like: Array) -> Array:
    """Zeros (n0, n1), as `zeros3`."""
    plane: Array = zeros3(1, n0, n1, like)[0]
    return plane


@inner
def empty_panels(K: int, N: int, like: Array) -> Array:
    """Panels of `width` columns for K rows of N columns, as `zeros3`; `like` lies in such panels."""
    wide = like.shape[2]
    return zeros3((N + wide - 1) // wide, K, wide, like)


@inner
def empty_tall_panels(K: int, M: int, like: Array) -> Array:
    """Panels of `TALL` columns for K rows of M columns, as `zeros3`."""
    return zeros3((M + TALL - 1) // TALL, K, TALL, like)


@inner
def _down(A: Array, a: int, B: Array, b: int, K: int, C: Array, c: int) -> None:
    """One panel of B for all rows of C: its column c and those right of it."""
    M, lda, ldc = C.shape[0], A.shape[1], C.shape[1]
    m = 0
    if _EIGHT:
        while m + 8 <= M:
            _eight(A, m * lda + a, lda, B, b, 0, K, C, m * ldc + c, ldc)
            m += 8
    while m + 4 <= M:
        _four(A, m * lda + a, lda, B, b, 0, K, C, m * ldc + c, ldc)
        m += 4
    if m + 2 <= M:
        _two(A, m * lda + a, lda, B, b, 0, K, C, m * ldc + c, ldc)
        m += 2
    if m < M:
        _one(A, m * lda + a, lda, B, b, 0, K, C, m * ldc + c, ldc)


@inner
def _copy_columns(source: Array, s: int, target: Array, t: int, n: int) -> None:
    for m in range(source.shape[0]):
        for j in range(n):
            target[m, t + j] = source[m, s + j]


@inner
def add_product(A: Array, a: int, B: Array, b: int, K: int, C: Array, c: int, N: int, edge: Array) -> None:
    """C[:, c : c + N] += A[:, a : a + K] @ the first N columns of rows b : b + K of B, which lies in panels.

    A and C are (M, any number of columns); edge (at least M, width) is scratch.
    """
    M, deep, wide = C.shape[0], B.shape[1], B.shape[2]
    ldb, full = deep * wide, N // wide
    p = 0
    if M == 1:
        # one row of sums would wait for each other: several panels go side by side
        while p + 4 <= full:
            _one_by_four(A, a, 0, B, p * ldb + b * wide, ldb, K, C, c + p * wide, 0)
            p += 4
        if p + 2 <= full:
            _one_by_two(A, a, 0, B, p * ldb + b * wide, ldb, K, C, c + p * wide, 0)
            p += 2
    while p < full:
        for k in range(0, K, DEEP):
            _down(A, a + k, B, p * ldb + (b + k) * wide, min(DEEP, K - k), C, c + p * wide)
        p += 1
    if full * wide < N:
        # the last panel is not full: a tile writes whole panels, so not into C
        rest = N - full * wide
        whole = edge[:M]
        _copy_columns(C, c + full * wide, whole, 0, rest)
        for k in range(0, K, DEEP):
            _down(A, a + k, B, full * ldb + (b + k) * wide, min(DEEP, K - k), whole, 0)
        _copy_columns(whole, 0, C, c + full * wide, rest)


@inner
def add_weights(A: Array, B: Array, K: int, C: Array, c: int, N: int) -> None:
    """C[:, c : c + N] += A^T @ B, both of K rows: A in panels of `TALL` columns, B in panels."""
    M, ldc, wide = C.shape[0], C.shape[1], B.shape[2]
    corner = zeros2(TALL, wide, C)
    for p in range((N + wide - 1) // wide):
        n, j = min(wide, N - p * wide), c + p * wide
        for i in range((M + TALL - 1) // TALL):
            a, b, row = i * A.shape[1] * TALL, p * B.shape[1] * wide, i * TALL
            if n == wide and row + TALL <= M:
                _weights(A, a, 0, B, b, 0, K, C, row * ldc + j, ldc)
            else:
                m = min(TALL, M - row)
                corner[:] = C.dtype.type(0)
                _copy_columns(C[row : row + m], j, corner, 0, n)
                _weights(A, a, 0, B, b, 0, K, corner, 0, wide)
                _copy_columns(corner[:m], 0, C[row : row + m], j, n)


@inner
def into_panels(M: Array, c: int, N: int, out: Array) -> None:
    """out (panels, at least K, width) = columns c to c + N of M (K, any number of columns); what is past N is left."""
    wide = out.shape[2]
    for p in range((N + wide - 1) // wide):
        n, first = min(wide, N - p * wide), c + p * wide
        for k in range(M.shape[0]):
            for j in range(n):
                out[p, k, j] = M[k, first + j]
