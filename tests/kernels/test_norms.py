"""Layer normalization against float64, finite differences, and itself on any number of threads."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellstep import kernels
from cellstep.config import get_num_threads, set_num_threads

Array = NDArray[Any]
EPSILON = 1e-3
#: (rows, features): below, at and beyond the lanes of a sum
SHAPES = [(1, 1), (3, 2), (5, 15), (4, 16), (7, 33), (2, 200), (900, 65)]
TOLERANCE = {"float32": 3e-6, "float64": 1e-13}


def numbers(*shape: int, dtype: str = "float32", seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def there(backend: kernels.Backend, x: Array, gamma: Array | None, beta: Array | None) -> tuple[Array, Array, Array]:
    y, normal, inverse = np.full_like(x, np.nan), np.full_like(x, np.nan), np.full(len(x), np.nan, x.dtype)
    backend.norms.normalized(x, EPSILON, gamma, beta, y, normal, inverse)
    return y, normal, inverse


def exact(x: Array, gamma: Array | None, beta: Array | None) -> Array:
    """In float64, by the formula."""
    x = x.astype("float64")
    y = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + EPSILON)
    return np.asarray((1 if gamma is None else gamma) * y + (0 if beta is None else beta))


def test_signatures(backend: kernels.Backend) -> None:
    for name, wanted in kernels.NORMS.items():
        assert tuple(inspect.signature(getattr(backend.norms, name)).parameters) == wanted, name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward(backend: kernels.Backend, shape: tuple[int, int], dtype: str) -> None:
    x, gamma, beta = numbers(*shape, dtype=dtype) + 3, numbers(shape[1], dtype=dtype), numbers(shape[1], dtype=dtype)
    for g in (gamma, None):
        for b in (beta, None):
            y, normal, inverse = there(backend, x, g, b)
            np.testing.assert_allclose(y, exact(x, g, b), rtol=0, atol=20 * TOLERANCE[dtype])
            np.testing.assert_allclose(normal, exact(x, None, None), rtol=0, atol=20 * TOLERANCE[dtype])
            wide = x.astype("float64")
            np.testing.assert_allclose(inverse, 1 / np.sqrt(wide.var(1) + EPSILON), rtol=10 * TOLERANCE[dtype])
            alone = np.empty_like(y)
            backend.norms.normalized(x, EPSILON, g, b, alone, None, None)
            np.testing.assert_array_equal(alone, y)


@pytest.mark.parametrize("shape", SHAPES[:-1], ids=str)
def test_backward_against_differences(backend: kernels.Backend, shape: tuple[int, int]) -> None:
    N, F = shape
    x, dy = numbers(N, F, dtype="float64"), numbers(N, F, dtype="float64", seed=1)
    gamma, beta = numbers(F, dtype="float64", seed=2), numbers(F, dtype="float64", seed=3)
    _, normal, inverse = there(backend, x, gamma, beta)
    dx, dgamma, dbeta = np.full_like(x, np.nan), np.ones(F), np.ones(F)
    backend.norms.normalized_back(dy, normal, inverse, gamma, dx, dgamma, dbeta)
    rng = np.random.default_rng(4)
    for value, grad in ((x, dx), (gamma, dgamma - 1), (beta, dbeta - 1)):
        way, before, h = rng.standard_normal(value.shape), value.copy(), 1e-5
        values = []
        for sign in (1, -1):
            value[...] = before + sign * h * way
            values.append(float((exact(x, gamma, beta) * dy).sum()))
        value[...] = before
        assert (values[0] - values[1]) / (2 * h) == pytest.approx(float((grad * way).sum()), rel=2e-6, abs=1e-7)
    again = np.empty_like(dx)
    backend.norms.normalized_back(dy, normal, inverse, gamma, again, None, None)
    np.testing.assert_array_equal(again, dx)
    backend.norms.normalized_back(dy, normal, inverse, None, dx, None, None)
    backend.norms.normalized_back(dy, normal, inverse, np.ones(F), again, None, None)
    np.testing.assert_array_equal(again, dx)


def test_threads_and_batches_leave_no_trace(backend: kernels.Backend) -> None:
    if backend.name != "cython":
        pytest.skip("sums of BLAS depend on the number of rows")
    x, gamma, beta, dy = numbers(3000, 70), numbers(70, seed=1), numbers(70, seed=2), numbers(3000, 70, seed=3)
    found, most = [], get_num_threads()
    for n in (1, 2, 3):
        set_num_threads(n)
        try:
            y, normal, inverse = there(backend, x, gamma, beta)
            dx, dgamma, dbeta = np.empty_like(x), np.zeros(70, "float32"), np.zeros(70, "float32")
            backend.norms.normalized_back(dy, normal, inverse, gamma, dx, dgamma, dbeta)
            found.append([y, normal, inverse, dx, dgamma, dbeta])
        finally:
            set_num_threads(most)
    for other in found[1:]:
        for one, another in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, another)
    np.testing.assert_array_equal(there(backend, x[77:78].copy(), gamma, beta)[0], found[0][0][77:78])
