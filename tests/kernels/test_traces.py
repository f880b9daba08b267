"""What backward shows on its way, and what a tape can be asked for: held against the reference, and against steps.

test_gradients.py has the finite differences of the traces.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drive import assert_all_same, assert_close, assert_same, backward, forward, read
from table import DTYPES, EMPTY, MASKS, OF_INPUT, SMALL, THREADED, VARIANTS, Shape, Variant, problem

from cellstep import get_num_threads, kernels, set_num_threads

ODD = Shape(6, 5, 3, 21)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
every_cell = pytest.mark.parametrize("v", VARIANTS, ids=str)


@pytest.mark.parametrize("mask", ["none", "holes", "lengths", "nothing"])
@both_dtypes
@every_cell
def test_the_trace_ends_where_the_initial_state_begins(
    backend: kernels.Backend, v: Variant, dtype: str, mask: str
) -> None:
    """One more step in front that is masked for all rows: what its states get is what the first states get."""
    p = problem(v, ODD, dtype, mask)
    run = np.concatenate([np.zeros((ODD.B, 1), bool), p.run[:, 1:]], axis=1)
    dy = p.dy.copy()
    dy[:, 0] = 0
    p = replace(p, mask=run, lengths=None, dy=dy)
    gradients = backward(backend, p, forward(backend, p))
    for s in v.cell.state_names:
        np.testing.assert_array_equal(gradients[f"d{s}s"][:, 0], gradients[f"d{s}0"])


@both_dtypes
@every_cell
def test_the_trace_begins_with_what_comes_from_above(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    p = problem(v, ODD, dtype)
    gradients = backward(backend, p, forward(backend, p))
    assert_same(backend, gradients["dhs"][:, -1], p.dstates[0] + p.dy[:, -1])
    for s, d in zip(v.cell.state_names[1:], p.dstates[1:], strict=True):
        np.testing.assert_array_equal(gradients[f"d{s}s"][:, -1], d)


@pytest.mark.parametrize("mask", ["none", "lengths", "holes"])
@pytest.mark.parametrize("shape", THREADED, ids=str)
@every_cell
def test_a_trace_changes_no_gradient(backend: kernels.Backend, v: Variant, shape: Shape, mask: str) -> None:
    p = problem(v, shape, "float32", mask)
    answers = forward(backend, p)
    traced = backward(backend, p, answers)
    names = [name for name in traced if not name.endswith("s")]
    plain = {name: np.zeros_like(traced[name]) for name in names}
    backward(backend, p, answers, plain)
    assert_all_same(backend, plain.values(), (traced[name] for name in names))


@pytest.mark.parametrize("mask", ["none", "lengths", "holes"])
@pytest.mark.parametrize("shape", THREADED, ids=str)
@every_cell
def test_a_trace_is_the_same_for_any_number_of_threads(v: Variant, shape: Shape, mask: str) -> None:
    if kernels.available()["cython"]:
        pytest.skip("needs the compiled kernels, whose teams share rows or units")
    backend, most = kernels.load("cython"), get_num_threads()
    p = problem(v, shape, "float32", mask)
    answers = forward(backend, p)
    try:
        set_num_threads(1)
        alone = backward(backend, p, answers)
        for n in (2, 3, 5):
            set_num_threads(n)
            assert_all_same(backend, backward(backend, p, answers).values(), alone.values(), f"{n} threads")
    finally:
        set_num_threads(most)


@pytest.mark.parametrize("shape", [SMALL, ODD, *EMPTY, *THREADED], ids=str)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("v", [*VARIANTS, *OF_INPUT], ids=str)
def test_a_tape_tells_gates_and_states(
    backend: kernels.Backend, reference: kernels.Backend, v: Variant, mask: str, shape: Shape
) -> None:
    p = problem(v, shape, "float64", mask)
    answers = forward(backend, p)
    found, right = read(backend, p, answers), read(reference, p, forward(reference, p))
    np.testing.assert_array_equal(found["h"], answers.y)
    for name in found:
        assert_close(found[name], right[name], 1e-12, name)
    np.testing.assert_array_equal(np.isnan(found["gates"]).all(axis=(2, 3)), ~p.run)
    assert not np.isnan(found["gates"][p.run]).any()


@every_cell
def test_the_gates_of_the_reference_make_its_states(reference: kernels.Backend, v: Variant) -> None:
    """The equations of each cell, from the gates as they are told."""
    p = problem(v, SMALL)
    told = read(reference, p, forward(reference, p))
    before = {s: np.concatenate([p.states[k][:, None], told[s][:, :-1]], 1) for k, s in enumerate(v.cell.state_names)}
    gates = np.moveaxis(told["gates"], 2, 0)
    if v.cell.name == "rnn":
        np.testing.assert_array_equal(gates[0], told["h"])
    elif v.cell.name == "lstm":
        i, f, g, o = gates
        assert_close(told["c"], f * before["c"] + i * g, 1e-15)
        assert_close(told["h"], o * np.tanh(told["c"]), 1e-15)
    else:
        z, _, candidate = gates
        assert_close(told["h"], z * before["h"] + (1 - z) * candidate, 1e-15)


@pytest.mark.parametrize("mask", ["none", "holes", "lengths"])
@both_dtypes
@every_cell
def test_a_tape_tells_some_rows(backend: kernels.Backend, v: Variant, dtype: str, mask: str) -> None:
    p = problem(v, Shape(4, 70, 3, 21), dtype, mask)
    answers = forward(backend, p)
    whole = read(backend, p, answers)
    for n in (0, 1, 3, 40, 70):
        for name, a in read(backend, p, answers, n).items():
            np.testing.assert_array_equal(a, whole[name][:n], err_msg=name)
    only = np.empty_like(whole["h"])
    backend.read(answers.packed, answers.tape, None, [only] + [None] * (len(v.cell.states) - 1))
    np.testing.assert_array_equal(only, whole["h"])
