"""Jacobians of steps against central differences of the layers' own steps, in float64; and the analytic cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellstep import core, layers
from cellstep.lab.analysis.cell_state_terms import through_gates
from cellstep.lab.analysis.jacobians import (
    products,
    spectral_norms,
    spectral_radii,
    step_jacobians,
    values,
)

Array = NDArray[Any]
B, T, H, FEATURES = 3, 6, 4, 2
EPSILON = 1e-6
CELLS = {
    "rnn": lambda **o: layers.SimpleRNN(H, **o),
    "rnn relu": lambda **o: layers.SimpleRNN(H, activation="relu", **o),
    "lstm": lambda **o: layers.LSTM(H, **o),
    "lstm odd": lambda **o: layers.LSTM(H, activation="softsign", recurrent_activation="hard_sigmoid", **o),
    "lstm of inputs": lambda **o: layers.LSTM(H, activation="gelu", recurrent_activation="silu", **o),
    "rnn that mixes": lambda **o: layers.SimpleRNN(H, activation="softmax", **o),
    "gru": lambda **o: layers.GRU(H, **o),
    "gru before": lambda **o: layers.GRU(H, reset_after=False, **o),
    "gru odd": lambda **o: layers.GRU(H, activation="elu", recurrent_activation="softsign", **o),
}
every_cell = pytest.mark.parametrize("name", CELLS)


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Array:
    return scale * np.random.default_rng(seed).standard_normal(shape)


def made(name: str, **options: Any) -> Any:
    layer = CELLS[name](return_sequences=True, return_state=True, dtype="float64", **options)
    layer.build((None, None, FEATURES))
    layer.set_weights([normal(*w.shape, seed=k, scale=0.7) for k, w in enumerate(layer.weights)])
    return layer


def traced(layer: Any, x: Array, **options: Any) -> Any:
    with layers.trace() as runs:
        layer.forward(x, **options)
    return runs[0]


def differences(layer: Any, x: Array, states: list[Array], **options: Any) -> Array:
    """d final states / d initial states of each row, (B, S, S), by central differences."""
    S = sum(s.shape[1] for s in states)
    found = np.empty((len(x), S, S))
    for j in range(S):
        ends = []
        for sign in (1, -1):
            nudged = np.concatenate(states, axis=1)
            nudged[:, j] += sign * EPSILON
            _, *last = layer(x, initial_state=np.split(nudged, len(states), axis=1), **options)
            ends.append(np.concatenate(last, axis=1))
        found[:, :, j] = (ends[0] - ends[1]) / (2 * EPSILON)
    return found


@every_cell
def test_steps_are_the_differences_of_one_step(name: str) -> None:
    layer, x = made(name), normal(B, T, FEATURES, seed=9)
    run = traced(layer, x)
    found, held = step_jacobians(run), values(run)
    for t in range(T):
        right = differences(layer, x[:, t : t + 1], [s[:, t] for s in held.states])
        np.testing.assert_allclose(found[:, t], right, atol=2e-9)


@every_cell
@pytest.mark.parametrize("lengths", [None, [6, 3, 0]])
def test_products_are_the_differences_of_what_follows(name: str, lengths: Any) -> None:
    layer, x = made(name), normal(B, T, FEATURES, seed=9)
    run = traced(layer, x, lengths=lengths)
    found, held = products(step_jacobians(run)), values(run)
    for t in range(T):
        left = {} if lengths is None else {"lengths": np.maximum(np.array(lengths) - t, 0)}
        right = differences(layer, x[:, t:], [s[:, t] for s in held.states], **left)
        np.testing.assert_allclose(found[:, t], right, atol=2e-8)
    np.testing.assert_array_equal(found[:, T], np.broadcast_to(np.eye(found.shape[-1]), found[:, T].shape))


@every_cell
def test_dropped_states_and_masked_steps(name: str) -> None:
    layer, x = made(name, recurrent_dropout=0.5, seed=3), normal(B, T, FEATURES, seed=9)
    mask = np.random.default_rng(1).random((B, T)) < 0.6
    with layers.trace() as runs:
        layer.forward(x, mask=mask, training=True)
    run = runs[0]
    assert (run.forward.drop == 0).any()
    assert (run.forward.drop == 2).any()
    found, held = step_jacobians(run), values(run)
    # the same by the layer's own pullback, which has rows of the Jacobian for unit gradients
    S = found.shape[-1]
    for k in range(S):
        unit = np.zeros((B, S))
        unit[:, k] = 1
        for t in (0, 3):
            before = [s[:, t] for s in held.states]
            *_, back = core.forward(
                run.forward.packed,
                x[:, t : t + 1],
                before,
                mask=mask[:, t : t + 1],
                drop=run.forward.drop,
                tape=True,
            )
            assert back is not None
            _, rows = back(None, np.split(unit, len(before), axis=1), need_dx=False)
            np.testing.assert_allclose(found[:, t, k], np.concatenate(rows, axis=1), atol=1e-14)


def test_a_linear_unit_over_three_steps() -> None:
    """w = 3 makes 27 of a nudge in three steps, w = 0.33 leaves 0.036."""
    for w, right in ((3.0, 27.0), (0.33, 0.33**3)):
        layer = layers.SimpleRNN(1, activation="linear", use_bias=False, dtype="float64")
        layer.build((None, None, 1))
        layer.set_weights([[[0.5]], [[w]]])
        chain = products(step_jacobians(traced(layer, normal(1, 3, 1))))
        np.testing.assert_allclose(spectral_norms(chain)[0], [right, w**2, w, 1], rtol=1e-15)
    assert abs(0.33**3 - 0.036) < 1e-4


def test_norms_and_radii_of_known_matrices() -> None:
    shear = np.array([[1.0, 4.0], [0.0, 1.0]])
    turn = np.array([[0.0, -2.0], [2.0, 0.0]])
    broken = np.array([[np.nan, 0.0], [0.0, 1.0]])
    both = np.array([shear, turn, broken])
    np.testing.assert_allclose(spectral_norms(both), [2 + 5**0.5, 2, np.nan], rtol=1e-14)
    np.testing.assert_allclose(spectral_radii(both), [1, 2, np.nan], rtol=1e-7)


@pytest.mark.parametrize("name", ["lstm", "lstm odd", "lstm of inputs"])
def test_the_terms_of_an_lstm_are_its_derivative_by_h(name: str) -> None:
    mask = np.random.default_rng(1).random((B, T)) < 0.6
    layer = made(name, recurrent_dropout=0.5, seed=3)
    for options in ({}, {"mask": mask, "training": True}):
        run = traced(layer, normal(B, T, FEATURES), **options)
        whole, ran = step_jacobians(run), run.running
        slopes = through_gates(run, 4)
        assert slopes is not None
        direct, terms = slopes
        diagonals = np.diagonal(whole[:, :, H:, H:], axis1=2, axis2=3)
        np.testing.assert_allclose(direct[ran], diagonals[ran], rtol=1e-14, atol=1e-15)
        # three terms, which may cancel, added in another order
        np.testing.assert_allclose(sum(terms.values())[ran], whole[ran][:, H:, :H], rtol=1e-14, atol=1e-15)


def test_terms_need_activations_that_do_not_mix_units() -> None:
    layer = layers.LSTM(H, activation="softmax", dtype="float64")
    assert through_gates(traced(layer, normal(B, T, FEATURES)), 2) is None


def test_too_many_of_them_are_refused() -> None:
    layer = layers.LSTM(400)
    with layers.trace() as runs:
        layer.forward(np.zeros((4, 60, 1), "float32"))
    with pytest.raises(ValueError, match=r"rows and steps must be fewer: Jacobians of 4 rows, 60 steps and 800 states"):
        step_jacobians(runs[0])


@every_cell
def test_nothing_crosses_a_reset(name: str) -> None:
    layer, x, resets = made(name), normal(B, T, FEATURES), np.zeros((B, T), bool)
    resets[0, 2] = resets[2, 4] = True
    whole = traced(layer, x, resets=resets)
    jacobians, plain, after = (step_jacobians(run) for run in (whole, traced(layer, x), traced(layer, x[:, 2:])))
    assert not jacobians[resets].any()
    np.testing.assert_array_equal(jacobians[0, 3:], after[0, 1:])
    np.testing.assert_array_equal(jacobians[1], plain[1])
    for state in values(whole).before:
        assert not state[resets].any()
