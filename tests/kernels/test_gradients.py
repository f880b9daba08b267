"""Every gradient of every backend against central differences of that backend's own forward pass, in float64.

The loss takes in every step's output and every final state, so that a gradient arrives everywhere. With a step of
1e-5 the difference itself is good to about 1e-10; the tolerance is 1e-7 * max(1, |difference|), elementwise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drive import Array, assert_close, backward, forward, outputs
from table import ACTIVATED, MASKS, NO_BIAS, OF_INPUT, TINY, VARIANTS, Problem, Shape, Variant, problem

from cellstep import kernels

EPSILON = 1e-5
TOLERANCE = 1e-7


def loss(backend: kernels.Backend, p: Problem) -> float:
    answers = forward(backend, p, tape=None)
    total = float((answers.y * p.dy).sum())
    return total + sum(float((s * ds).sum()) for s, ds in zip(answers.states, p.dstates, strict=True))


def inputs(p: Problem) -> dict[str, Array]:
    """What there are gradients of, by the gradient's name; arrays of the problem itself, not copies."""
    found: dict[str, Any] = {"dx": p.x}
    found |= {f"d{name}": w for name, w in zip(p.variant.cell.weight_names, p.weights, strict=True)}
    found |= {f"d{name}0": s for name, s in zip(p.variant.cell.state_names, p.states, strict=True)}
    return {name: a for name, a in found.items() if a is not None}


def differences(backend: kernels.Backend, p: Problem) -> dict[str, Array]:
    """d loss / d input for every number of every input."""
    # a copy, as numbers are nudged in place
    p = replace(
        p,
        weights=tuple(None if w is None else w.copy() for w in p.weights),
        x=p.x.copy(),
        states=tuple(s.copy() for s in p.states),
    )
    slopes = {}
    for name, a in inputs(p).items():
        slopes[name] = np.empty_like(a)
        for at in np.ndindex(a.shape):
            value = a[at]
            a[at] = value + EPSILON
            up = loss(backend, p)
            a[at] = value - EPSILON
            down = loss(backend, p)
            a[at] = value
            slopes[name][at] = (up - down) / (2 * EPSILON)
    return slopes | trace_differences(backend, p)


def part(p: Problem, steps: slice, states: tuple[Array, ...]) -> Problem:
    """Some of the steps, from these states on."""
    chosen = range(p.shape.T)[steps]
    lengths = None if p.lengths is None else np.clip(p.lengths - chosen.start, 0, len(chosen)).astype(np.int32)
    return replace(
        p,
        shape=p.shape._replace(T=len(chosen)),
        x=p.x[:, steps],
        mask=None if p.mask is None else p.mask[:, steps],
        lengths=lengths,
        resets=None if p.resets is None else p.resets[:, steps],
        states=states,
        dy=p.dy[:, steps],
    )


def trace_differences(backend: kernels.Backend, p: Problem) -> dict[str, Array]:
    """d loss / d state after each step: the sequence is cut there, and what goes on from the cut is nudged.

    y at the cut is the h that was nudged, at a masked step too.
    """
    T, B, _, H = p.shape
    slopes = {f"d{s}s": np.zeros((B, T, H)) for s in p.variant.cell.state_names}
    for t in range(T):
        states = [s.copy() for s in forward(backend, part(p, slice(0, t + 1), p.states), tape=None).states]

        def rest(states: list[Array] = states, t: int = t) -> float:
            return loss(backend, part(p, slice(t + 1, T), tuple(states))) + float((states[0] * p.dy[:, t]).sum())

        for a, slope in zip(states, slopes.values(), strict=True):
            for at in np.ndindex(a.shape):
                value = a[at]
                a[at] = value + EPSILON
                up = rest()
                a[at] = value - EPSILON
                down = rest()
                a[at] = value
                slope[at[0], t, at[1]] = (up - down) / (2 * EPSILON)
    return slopes


def check(backend: kernels.Backend, p: Problem) -> None:
    gradients = backward(backend, p, forward(backend, p))
    slopes = differences(backend, p)
    assert set(gradients) == set(slopes)
    for name, slope in slopes.items():
        assert_close(gradients[name], slope, TOLERANCE, name)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_gradients_are_the_slopes_of_the_outputs(backend: kernels.Backend, v: Variant, mask: str) -> None:
    check(backend, problem(v, Shape(4, 3, 2, 3), mask=mask))


@pytest.mark.parametrize("mask", ["none", "holes", "lengths"])
@pytest.mark.parametrize("v", [*VARIANTS, *OF_INPUT], ids=str)
def test_gradients_with_dropped_states(backend: kernels.Backend, v: Variant, mask: str) -> None:
    check(backend, problem(v, Shape(4, 3, 2, 4), mask=mask, drop=True))


@pytest.mark.parametrize("v", NO_BIAS, ids=str)
def test_gradients_without_a_bias(backend: kernels.Backend, v: Variant) -> None:
    check(backend, problem(v, TINY, mask="holes"))


@pytest.mark.parametrize("v", ACTIVATED, ids=str)
def test_gradients_of_every_activation(backend: kernels.Backend, v: Variant) -> None:
    check(backend, problem(v, TINY, mask="holes", gain=0.5))


@pytest.mark.parametrize("part", ["dy", "states"])
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_gradients_that_arrive_in_one_place_only(backend: kernels.Backend, v: Variant, part: str) -> None:
    """None for a gradient that comes from above stands for zeros."""
    p = problem(v, TINY, mask="holes")
    for kept in range(len(p.dstates) if part == "states" else 1):
        zeros = [np.zeros_like(s) for s in p.dstates]
        nones: list[Array | None] = [None] * len(zeros)
        if part == "states":
            zeros[kept] = nones[kept] = p.dstates[kept]
        with_zeros = replace(p, dy=p.dy if part == "dy" else np.zeros_like(p.dy), dstates=tuple(zeros))
        right = backward(backend, with_zeros, forward(backend, with_zeros))
        check(backend, with_zeros)
        answers = forward(backend, p)
        found = {name: np.zeros_like(a) for name, a in right.items()}
        dy = p.dy if part == "dy" else None
        backend.backward(answers.packed, answers.tape, dy, nones, *outputs(p, found))
        for name in right:
            assert_close(found[name], right[name], 1e-15, name)


@pytest.mark.parametrize("activation", kernels.ACTIVATIONS)
def test_derivative_of_an_activation_over_its_range(backend: kernels.Backend, activation: str) -> None:
    """One step of a net of one input and weight 1: on both sides of every corner, and far out where it is flat."""
    x = np.concatenate([np.linspace(-12, 12, 97) + 0.01, [-40, 40]])[:, None, None]
    one, h0 = np.ones((1, 1)), np.zeros((len(x), 1))
    packed = backend.pack(kernels.CELLS["rnn"], (one, 0 * one, None), (activation,), True)

    def run(x: Array, tape: Any) -> Array:
        h = np.empty_like(h0)
        backend.forward(packed, x, (h0,), None, None, None, None, None, (h,), tape)
        return h

    tape, dx = backend.tape(packed, len(x), 1, False), np.empty_like(x)
    run(x, tape)
    backend.backward(packed, tape, None, (np.ones_like(h0),), dx, (None,) * 3, (None,), (None,))
    slope = (run(x + EPSILON, None) - run(x - EPSILON, None)) / (2 * EPSILON)
    assert_close(dx[:, 0], slope, TOLERANCE, activation)
