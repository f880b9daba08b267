"""Every backend against the reference in float64, over the whole table.

Tolerances: outputs |a - r| <= tol * max(1, |r|), with tol 5e-6 in float32 and 1e-12 in float64. Gradients
|a - r| <= tol * max |r| over each array, with tol 1e-10 in float64; in float32 2e-5, a few hundred roundings.
Inputs are float32 numbers in both dtypes, so they add no error of their own.
"""

from __future__ import annotations

import numpy as np
import pytest
from drive import assert_close, assert_close_to_scale, backward, forward, gradient_buffers, pack, step, unwritten
from table import (
    ACTIVATED,
    DTYPES,
    EDGES,
    EMPTY,
    HUGE,
    LONG,
    MASKS,
    NO_BIAS,
    SMALL,
    THREADED,
    VARIANTS,
    WIDE,
    Problem,
    Shape,
    Variant,
    problem,
)

from cellstep import kernels

OUTPUTS = {"float32": 5e-6, "float64": 1e-12}
GRADIENTS = {"float32": 2e-5, "float64": 1e-10}


def check(backend: kernels.Backend, reference: kernels.Backend, p: Problem) -> None:
    """Hold outputs, states and gradients of a problem against the reference in float64."""
    exact = p.astype("float64")
    answers, expected = forward(backend, p), forward(reference, exact)
    tolerance = OUTPUTS[str(p.dtype)]
    assert_close(answers.y, expected.y, tolerance, "y")
    for name, a, e in zip(p.variant.cell.state_names, answers.states, expected.states, strict=True):
        assert_close(a, e, tolerance, f"{name}T")
    gradients, right = backward(backend, p, answers), backward(reference, exact, expected)
    for name in right:
        assert_close_to_scale(gradients[name], right[name], GRADIENTS[str(p.dtype)], name)


