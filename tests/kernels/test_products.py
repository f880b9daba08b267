"""Products of dense layers, convolutions and attention: right, and of the same bits however the rows are cut."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellstep import kernels
from cellstep.config import get_num_threads, set_num_threads
from cellstep.kernels.reference.activations import activate
from cellstep.kernels.stages import STREAMED, Dense

Array = NDArray[Any]
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}
#: (B, T, K, N): one row, a few, many; widths below, at and beyond those of panels; more rows than a block of gradients
SHAPES = [
    (1, 1, 1, 1),
    (1, 1, 7, 3),
    (1, 5, 16, 16),
    (7, 1, 33, 65),
    (3, 11, 20, 40),
    (1, 1100, 9, 130),
    (40, 50, 64, 96),
    (2, 3, 600, 8),
]


def numbers(*shape: int, dtype: str = "float32", seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def run(backend: kernels.Backend, W: Array, b: Array | None, x: Array, activation: str = "linear") -> Array:
    products = backend.products
    y = np.full((*x.shape[:2], W.shape[1]), np.nan, x.dtype)
    products.product(products.product_pack(W, b), x, activation, y)
    return y


def close(got: Array, wanted: Array, dtype: str) -> None:
    """To the tolerance of the dtype, of the largest wanted number."""
    limit = TOLERANCE[dtype] * max(1.0, float(np.abs(wanted).max(initial=0)))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=limit)


def test_signatures(backend: kernels.Backend) -> None:
    for name, wanted in kernels.PRODUCTS.items():
        assert tuple(inspect.signature(getattr(backend.products, name)).parameters) == wanted, name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products(backend: kernels.Backend, shape: tuple[int, int, int, int], dtype: str) -> None:
    B, T, K, N = shape
    x, W, b = numbers(B, T, K, dtype=dtype), numbers(K, N, dtype=dtype, seed=1), numbers(N, dtype=dtype, seed=2)
    exact = x.astype("float64") @ W.astype("float64")
    close(run(backend, W, b, x), exact + b, dtype)
    close(run(backend, W, None, x), exact, dtype)
    close(run(backend, W.T.copy().T, None, x), exact, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_are_added(backend: kernels.Backend, shape: tuple[int, int, int, int], dtype: str) -> None:
    B, T, K, N = shape
    x, dz = numbers(B, T, K, dtype=dtype), numbers(B, T, N, dtype=dtype, seed=1)
    dW, db = np.ones((K, N), dtype), np.ones(N, dtype)
    wide = x.astype("float64").reshape(-1, K).T @ dz.astype("float64").reshape(-1, N)
    backend.products.product_gradients(x, dz, dW, db)
    close(dW, wide + 1, dtype)
    close(db, dz.astype("float64").sum(axis=(0, 1)) + 1, dtype)
    backend.products.product_gradients(x, dz, None, db)
    backend.products.product_gradients(x, dz, dW, None)
    close(dW, 2 * wide + 1, dtype)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 7, 5, 9), (40, 30, 64, 33), (2, 4, 16, 128)], ids=str)
def test_matrix_by_matrix(backend: kernels.Backend, shape: tuple[int, int, int, int], transposed: bool) -> None:
    B, M, K, N = shape
    a, b = numbers(B, M, K), numbers(B, K, N, seed=1)
    out = np.full((B, M, N), np.nan, "float32")
    backend.products.product_batched(a, b.swapaxes(1, 2).copy().swapaxes(1, 2) if transposed else b, out)
    close(out, a.astype("float64") @ b.astype("float64"), "float32")


@pytest.mark.parametrize("activation", STREAMED)
def test_activations_of_sums(backend: kernels.Backend, activation: str) -> None:
    x, W, b = numbers(3, 5, 6), numbers(6, 37, seed=1), numbers(37, seed=2)
    z = run(backend, W, b, x)
    again = np.empty_like(z).reshape(-1, 37)
    backend.products.activated(z.reshape(-1, 37), activation, again)
    np.testing.assert_array_equal(again.reshape(z.shape), run(backend, W, b, x, activation))
    if activation == "softmax":
        wanted = np.exp(z.astype("float64"))
        wanted /= wanted.sum(axis=-1, keepdims=True)
    else:
        wanted = activate(activation, z.astype("float64"))
    np.testing.assert_allclose(run(backend, W, b, x, activation), wanted, rtol=3e-6, atol=1e-7)


def test_rows_may_overlap_and_lie_anywhere(backend: kernels.Backend) -> None:
    values, W = numbers(4, 12, 3), numbers(9, 5, seed=1)
    windows = np.lib.stride_tricks.as_strided(values, (4, 5, 9), (144, 24, 4))
    wanted = np.stack([values[:, 2 * t : 2 * t + 3].reshape(4, 9) for t in range(5)], axis=1)
    close(run(backend, W, None, windows), wanted @ W, "float32")
    dW, again = np.zeros_like(W), np.zeros_like(W)
    dz = numbers(4, 5, 5, seed=2)
    backend.products.product_gradients(windows, dz, dW, None)
    backend.products.product_gradients(wanted, dz, again, None)
    np.testing.assert_array_equal(dW, again)
    backwards, every = values[::-1, ::-1], numbers(12, 8, 3)[::2, :, :]
    V = numbers(3, 4, seed=3)
    close(run(backend, V, None, backwards), backwards @ V, "float32")
    close(run(backend, V, None, every), every @ V, "float32")


def test_no_rows_and_no_sum(backend: kernels.Backend) -> None:
    W = numbers(4, 3)
    assert run(backend, W, None, numbers(0, 5, 4)).shape == (0, 5, 3)
    dW, db = np.ones_like(W), np.ones(3, "float32")
    backend.products.product_gradients(numbers(0, 5, 4), numbers(0, 5, 3), dW, db)
    assert (dW == 1).all()
    assert (db == 1).all()


def test_packed_is_a_copy(backend: kernels.Backend) -> None:
    W, b, x = numbers(4, 3), numbers(3), numbers(1, 2, 4)
    packed = backend.products.product_pack(W, b)
    wanted = run(backend, W, b, x)
    W[:], b[:] = 0, 0
    y = np.empty_like(wanted)
    backend.products.product(packed, x, "linear", y)
    np.testing.assert_array_equal(y, wanted)


class TestBits:
    """What the compiled backend promises: a row has the same bits however the work is cut."""

    @pytest.fixture(autouse=True)
    def _compiled(self, backend: kernels.Backend) -> None:
        if backend.name != "cython":
            pytest.skip("sums of BLAS depend on the number of rows")

    @pytest.mark.parametrize("activation", ["linear", "tanh", "softmax"])
    @pytest.mark.parametrize("N", [5, 64, 130])
    def test_a_row_alone_in_a_batch_and_in_a_chain(self, backend: kernels.Backend, N: int, activation: str) -> None:
        x, W, b = numbers(9, 31, 40), numbers(40, N, seed=1), numbers(N, seed=2)
        whole = run(backend, W, b, x, activation)
        np.testing.assert_array_equal(run(backend, W, b, x[4:5, 7:8], activation), whole[4:5, 7:8])
        np.testing.assert_array_equal(run(backend, W, b, x[:, ::-1], activation), whole[:, ::-1])
        np.testing.assert_array_equal(run(backend, W, b, x.reshape(1, -1, 40), activation), whole.reshape(1, -1, N))
        chain = backend.Chain([Dense(W, b, activation)], 1, 40, np.dtype("float32"), None, None)
        steps = [chain.step(np.ascontiguousarray(x[2:3, t])) for t in range(31)]
        np.testing.assert_array_equal(np.stack(steps, axis=1), whole[2:3])

    def test_threads(self, backend: kernels.Backend) -> None:
        found, most = [], get_num_threads()
        for n in (1, 2, 3):
            set_num_threads(n)
            try:
                for B, T, K, N in ((64, 30, 128, 96), (2, 1, 512, 4000)):
                    x, W, dz = numbers(B, T, K), numbers(K, N, seed=1), numbers(B, T, N, seed=2)
                    dW, db = np.zeros_like(W), np.zeros(N, "float32")
                    backend.products.product_gradients(x, dz, dW, db)
                    found.append([run(backend, W, None, x), dW, db])
                a, b, out = numbers(40, 60, 64), numbers(40, 64, 50, seed=1), np.empty((40, 60, 50), "float32")
                backend.products.product_batched(a, b, out)
                found.append([out])
            finally:
                set_num_threads(most)
        per = len(found) // 3
        for first, other in zip(found[:per] * 2, found[per:], strict=True):
            for one, another in zip(first, other, strict=True):
                np.testing.assert_array_equal(one, another)
