"""Penalties: their values in closed form, their gradients against differences, names and configurations."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cellstep import regularizers
from cellstep.layers import Variable
from cellstep.saving import custom_object_scope

W = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.5]])

MADE: dict[str, tuple[regularizers.Regularizer, float]] = {
    "l1": (regularizers.L1(0.5), 0.5 * 8.25),
    "l2": (regularizers.L2(0.5), 0.5 * 16.5625),
    "l1l2": (regularizers.L1L2(0.1, 0.01), 0.825 + 0.165625),
    "rows": (regularizers.OrthogonalRegularizer(2.0), 2 * 6.5 / np.sqrt(5.25 * 11.3125)),
    "columns": (
        regularizers.OrthogonalRegularizer(3.0, "columns"),
        1.25 / np.sqrt(1.0625 * 13) + 0.125 / np.sqrt(1.0625 * 2.5) + 5.5 / np.sqrt(13 * 2.5),
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_values(name: str) -> None:
    regularizer, wanted = MADE[name]
    np.testing.assert_allclose(regularizer(W), wanted, rtol=1e-14)
    np.testing.assert_allclose(regularizer(W.astype("float32")), wanted, rtol=1e-6)
    assert type(regularizer(W)) is float


@pytest.mark.parametrize("name", MADE)
def test_gradients(name: str) -> None:
    regularizer, _ = MADE[name]
    slope = regularizer.gradient(W)
    assert regularizer.gradient(W.astype("float32")).dtype == np.float32
    for at in np.ndindex(W.shape):
        sides = []
        for h in (1e-6, -1e-6):
            moved = W.copy()
            moved[at] += h
            sides.append(regularizer(moved))
        np.testing.assert_allclose(slope[at], (sides[0] - sides[1]) / 2e-6, rtol=1e-7, atol=1e-9)


def test_zeros_have_no_slope_and_a_lone_row_no_pair() -> None:
    zeros = np.zeros((2, 3))
    for regularizer, _ in MADE.values():
        assert regularizer(zeros) == 0
        assert not regularizer.gradient(zeros).any()
    assert regularizers.OrthogonalRegularizer()(W[:1]) == 0


@pytest.mark.parametrize("name", ["l1", "L2", "l1l2", "L1L2", "orthogonal_regularizer", "OrthogonalRegularizer"])
def test_names(name: str) -> None:
    made = regularizers.get(name)
    assert made is not None
    assert name.lower().replace("_", "") in (made.__class__.__name__.lower(), "orthogonalregularizer")


def test_defaults_are_those_of_keras() -> None:
    assert regularizers.get("l1").get_config() == {"l1": 0.01}  # type: ignore[union-attr]
    assert regularizers.L2(None).get_config() == {"l2": 0.01}
    assert regularizers.get(regularizers.L1L2).get_config() == {"l1": 0, "l2": 0}  # type: ignore[union-attr]
    assert regularizers.OrthogonalRegularizer().get_config() == {"factor": 0.01, "mode": "rows"}


@pytest.mark.parametrize("name", MADE)
def test_configurations_go_through_json(name: str) -> None:
    made, _ = MADE[name]
    config = json.loads(json.dumps(regularizers.serialize(made)))
    assert sorted(config) == ["class_name", "config", "module", "registered_name"]
    again = regularizers.get(config)
    assert type(again) is type(made)
    assert again(W) == made(W)  # type: ignore[misc]
    assert regularizers.get(None) is None
    assert regularizers.serialize(None) is None


class Offset(regularizers.Regularizer):
    """A penalty of a user's own."""

    def __call__(self, w: Any) -> float:
        return float(((w - 1) ** 2).sum())

    def gradient(self, w: Any) -> Any:
        return 2 * (w - 1)


def test_penalties_of_variables() -> None:
    free, shared = Variable(W, name="a"), Variable(W, name="b", regularizer=Offset())
    assert regularizers.penalties([free, shared, shared]) == [Offset()(W)]
    shared.grad[...] = 1
    regularizers.add_gradients([free, shared, shared], scale=0.5)
    np.testing.assert_array_equal(shared.grad, 1 + (W - 1))
    assert not free.grad.any()


def test_a_penalty_of_the_user_is_found_by_its_name() -> None:
    written = regularizers.serialize(Offset())
    with pytest.raises(ValueError, match=r"regularizer must be one of .* got 'Offset'"):
        regularizers.get(written)
    with custom_object_scope({"Offset": Offset}):
        assert isinstance(regularizers.get(written), Offset)
        assert isinstance(regularizers.get("Offset"), Offset)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: regularizers.get("l3"), ValueError, "regularizer must be one of l1, l2, .* got 'l3'"),
        (lambda: regularizers.get(abs), TypeError, "regularizer must be a name, a configuration or .* got <built-in"),
        (lambda: regularizers.L1(-1), ValueError, "l1 must be a finite number, 0 or more, got -1"),
        (lambda: regularizers.L1L2(0, float("nan")), ValueError, "l2 must be a finite number, 0 or more, got nan"),
        (lambda: regularizers.L2("0.1"), TypeError, "l2 must be a number, got '0.1'"),
        (lambda: regularizers.OrthogonalRegularizer(mode="both"), ValueError, "mode must be 'rows' or 'columns'"),
        (lambda: regularizers.OrthogonalRegularizer()(W[0]), ValueError, r"two axes .* got shape \(3,\)"),
    ],
)
def test_bad_arguments(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()
