"""Lyapunov exponents: of linear systems the logarithms of eigenvalues; of others what two trajectories do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cellstep
from cellstep import lab, layers
from cellstep.lab.analysis.lyapunov import exponents

Array = NDArray[Any]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def linear(U: Array) -> Any:
    layer = layers.SimpleRNN(len(U), activation="linear", use_bias=False, return_sequences=True, dtype="float64")
    layer.build((None, None, 1))
    layer.set_weights([np.ones((1, len(U))), U])
    return layer


@pytest.mark.parametrize("name", ["diagonal", "symmetric", "turning", "any"])
def test_linear_systems_have_the_logarithms_of_their_eigenvalues(name: str) -> None:
    U = {
        "diagonal": np.diag([1.5, 0.9, 0.25]),
        "symmetric": normal(4, 4) + normal(4, 4).T,
        "turning": np.array([[0.0, -0.8], [0.8, 0.0]]),
        "any": np.array([[1.2, 5.0, 0.3], [0.0, 0.7, -2.0], [0.0, 0.0, 0.1]]),
    }[name]
    found = lab.lyapunov(linear(U), normal(2, 400, 1), skip=100)
    right = -np.sort(-np.log(np.abs(np.linalg.eigvals(U))))
    np.testing.assert_allclose(found.exponents, right, atol=1e-6)
    assert found.steps == 2 * 300


def test_one_linear_unit() -> None:
    for w in (3.0, 0.33):
        found = lab.lyapunov(linear(np.array([[w]])), normal(1, 3, 1))
        np.testing.assert_allclose(found.exponents, [np.log(w)], rtol=1e-14)
        assert ("grow, by the factor 3 a step" in found.summary()) == (w == 3)
        assert ("die out, by the factor 0.33 a step" in found.summary()) == (w == 0.33)


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_two_trajectories_part_at_that_rate(kind: Any) -> None:
    """The largest exponent against the distance of two runs of the layer, made small again every 5 steps."""
    layer = kind(6, return_state=True, dtype="float64")
    layer.build((None, None, 2))
    layer.set_weights([normal(*w.shape, seed=k) * 0.8 for k, w in enumerate(layer.get_weights())])
    x = normal(1, 3000, 2)
    found = lab.lyapunov(layer, x, skip=100)
    states = [np.zeros((1, 6)) for _ in layer.cell.contract.states]
    other = [s + 1e-7 * normal(1, 6, seed=5 + k) for k, s in enumerate(states)]
    grown = []
    for t in range(0, 3000, 5):
        start = np.linalg.norm(np.concatenate(other) - np.concatenate(states))
        states, other = (layer(x[:, t : t + 5], initial_state=s)[1:] for s in (states, other))
        apart = [b - a for a, b in zip(states, other, strict=True)]
        end = np.linalg.norm(np.concatenate(apart))
        grown.append(np.log(end / start) / 5)
        other = [a + d * (1e-7 / end) for a, d in zip(states, apart, strict=True)]
    assert found.exponents[0] == pytest.approx(np.mean(grown[20:]), rel=0.02, abs=2e-3)


def test_a_sum_of_exponents_is_the_mean_logarithm_of_determinants() -> None:
    J = normal(3, 50, 4, 4)
    found, steps = exponents(J, np.ones((3, 50), bool))
    np.testing.assert_allclose(found.sum(axis=1), np.log(np.abs(np.linalg.det(J))).mean(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(steps, 50)


def test_masked_steps_are_not_counted() -> None:
    model = cellstep.Sequential([layers.Masking(dtype="float64"), linear(np.array([[0.5]]))])
    x = np.ones((3, 8, 1))
    x[1, 4:], x[2] = 0, 0
    found = lab.lyapunov(model, x)
    np.testing.assert_allclose(found.by_row, [[np.log(0.5)], [np.log(0.5)]])
    assert found.steps == 12


def test_what_a_step_wipes_out() -> None:
    found = lab.lyapunov(linear(np.diag([0.5, 0.0])), normal(1, 5, 1))
    assert found.exponents[1] == -np.inf or found.exponents[1] < -30
    assert lab.lyapunov(linear(np.zeros((1, 1))), normal(1, 5, 1)).exponents[0] == -np.inf
    assert "wipes out" in lab.lyapunov(linear(np.zeros((1, 1))), normal(1, 5, 1)).summary()


def test_errors() -> None:
    layer = linear(np.eye(2))
    with pytest.raises(ValueError, match=r"layer must be a number from 0 to 0 \(.*\), got 1"):
        lab.lyapunov(layer, normal(1, 5, 1), layer=1)
    with pytest.raises(ValueError, match="x must have rows of more than 9 steps, as skip says, got 5"):
        lab.lyapunov(layer, normal(1, 5, 1), skip=9)
    with pytest.raises(ValueError, match="skip must be an integer, 0 or more, got -1"):
        lab.lyapunov(layer, normal(1, 5, 1), skip=-1)
