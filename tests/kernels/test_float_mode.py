"""The compiled kernels compute in a floating-point mode of their own: the caller's changes no bit, and is put back."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from drive import backward, forward, read, step
from table import VARIANTS, Shape, Variant, problem

from cellstep import core, kernels
from cellstep.kernels import stages

if kernels.available()["cython"]:
    pytest.skip("needs the compiled backend", allow_module_level=True)

LIBM = ctypes.CDLL(ctypes.util.find_library("m"))
#: fenv.h's upward, downward, toward zero.
MODES = {"x86_64": (0x800, 0x400, 0xC00), "aarch64": (0x400000, 0x800000, 0xC00000)}
MODES["AMD64"], MODES["arm64"] = MODES["x86_64"], MODES["aarch64"]
THREADED = Shape(5, 80, 40, 64)


@contextmanager
def rounding(mode: int) -> Iterator[None]:
    """Run a block in a rounding mode; it must be the same afterwards."""
    before = LIBM.fegetround()
    assert LIBM.fesetround(mode) == 0
    try:
        yield
        assert LIBM.fegetround() == mode
    finally:
        LIBM.fesetround(before)


@pytest.fixture(params=MODES.get(platform.machine(), ()))
def mode(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def same(got: Any, right: Any) -> None:
    for a, b in zip(got, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [Shape(4, 5, 7, 19), THREADED], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_cells(v: Variant, dtype: str, shape: Shape, mode: int) -> None:
    backend, p = kernels.load("cython"), problem(v, shape, dtype, "holes", drop=True)

    def run() -> list[Any]:
        a = forward(backend, p)
        gradients = backward(backend, p, a)
        states = step(backend, p, 0, p.states, a.packed)
        return [a.y, *a.states, *gradients.values(), *read(backend, p, a).values(), *states]

    right = run()
    with rounding(mode):
        got = run()
    same(got, right)


@pytest.mark.parametrize("B", [3, 300])
def test_products_norms_and_streams(B: int, mode: int) -> None:
    backend, rng = kernels.load("cython"), np.random.default_rng(0)
    x, W, b, m = (rng.standard_normal(s).astype("f4") for s in ((B, 20, 33), (33, 50), 50, (B, 33, 9)))
    dz, gamma = rng.standard_normal((B, 20, 50)).astype("f4"), rng.standard_normal(33).astype("f4")
    packed = core.pack(kernels.CELLS["gru"], *_gru(rng), **GRU)
    chain = [
        stages.Mask(0.0),
        stages.Recur(packed.cell, packed.backend, packed.weights, False),
        stages.Dense(rng.standard_normal((40, 5)).astype("f4"), None, "softmax"),
    ]

    def run() -> list[Any]:
        products, norms = backend.products, backend.norms
        y, dW, db = np.empty((B, 20, 50), "f4"), np.zeros_like(W), np.zeros_like(b)
        products.product(products.product_pack(W, b), x, "tanh", y)
        products.product_gradients(x, dz, dW, db)
        out, bent = np.empty((B, 20, 9), "f4"), np.empty((B * 20, 33), "f4")
        products.product_batched(x, m, out)
        flat = x.reshape(-1, 33)
        products.activated(flat, "gelu", bent)
        norm, normal, inverse = np.empty_like(flat), np.empty_like(flat), np.empty(len(flat), "f4")
        norms.normalized(flat, 1e-3, gamma, gamma, norm, normal, inverse)
        dx, dgamma, dbeta = np.empty_like(flat), np.zeros_like(gamma), np.zeros_like(gamma)
        norms.normalized_back(flat, normal, inverse, gamma, dx, dgamma, dbeta)
        stream = core.make_chain(chain, B, 33, 5, np.dtype("f4"))
        steps = [stream.step(x[:, 0].copy()), stream.steps(x), *stream.get_states()]
        return [y, dW, db, out, bent, norm, normal, inverse, dx, dgamma, dbeta, *steps]

    right = run()
    with rounding(mode):
        got = run()
    same(got, right)


GRU = {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True, "backward": False}


def _gru(rng: np.random.Generator) -> list[Any]:
    return [rng.standard_normal(s).astype("f4") / 4 for s in ((33, 120), (40, 120), (2, 120))]


@pytest.mark.parametrize("name", list(kernels.UPDATES))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_updates(name: str, dtype: str, mode: int) -> None:
    """They keep denormal numbers, as the specification does."""
    backend, rng = kernels.load("cython"), np.random.default_rng(0)
    start = {k: np.abs(rng.standard_normal(101)).astype(dtype) for k in kernels.UPDATES[name]}
    start["grad"][::3] *= np.finfo(dtype).tiny
    if "mean" in start:
        start["mean"] /= 100  # a variance is not negative
    numbers = {"lr": 0.01, "momentum": 0.9, "nesterov": True, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}

    def run(backend: kernels.Backend) -> list[Any]:
        arrays = {k: a.copy() for k, a in start.items()}
        call = {**arrays, **numbers, "rho": 0.9, "step": 7}
        getattr(backend.updates, name)(*(call[p] for p in kernels.UPDATES[name]))
        return [a for k, a in arrays.items() if k not in (*numbers, "rho", "step", "s")]

    right = run(kernels.load("numpy"))
    with rounding(mode):
        got = run(backend)
    same(got, right)
