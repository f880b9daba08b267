"""The compiled activations against extended precision, over the whole range of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellstep import kernels

Array = NDArray[Any]


def sigmoid(v: Array) -> Array:
    return np.where(v >= 0, 1, np.exp(-np.abs(v))) / (1 + np.exp(-np.abs(v)))


def log1pexp(v: Array) -> Array:
    return np.maximum(v, 0) + np.log1p(np.exp(-np.abs(v)))


def squareplus(v: Array) -> Array:
    right = np.abs(v) / 2 + np.hypot(v / 2, v.dtype.type(1))
    return np.where(v < 0, 1 / right, right)


def tanh_shrink(v: Array) -> Array:
    """Near 0 by the series of (v cosh v - sinh v) / cosh v, whose terms are all of one sign."""
    near, term, total = np.clip(v, -2, 2), np.clip(v, -2, 2) ** 3 / 3, 0 * v
    for k in range(1, 30):
        total = total + term
        term = term * near**2 * (k + 1) / (k * (2 * k + 2) * (2 * k + 3))
    return np.where(np.abs(v) < 1, total / np.cosh(near), v - np.tanh(v))


def gelu(v: Array) -> Array:
    """With exp(x^2) erfc(x) = 2 x / pi times the integral of exp(-t^2) / (t^2 + x^2), by the midpoint rule, and what a
    pole nearer than pi / h adds (Matta and Reichel, Math. Comp. 25, 1971); the error is exp(-(pi / h)^2)."""
    wide, h, pi = v.dtype.type, 0.375, np.arctan2(v.dtype.type(0), v.dtype.type(-1))
    x = np.minimum(np.abs(v), 60) / np.sqrt(wide(2))
    t2 = [wide((k + 0.5) * h) ** 2 for k in range(24)]
    scaled = 2 * h * x / pi * sum(np.exp(-t) / (t + x * x) for t in t2)
    pole = np.where(x < pi / h, 2 / (1 + np.exp(2 * pi / h * x)), 0)
    tail = (np.exp(-x * x) * scaled + pole) / 2
    return np.where(v < 0, -np.minimum(np.abs(v), 60) * tail, v * (1 - tail))


def mish(v: Array) -> Array:
    w = np.exp(-np.abs(v))
    right = (1 + 2 * w) / (1 + 2 * w + 2 * w * w)
    return np.where(v < 0, np.maximum(v, -1e5) * w * (w + 2) / (w * (w + 2) + 2), v * right)


#: Results below the smallest normal number are flushed to zero inside kernels.
WIDE: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "exponential": np.exp,
    "softplus": log1pexp,
    "log_sigmoid": lambda v: -log1pexp(-v),
    "elu": lambda v: np.where(v > 0, v, np.expm1(np.minimum(v, 0))),
    "squareplus": squareplus,
    "gelu": gelu,
    "silu": lambda v: np.maximum(v, -1e5) * sigmoid(v),
    "mish": mish,
    "tanh_shrink": tanh_shrink,
}
#: Where more is allowed than four units: gelu is a product of five rounded factors, one of them a long polynomial.
UNITS = {"gelu": 5}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-38, -1e-38]


@pytest.fixture(scope="module")
def tiles() -> Any:
    if kernels.available()["cython"]:
        pytest.skip("there are no compiled kernels; conftest.py fails the run where they should be")
    from cellstep.kernels.cython import compiled

    return compiled


def arguments(dtype: str) -> Array:
    """Every exponent with both signs, the range in which results change in even steps, and the special values."""
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    spread = np.exp2(rng.uniform(info.minexp, info.maxexp, 200_000)) * rng.choice([-1, 1], 200_000)
    even = np.linspace(-110, 110, 400_001) if dtype == "float32" else np.linspace(-760, 760, 400_001)
    near = np.linspace(-2, 2, 200_001)
    return np.concatenate([spread, even, near, SPECIAL]).astype(dtype)


def ulps(got: Array, exact: Array) -> Array:
    """How far off, in units of the last place of the exact result; 0 where both are the same infinity or NaN."""
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(got.dtype)
        same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
        flushed = (np.abs(exact) < info.tiny) & (np.abs(got) <= info.tiny)
        unit = np.maximum(np.spacing(np.abs(rounded)), np.spacing(info.tiny)).astype(np.longdouble)
        off = np.abs(got.astype(np.longdouble) - exact) / unit
    return np.where(same | flushed, 0, off)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WIDE)
def test_within_a_few_units_of_the_last_place(tiles: Any, name: str, dtype: str) -> None:
    if dtype == "float64" and np.finfo(np.longdouble).nmant <= np.finfo(np.float64).nmant:
        pytest.skip("this machine has nothing wider than float64 to compare with")
    v = arguments(dtype)
    got = tiles.activate(name, v)
    with np.errstate(all="ignore"):
        exact = WIDE[name](v.astype(np.float64 if dtype == "float32" else np.longdouble))
    off = ulps(got, exact.astype(np.longdouble))
    worst = int(np.argmax(off))
    assert off[worst] <= UNITS.get(name, 4), (
        f"{name}({v[worst]!r}) is {got[worst]!r}, {float(off[worst]):.1f} units off"
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ends_and_zeros_are_exact(tiles: Any, dtype: str) -> None:
    v = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    for name, wanted in {
        "tanh": [0.0, -0.0, 1, -1, np.nan],
        "sigmoid": [0.5, 0.5, 1, 0, np.nan],
        "exponential": [1, 1, np.inf, 0, np.nan],
        "relu": [0, 0, np.inf, 0, np.nan],
        "hard_sigmoid": [0.5, 0.5, 1, 0, np.nan],
        "elu": [0, 0, np.inf, -1, np.nan],
        "squareplus": [1, 1, np.inf, 0, np.nan],
        "sparse_plus": [0.25, 0.25, np.inf, 0, np.nan],
        "sparse_sigmoid": [0.5, 0.5, 1, 0, np.nan],
        "soft_shrink": [0, 0, np.inf, -np.inf, np.nan],
        "hard_shrink": [0, 0, np.inf, -np.inf, np.nan],
        "gelu": [0, 0, np.inf, 0, np.nan],
        "silu": [0, 0, np.inf, 0, np.nan],
        "hard_silu": [0, 0, np.inf, 0, np.nan],
        "mish": [0, 0, np.inf, 0, np.nan],
        "tanh_shrink": [0, 0, np.inf, -np.inf, np.nan],
    }.items():
        got = tiles.activate(name, v)
        np.testing.assert_array_equal(got, np.array(wanted, dtype), err_msg=name)
        if name == "tanh":
            np.testing.assert_array_equal(np.signbit(got[:2]), [False, True])
