"""Constraints: what they make of a weight, in closed form; names and configurations."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cellstep import constraints

W = np.array([[3.0, -0.6, 0.0], [4.0, 0.8, 0.0]])  # columns of norm 5, 1 and 0


def test_values() -> None:
    for constraint, wanted in (
        (constraints.NonNeg(), [[3, 0, 0], [4, 0.8, 0]]),
        (constraints.MaxNorm(), [[1.2, -0.6, 0], [1.6, 0.8, 0]]),
        (constraints.UnitNorm(), [[0.6, -0.6, 0], [0.8, 0.8, 0]]),
        (constraints.UnitNorm(axis=[0, 1]), W / np.sqrt(26)),
        (constraints.MaxNorm(2, axis=1), W * 2 / np.sqrt([[9.36], [16.64]])),
        (constraints.MinMaxNorm(2, 4), [[2.4, -1.2, 0], [3.2, 1.6, 0]]),
        (constraints.MinMaxNorm(2, 4, rate=0.5), [[2.7, -0.9, 0], [3.6, 1.2, 0]]),
    ):
        before = W.copy()
        np.testing.assert_allclose(constraint(W), wanted, rtol=2e-7, err_msg=repr(constraint))
        np.testing.assert_array_equal(before, W)
        assert constraint(W.astype("float32")).dtype == np.float32


@pytest.mark.parametrize("name", ["max_norm", "non_neg", "unit_norm", "min_max_norm", "MaxNorm", "MinMaxNorm"])
def test_names_and_configurations(name: str) -> None:
    made = constraints.get(name)
    config = json.loads(json.dumps(constraints.serialize(made)))
    again = constraints.get(config)
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()  # type: ignore[union-attr]
    assert constraints.get(None) is None
    assert constraints.serialize(None) is None


def test_defaults_are_those_of_keras() -> None:
    assert constraints.MaxNorm().get_config() == {"max_value": 2, "axis": 0}
    assert constraints.UnitNorm().get_config() == {"axis": 0}
    assert constraints.MinMaxNorm().get_config() == {"min_value": 0, "max_value": 1, "rate": 1, "axis": 0}


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: constraints.get("max"), ValueError, "constraint must be one of max_norm, .* got 'max'"),
        (lambda: constraints.get(abs), TypeError, "constraint must be a name, a configuration or .* got <built-in"),
        (lambda: constraints.MaxNorm(-1), ValueError, "max_value must be a finite number, 0 or more, got -1"),
        (lambda: constraints.MaxNorm(axis=0.5), TypeError, "axis must be an integer or a list of them, got 0.5"),
        (lambda: constraints.MinMaxNorm(2, 1), ValueError, "min_value must be at most max_value, got 2 and 1"),
        (lambda: constraints.MinMaxNorm(rate=2), ValueError, "rate must be a finite number from 0 to 1, got 2"),
    ],
)
def test_bad_arguments(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()