@pytest.mark.parametrize("shape", [*EMPTY, *EDGES, *WIDE], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_shapes(backend: kernels.Backend, reference: kernels.Backend, v: Variant, dtype: str, shape: Shape) -> None:
    check(backend, reference, problem(v, shape, dtype))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_masks(backend: kernels.Backend, reference: kernels.Backend, v: Variant, dtype: str, mask: str) -> None:
    for shape in (SMALL, Shape(1, 7, 2, 17), Shape(9, 13, 4, 33)):
        check(backend, reference, problem(v, shape, dtype, mask))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", ACTIVATED, ids=str)
def test_activations(backend: kernels.Backend, reference: kernels.Backend, v: Variant, dtype: str) -> None:
    check(backend, reference, problem(v, Shape(4, 5, 3, 19), dtype, "holes", gain=0.3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", NO_BIAS, ids=str)
def test_no_bias(backend: kernels.Backend, reference: kernels.Backend, v: Variant, dtype: str) -> None:
    check(backend, reference, problem(v, SMALL, dtype, "holes"))
    check(backend, reference, problem(v, Shape(3, 5, 9, 20), dtype))


@pytest.mark.parametrize("mask", ["none", "lengths"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_a_long_batch(backend: kernels.Backend, reference: kernels.Backend, v: Variant, dtype: str, mask: str) -> None:
    check(backend, reference, problem(v, LONG, dtype, mask))


@pytest.mark.parametrize("shape", THREADED, ids=str)
@pytest.mark.parametrize("mask", ["none", "holes"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_shapes_that_threads_share(
    backend: kernels.Backend, reference: kernels.Backend, v: Variant, dtype: str, mask: str, shape: Shape
) -> None:
    check(backend, reference, problem(v, shape, dtype, mask))


@pytest.mark.parametrize("mask", ["none", "holes", "lengths"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_dropped_states(
    backend: kernels.Backend, reference: kernels.Backend, v: Variant, dtype: str, mask: str
) -> None:
    for shape in (*EMPTY, *EDGES[::5], *THREADED):
        check(backend, reference, problem(v, shape, dtype, mask, drop=True))


@pytest.mark.parametrize("v", [v for v in VARIANTS if v.cell.G > 1], ids=str)
def test_a_step_of_very_many_units(backend: kernels.Backend, reference: kernels.Backend, v: Variant) -> None:
    p = problem(v, HUGE)
    found = step(backend, p, 0, p.states, pack(backend, p, backward=False))
    right = step(reference, p, 0, p.states, pack(reference, p))
    for name, a, e in zip(v.cell.state_names, found, right, strict=True):
        assert_close(a, e, OUTPUTS["float64"], name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", [*VARIANTS, *NO_BIAS], ids=str)
def test_step(backend: kernels.Backend, reference: kernels.Backend, v: Variant, dtype: str) -> None:
    for shape in (*EDGES[::3], Shape(1, 0, 3, 5), Shape(1, 1, 1, 1), Shape(1, 33, 70, 40)):
        p = problem(v, shape._replace(T=1), dtype)
        exact = p.astype("float64")
        found = step(backend, p, 0, p.states, pack(backend, p, backward=False))
        right = step(reference, exact, 0, exact.states, pack(reference, exact))
        for name, a, e in zip(v.cell.state_names, found, right, strict=True):
            assert_close(a, e, OUTPUTS[dtype], f"{name} at {shape}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", kernels.ACTIVATIONS)
def test_activation_over_its_whole_range(
    backend: kernels.Backend, reference: kernels.Backend, activation: str, dtype: str
) -> None:
    """One step of a net of one input and weight 1, whose output is the activation of x."""
    # past 88 the exponential of a float32 overflows; the others must stay right wherever x is finite
    far = [80.0] if activation in ("exponential",) else [80.0, 1e3, 1e10, 3e38]
    near = np.concatenate([np.linspace(-30, 30, 1201), np.logspace(-40, 0, 81), [0.0], far])
    x = np.concatenate([near, -near]).astype(np.float32)

    def run(kernels_: kernels.Backend, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        one = np.ones((1, 1), dtype)
        packed = kernels_.pack(kernels.CELLS["rnn"], (one, one * 0, None), (activation,), True)
        X, h = x.astype(dtype)[:, None, None], np.zeros((x.size, 1), dtype)
        tape, hT, dx = kernels_.tape(packed, x.size, 1, False), unwritten(h.shape, dtype), unwritten(X.shape, dtype)
        with np.errstate(all="ignore"):
            kernels_.forward(packed, X, (h,), None, None, None, None, None, (hT,), tape)
            kernels_.backward(packed, tape, None, (np.ones_like(h),), dx, (None,) * 3, (None,), (None,))
        return hT, dx

    (value, slope), (right, right_slope) = run(backend, dtype), run(reference, "float64")
    assert np.isfinite(value).all()
    assert_close(value, right, OUTPUTS[dtype], activation)
    # a derivative jumps at a corner, where rounding decides the side: those points are left out
    corner = {"relu": [0], "relu6": [0, 6], "hard_sigmoid": [-3, 3], "hard_tanh": [-1, 1], "leaky_relu": [0]}
    near_corner = np.zeros(x.shape, bool)
    for at in (*corner.get(activation, []), *([0] if activation in ("elu", "selu") else [])):
        near_corner |= np.abs(x - at) < 1e-5
    keep = ~near_corner[:, None, None]
    assert_close(slope[keep], right_slope[keep], OUTPUTS[dtype], f"derivative of {activation}")


def test_unwanted_gradients_change_no_other(backend: kernels.Backend) -> None:
    for v in VARIANTS:
        p = problem(v, SMALL, "float64", "holes")
        answers = forward(backend, p)
        whole = backward(backend, p, answers)
        for name in whole:
            alone = backward(backend, p, answers, {name: gradient_buffers(p)[name]})
            np.testing.assert_array_equal(alone[name], whole[name], err_msg=f"{v} {name} alone")
