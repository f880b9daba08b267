"""A row that begins anew at a step has states of zeros before it, and no gradient crosses, with any other arguments."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drive import Array, assert_all_same, assert_close, assert_same, backward, forward, gradient_buffers, read
from table import DTYPES, SMALL, THREADED, TINY, VARIANTS, Problem, Shape, Variant, problem
from test_gradients import check, part

from cellstep import config, core, kernels

every_cell = pytest.mark.parametrize("v", VARIANTS, ids=str)
MASKS = ("none", "holes", "left", "lengths")


def in_pieces(backend: kernels.Backend, p: Problem) -> tuple[Array, list[Array], dict[str, Array]]:
    """y, the last states and all gradients of one row, from its pieces between resets, each run separately."""
    T = p.shape.T
    assert p.shape.B == 1
    assert p.resets is not None
    starts = [t for t in range(T) if p.resets[0, t] and p.run[0, t]]
    bounds = [0, *starts, T]
    pieces: list[tuple[Problem, Any]] = []
    states = p.states
    for k, (t0, t1) in enumerate(itertools.pairwise(bounds)):
        if k:
            states = tuple(np.zeros_like(s) for s in p.states)
        piece = replace(part(p, slice(t0, t1), states), resets=None)
        answers = forward(backend, piece)
        pieces.append((piece, answers))
        states = answers.states
    into = gradient_buffers(p)
    d, dxs = p.dstates, []
    traces: dict[str, list[Array]] = {}
    for piece, answers in reversed(pieces):
        found = gradient_buffers(piece)
        for name, w in zip(p.variant.cell.weight_names, p.weights, strict=True):
            if w is not None:
                found[f"d{name}"] = into[f"d{name}"]
        backward(backend, replace(piece, dstates=d), answers, found)
        dxs.insert(0, found["dx"])
        for s in p.variant.cell.state_names:
            traces.setdefault(s, []).insert(0, found[f"d{s}s"])
            into[f"d{s}0"] = found[f"d{s}0"]
        d = tuple(np.zeros_like(s) for s in p.states)
    into["dx"] = np.concatenate(dxs, axis=1)
    into |= {f"d{s}s": np.concatenate(t, axis=1) for s, t in traces.items()}
    return np.concatenate([a.y for _, a in pieces], axis=1), list(pieces[-1][1].states), into


@pytest.mark.parametrize("drop", [False, True], ids=["whole", "drop"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("dtype", DTYPES)
@every_cell
def test_the_pieces_give_the_same(backend: kernels.Backend, v: Variant, dtype: str, mask: str, drop: bool) -> None:
    p = problem(v, Shape(23, 7, 5, 19), dtype, mask, resets=True, drop=drop)
    answers = forward(backend, p)
    found = backward(backend, p, answers)
    total = gradient_buffers(p)
    for b in range(7):
        y, last, gradients = in_pieces(backend, p.rows(slice(b, b + 1)))
        assert_same(backend, answers.y[b : b + 1], y, "y")
        assert_all_same(backend, (s[b : b + 1] for s in answers.states), last, "last")
        for name, a in gradients.items():
            if name[1:] in v.cell.weight_names:
                total[name] += a
            else:
                assert_same(backend, found[name][b : b + 1], a, name)
    for name in v.cell.weight_names:
        assert_close(found[f"d{name}"], total[f"d{name}"], 1e-4 if dtype == "float32" else 1e-12, name)


@pytest.mark.parametrize("mask", MASKS)
@every_cell
def test_gradients_do_not_cross(backend: kernels.Backend, v: Variant, mask: str) -> None:
    check(backend, problem(v, TINY._replace(T=5), mask=mask, resets=True))
    check(backend, problem(v, TINY._replace(T=5), mask=mask, resets=True, drop=True))


@pytest.mark.parametrize("shape", THREADED, ids=str)
@pytest.mark.parametrize("mask", MASKS)
@every_cell
def test_threads_and_batches_leave_no_trace(backend: kernels.Backend, v: Variant, mask: str, shape: Shape) -> None:
    """By rows and by units, alone and in a batch; the reference says what is right."""
    p = problem(v, shape, "float32", mask, resets=True, drop=mask == "none")
    before, answers = config.get_num_threads(), []
    for n in (1, 2):
        if before >= n:
            config.set_num_threads(n)
        found = forward(backend, p)
        answers.append((found.y, *found.states, *backward(backend, p, found).values()))
    config.set_num_threads(before)
    assert_all_same(backend, answers[1], answers[0])
    row = p.rows(slice(1, 2))
    assert_same(backend, forward(backend, row).y, found.y[1:2])


@pytest.mark.parametrize("mask", MASKS)
@every_cell
def test_tapes_are_read_and_used_again(backend: kernels.Backend, v: Variant, mask: str) -> None:
    """States after each step are told as they were left; a tape that had resets forgets them."""
    p = problem(v, SMALL, mask=mask, resets=True, drop=True)
    answers = forward(backend, p)
    told = read(backend, p, answers)
    np.testing.assert_array_equal(told["h"], answers.y)
    plain = replace(p, resets=None, drop=None)
    again = forward(backend, plain, packed=answers.packed, tape=answers.tape)
    fresh = forward(backend, plain)
    right = backward(backend, plain, fresh)
    assert_all_same(backend, backward(backend, plain, again).values(), right.values())
    untaped = forward(backend, p, tape=None)
    assert_all_same(backend, (untaped.y, *untaped.states), (answers.y, *answers.states))


@every_cell
def test_a_reset_at_a_masked_step_waits(v: Variant) -> None:
    rng = np.random.default_rng(4)
    p = problem(v, Shape(6, 3, 2, 4), "float64")
    packed = core.pack(v.cell, *p.weights, backward=True, **v.named)
    mask = rng.random((3, 6)) < 0.5
    resets = rng.random((3, 6)) < 0.4
    y, _, back = core.forward(packed, p.x, p.states, mask=mask, resets=resets, tape=True)
    assert y is not None
    assert back is not None
    dx, _ = back(p.dy, p.dstates)
    states: list[Array] = [s.copy() for s in p.states]
    for b in range(3):
        waits = False
        row = [s[b : b + 1] for s in states]
        for t in range(6):
            waits |= bool(resets[b, t])
            if mask[b, t]:
                row = [np.zeros_like(s) for s in row] if waits else row
                row, waits = list(core.step(packed, p.x[b : b + 1, t], row)), False
            assert_close(y[b : b + 1, t], row[0], 1e-14)
    assert dx is not None
    assert not dx[~mask].any()


@pytest.mark.parametrize("lengths", [False, True])
def test_the_last_step_may_come_first(lengths: bool) -> None:
    """With go_backwards a reset is where it was, in the order of x."""
    v = VARIANTS[1]
    p = problem(v, SMALL, mask="lengths" if lengths else "none", resets=True)
    packed = core.pack(v.cell, *p.weights, backward=False, **v.named)
    assert p.resets is not None
    turned = None if p.lengths is None else p.run[:, ::-1]
    y = core.forward(packed, p.x, resets=p.resets, lengths=p.lengths, go_backwards=True)[0]
    right = core.forward(packed, p.x[:, ::-1], resets=p.resets[:, ::-1], mask=turned)[0]
    np.testing.assert_array_equal(y, right)


@pytest.mark.parametrize(
    ("resets", "error", "message"),
    [
        (np.zeros((4, 4)), ValueError, r"expected resets of shape \(batch, time\) = \(4, 5\), got \(4, 4\)"),
        (np.full((4, 5), 2), ValueError, "expected resets to hold booleans, or 0 and 1, got 2"),
        (np.full((4, 5), "a"), TypeError, "expected resets to hold"),
    ],
)
def test_resets_that_do_not_fit(resets: Any, error: type[Exception], message: str) -> None:
    p = problem(VARIANTS[0], SMALL)
    packed = core.pack(p.variant.cell, *p.weights, backward=False, **p.variant.named)
    with pytest.raises(error, match=message):
        core.forward(packed, p.x, resets=resets)
