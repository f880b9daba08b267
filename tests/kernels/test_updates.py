"""Optimizer updates: every backend gives the bits of the NumPy specification, on any dtype and instruction set."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from cellstep import kernels

N = 1003  # no multiple of a vector
LR, STEPS = 0.01, 4


def rule(name: str, **options: Any) -> Any:
    return pytest.param(name, options, id="-".join([name, *(k for k, v in options.items() if v)]))


RULES = [
    rule("sgd"),
    rule("sgd_momentum", momentum=0.9, nesterov=False),
    rule("sgd_momentum", momentum=0.9, nesterov=True),
    rule("adam", beta_1=0.9, beta_2=0.999, epsilon=1e-7, v_hat=False),
    rule("adam", beta_1=0.9, beta_2=0.999, epsilon=1e-7, v_hat=True),
    rule("rmsprop", rho=0.9, momentum=0.0, epsilon=1e-7, mean=False, velocity=False),
    rule("rmsprop", rho=0.9, momentum=0.8, epsilon=1e-7, mean=True, velocity=True),
    rule("rmsprop", rho=0.9, momentum=0.0, epsilon=1e-7, mean=True, velocity=False),
]


def run(backend: kernels.Backend, name: str, options: dict[str, Any], dtype: str) -> dict[str, Any]:
    """Some steps of a rule; the arrays afterwards."""
    rng = np.random.default_rng(0)
    arrays = {"value": rng.standard_normal(N).astype(dtype), "s": np.empty(N, dtype)}
    function = getattr(backend.updates, name)
    for step in range(1, STEPS + 1):
        call: dict[str, Any] = {"lr": LR, "step": step}
        call |= {k: v for k, v in options.items() if not isinstance(v, bool) or k == "nesterov"}
        call["grad"] = (rng.standard_normal(N) * np.exp(rng.uniform(-30, 3, N))).astype(dtype)
        for slot in ("m", "v", "v_hat", "mean", "velocity"):
            wanted = options.get(slot, True)
            call[slot] = arrays.setdefault(slot, np.zeros(N, dtype)) if wanted else None
        grad = call["grad"].copy()
        function(*({**arrays, **call}[p] for p in kernels.UPDATES[name]))
        np.testing.assert_array_equal(call["grad"], grad)
    return {k: a for k, a in arrays.items() if k != "s"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), RULES)
def test_the_bits_of_the_specification(
    backend: kernels.Backend, name: str, options: dict[str, Any], dtype: str
) -> None:
    got, wanted = run(backend, name, options, dtype), run(kernels.load("numpy"), name, options, dtype)
    assert not np.array_equal(wanted["value"], np.random.default_rng(0).standard_normal(N).astype(dtype))
    for key, array in wanted.items():
        np.testing.assert_array_equal(got[key], array, err_msg=key)


def test_every_backend_has_the_functions_of_the_contract(backend: kernels.Backend) -> None:
    for name, parameters in kernels.UPDATES.items():
        assert tuple(inspect.signature(getattr(backend.updates, name)).parameters) == parameters
