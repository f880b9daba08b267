"""What the kernels read, what they write, and what may be shared: views, read-only arrays, tapes, threads."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drive import (
    Array,
    assert_all_same,
    assert_close,
    backward,
    forward,
    gradient_buffers,
    gradient_names,
    pack,
    step,
    unwritten,
)
from table import DTYPES, VARIANTS, Problem, Shape, Variant, problem

from cellstep import kernels

ODD = Shape(6, 5, 7, 18)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
every_cell = pytest.mark.parametrize("v", VARIANTS, ids=str)


def arrays(p: Problem) -> dict[str, Array]:
    """Every array that a problem hands to the kernels."""
    named: dict[str, Any] = {n: getattr(p, n) for n in ("x", "mask", "lengths", "dy")}
    named |= dict(zip(p.variant.cell.weight_names, p.weights, strict=True))
    named |= {f"state {k}": s for k, s in enumerate(p.states)} | {f"dstate {k}": s for k, s in enumerate(p.dstates)}
    return {name: a for name, a in named.items() if a is not None}


def spread(a: Array, steps_: int) -> Array:
    """The numbers of a (B, T, N) in a view whose steps over B and T are wider than its sizes, or negative."""
    B, T, N = a.shape
    wide = np.full((2 * B + 1, abs(steps_) * T, N + 3), np.nan, a.dtype)
    view = wide[1::2][:B, ::steps_, 1 : N + 1]
    view[...] = a
    return view


@pytest.mark.parametrize("mask", ["none", "holes", "lengths"])
@both_dtypes
@every_cell
def test_inputs_are_not_written_to(backend: kernels.Backend, v: Variant, dtype: str, mask: str) -> None:
    p = problem(v, ODD, dtype, mask)
    before = copy.deepcopy(arrays(p))
    backward(backend, p, forward(backend, p))
    for name, a in arrays(p).items():
        np.testing.assert_array_equal(a, before[name], err_msg=name)


@pytest.mark.parametrize("mask", ["holes", "lengths"])
@both_dtypes
@every_cell
def test_inputs_may_be_read_only(backend: kernels.Backend, v: Variant, dtype: str, mask: str) -> None:
    p = problem(v, ODD, dtype, mask)
    right = forward(backend, p)
    right_gradients = backward(backend, p, right)
    for a in arrays(p).values():
        a.flags.writeable = False
    found = forward(backend, p)
    assert_all_same(backend, (found.y, *found.states), (right.y, *right.states))
    assert_all_same(backend, backward(backend, p, found).values(), right_gradients.values())
    x, states = p.x[:, 0].copy(), tuple(s.copy() for s in p.states)
    x.flags.writeable = False
    backend.step(found.packed, x, states)


@pytest.mark.parametrize("step_", [1, 3, -1, -2])
@both_dtypes
@every_cell
def test_views_are_read_in_place(backend: kernels.Backend, v: Variant, dtype: str, step_: int) -> None:
    """x, dy and mask of any stride over rows and steps; -1 is how a layer goes backwards."""
    p = problem(v, ODD, dtype, "holes")
    assert p.mask is not None
    right = forward(backend, p)
    view = replace(p, x=spread(p.x, step_), dy=spread(p.dy, step_), mask=spread(p.mask[:, :, None], step_)[:, :, 0])
    assert ODD.B == 1 or not view.x.flags.c_contiguous
    found = forward(backend, view)
    assert_all_same(backend, (found.y, *found.states), (right.y, *right.states))
    assert_all_same(backend, backward(backend, view, found).values(), backward(backend, p, right).values())


@both_dtypes
@every_cell
def test_going_backwards_is_a_flipped_copy(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    p = problem(v, ODD, dtype, "right")
    assert p.mask is not None
    view = replace(p, x=p.x[:, ::-1], mask=p.mask[:, ::-1], dy=p.dy[:, ::-1])
    flipped = replace(p, **{name: np.ascontiguousarray(getattr(view, name)) for name in ("x", "mask", "dy")})
    a, b = forward(backend, view), forward(backend, flipped)
    assert_all_same(backend, (a.y, *a.states), (b.y, *b.states))
    assert_all_same(backend, backward(backend, view, a).values(), backward(backend, flipped, b).values())


@both_dtypes
@every_cell
def test_rows_that_share_memory(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    """A stride of zero: one sequence broadcast over the batch, and windows that overlap."""
    p = problem(v, ODD, dtype)
    one = replace(p, x=np.broadcast_to(p.x[:1], p.x.shape), dy=np.broadcast_to(p.dy[:, :1], p.dy.shape))
    line = p.x.reshape(-1, ODD.I)[: ODD.B + ODD.T - 1]
    windows = np.lib.stride_tricks.sliding_window_view(line, ODD.T, axis=0).swapaxes(1, 2)
    # kernels ask for unit stride in the last axis, which the windows have
    assert windows.shape == p.x.shape
    assert windows.strides[2] == windows.itemsize
    for view in (one, replace(p, x=windows)):
        copied = replace(view, x=np.ascontiguousarray(view.x), dy=np.ascontiguousarray(view.dy))
        a, b = forward(backend, view), forward(backend, copied)
        assert_all_same(backend, (a.y, *a.states), (b.y, *b.states))
        assert_all_same(backend, backward(backend, view, a).values(), backward(backend, copied, b).values())


@every_cell
def test_packed_weights_are_a_copy(backend: kernels.Backend, v: Variant) -> None:
    p = problem(v, ODD)
    packed = pack(backend, p)
    right = forward(backend, p, packed=packed)
    right_gradients = backward(backend, p, right)
    for a in p.weights:
        assert a is not None
        a[...] = np.nan
    found = forward(backend, p, packed=packed)
    assert_all_same(backend, (found.y, *found.states), (right.y, *right.states))
    assert_all_same(backend, backward(backend, p, found).values(), right_gradients.values())


@every_cell
def test_y_may_be_left_out(backend: kernels.Backend, v: Variant) -> None:
    p = problem(v, ODD, mask="holes")
    right = forward(backend, p)
    tape = backend.tape(right.packed, ODD.B, ODD.T, False)
    finals = tuple(unwritten(s.shape, s.dtype) for s in p.states)
    backend.forward(right.packed, p.x, p.states, p.mask, None, None, None, None, finals, tape)
    assert_all_same(backend, finals, right.states)
    found = backward(backend, p, right._replace(tape=tape))
    assert_all_same(backend, found.values(), backward(backend, p, right).values())


@every_cell
def test_gradients_may_be_left_out(backend: kernels.Backend, v: Variant) -> None:
    p = problem(v, ODD, mask="holes")
    answers = forward(backend, p)
    whole = backward(backend, p, answers)
    backward(backend, p, answers, {})
    for name in gradient_names(p):
        others = {n: a for n, a in gradient_buffers(p).items() if n != name}
        alone = backward(backend, p, answers, {name: gradient_buffers(p)[name]})
        assert_all_same(backend, alone.values(), [whole[name]], f"{name} alone")
        rest = backward(backend, p, answers, others)
        assert_all_same(backend, rest.values(), (whole[n] for n in others), f"all but {name}")


@both_dtypes
@every_cell
def test_weight_gradients_are_added_to_and_others_overwritten(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    p = problem(v, ODD, dtype, "holes")
    answers = forward(backend, p)
    once = backward(backend, p, answers)
    into = {name: np.full_like(a, 2.5) for name, a in once.items()}
    backward(backend, p, answers, into)
    for name, a in into.items():
        added = 2.5 if name in ("dW", "dU", "db") else 0.0
        if added:
            assert_close(a, once[name] + np.asarray(added, dtype), 1e-5 if dtype == "float32" else 1e-13, name)
        else:
            np.testing.assert_array_equal(a, once[name], err_msg=name)


@both_dtypes
@every_cell
def test_backward_runs_again_on_the_same_tape(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    p = problem(v, ODD, dtype, "holes")
    answers = forward(backend, p)
    first = backward(backend, p, answers)
    other = replace(p, dy=-2 * p.dy)
    backward(backend, other, answers)
    assert_all_same(backend, backward(backend, p, answers).values(), first.values())


@every_cell
def test_a_tape_serves_the_next_forward(backend: kernels.Backend, v: Variant) -> None:
    """A tape used before, with a mask that the second pass does not have, leaves nothing behind."""
    used = forward(backend, problem(v, ODD, mask="holes"))
    for mask in ("none", "lengths", "left"):
        p = problem(v, ODD, mask=mask)
        packed = pack(backend, p)
        again = forward(backend, p, packed=packed, tape=used.tape)
        fresh = forward(backend, p, packed=packed)
        assert_all_same(backend, (again.y, *again.states), (fresh.y, *fresh.states))
        assert_all_same(backend, backward(backend, p, again).values(), backward(backend, p, fresh).values())


@every_cell
def test_step_leaves_other_rows_and_its_input_alone(backend: kernels.Backend, v: Variant) -> None:
    p = problem(v, ODD)
    packed, guard = pack(backend, p, backward=False), 3
    right = step(backend, p, 0, p.states, packed)
    B, H = ODD.B, ODD.H
    fenced = [np.full((B + 2 * guard, H), 7.0) for _ in p.states]
    for array, state in zip(fenced, p.states, strict=True):
        array[guard:-guard] = state
    x = np.ascontiguousarray(p.x[:, 0])
    before = x.copy()
    backend.step(packed, x, [a[guard:-guard] for a in fenced])
    assert_all_same(backend, (a[guard:-guard] for a in fenced), right)
    assert all((a[:guard] == 7).all() and (a[-guard:] == 7).all() for a in fenced)
    np.testing.assert_array_equal(x, before)


@every_cell
def test_outputs_stay_inside_their_arrays(backend: kernels.Backend, v: Variant) -> None:
    """Numbers placed before and after each output stay as they are; widths that no vector divides."""
    for shape in (Shape(3, 3, 5, 13), Shape(2, 1, 1, 1), Shape(2, 7, 9, 33)):
        p = problem(v, shape, "float32", "holes")
        right = forward(backend, p)
        fences: list[Array] = []

        def fenced(a: Array, fences: list[Array] = fences) -> Array:
            whole = np.full(a.size + 64, 7, a.dtype)
            fences.append(whole)
            inner = whole[32:-32].reshape(a.shape)
            inner[...] = 0
            return inner

        y, finals = fenced(right.y), [fenced(s) for s in right.states]
        tape = backend.tape(right.packed, shape.B, shape.T, False)
        backend.forward(right.packed, p.x, p.states, p.mask, None, None, None, y, finals, tape)
        into = {name: fenced(a) for name, a in gradient_buffers(p).items()}
        backward(backend, p, right._replace(tape=tape), into)
        assert_all_same(backend, (y, *finals), (right.y, *right.states))
        assert_all_same(backend, into.values(), backward(backend, p, right).values())
        assert all((f[:32] == 7).all() and (f[-32:] == 7).all() for f in fences), shape


@every_cell
def test_threads_share_packed_weights(backend: kernels.Backend, v: Variant) -> None:
    """Four Python threads on one packed, each with a tape of its own, get what one thread gets."""
    problems = [problem(v, Shape(20, 3 + k, 8, 24), mask=("none", "holes", "lengths", "right")[k]) for k in range(4)]
    problems = [replace(p, weights=problems[0].weights) for p in problems]
    packed = pack(backend, problems[0])

    def work(p: Problem) -> list[Array]:
        answers = forward(backend, p, packed=packed)
        states = step(backend, p, 0, p.states, packed)
        return [answers.y, *answers.states, *states, *backward(backend, p, answers).values()]

    right = [work(p) for p in problems]
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(work, problems * 12), right * 12, strict=True):
            assert_all_same(backend, found, expected)


@every_cell
def test_the_callers_denormals_survive_a_call(backend: kernels.Backend, v: Variant) -> None:
    """A kernel may flush denormal numbers while it runs; it gives the caller's mode back."""
    tiny, p = np.full(4, 1e-310), problem(v, ODD)
    tiny32 = np.full(4, 1e-40, np.float32)
    backward(backend, p, forward(backend, p))
    step(backend, p, 0, p.states, pack(backend, p))
    assert (tiny * 0.5 != 0).all()
    assert (tiny32 * np.float32(0.5) != 0).all()


