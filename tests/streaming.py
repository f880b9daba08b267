"""What tests of streams share: a sequence fed step by step, and the comparison that each backend's promise allows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from table import EXACT

from cellstep import kernels

Array = NDArray[Any]


def stepped(stream: Any, x: Array) -> Array:
    """The outputs of all steps of x (B, T, ...), one step at a time, as (B, T, ...)."""
    return np.stack([stream.step(np.ascontiguousarray(x[:, t])) for t in range(x.shape[1])], axis=1)


def assert_same(backend: kernels.Backend, actual: Array, expected: Array, what: str = "") -> None:
    """The same bits where the backend promises them; elsewhere the same numbers to a few roundings."""
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), what
    if backend.name in EXACT:
        np.testing.assert_array_equal(actual, expected, err_msg=what)
    else:
        tolerance = 1e-6 if actual.dtype == np.float32 else 1e-14
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, err_msg=what)


def assert_all_same(
    backend: kernels.Backend, actual: Iterable[Array], expected: Iterable[Array], what: str = ""
) -> None:
    for a, e in zip(actual, expected, strict=True):
        assert_same(backend, a, e, what)