class TestEmpty:
    """Arrays for results: plain arrays that own their memory, wherever it comes from."""

    @pytest.mark.parametrize("shape", [(), (0, 3), (7,), (33, 40, 65)])
    def test_it_is_an_array_like_any_other(self, backend: kernels.Backend, shape: tuple[int, ...]) -> None:
        for dtype in (np.dtype("float32"), np.dtype("float64"), np.dtype("int64")):
            a = backend.empty(shape, dtype)
            assert (a.shape, a.dtype, type(a)) == (shape, dtype, np.ndarray)
            assert a.flags.owndata
            assert a.flags.c_contiguous
            assert a.flags.aligned
            a[...] = 1
            np.testing.assert_array_equal(copy.deepcopy(a), np.ones(shape, dtype))

    def test_it_can_be_resized(self, backend: kernels.Backend) -> None:
        a = backend.empty((30_000,), np.dtype("float32"))
        a[...] = np.arange(30_000)
        a.resize((90_000,), refcheck=False)
        np.testing.assert_array_equal(a[:30_000], np.arange(30_000))
        a.resize((20_000,), refcheck=False)
        np.testing.assert_array_equal(a, np.arange(20_000))

    def test_two_that_live_do_not_overlap_and_what_is_freed_comes_back(self, backend: kernels.Backend) -> None:
        made = [backend.empty((100_000 + k,), np.dtype("float32")) for k in range(4)]
        for k, a in enumerate(made):
            a[...] = k
        assert all((a == k).all() for k, a in enumerate(made))
        freed = {a.ctypes.data for a in made}
        del a, made
        if backend.name == "cython":
            again = [backend.empty((100_000,), np.dtype("float32")) for _ in range(4)]
            assert freed & {a.ctypes.data for a in again}

    def test_other_threads_may_free_it(self, backend: kernels.Backend) -> None:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(20):
                made = list(pool.map(lambda k: backend.empty((20_000 + k,), np.dtype("float64")), range(16)))
                for k, a in enumerate(made):
                    a[...] = k
                assert all(list(pool.map(lambda pair: (pair[1] == pair[0]).all(), enumerate(made))))

    def test_numpy_goes_on_as_before(self, backend: kernels.Backend) -> None:
        from numpy._core import _multiarray_umath

        before = _multiarray_umath.get_handler_name()
        backend.empty((100_000,), np.dtype("float32"))
        assert _multiarray_umath.get_handler_name() == before
        with pytest.raises((ValueError, MemoryError)):
            backend.empty((1 << 60,), np.dtype("float64"))
        assert _multiarray_umath.get_handler_name() == before
