"""One answer: however the same steps are batched, padded, masked or split, the same numbers come out.

Bit for bit in the backends that keep one order of summation (`table.EXACT`); to a few roundings in the NumPy
reference, which leaves its sums to BLAS.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drive import assert_all_same, assert_close, assert_same, backward, forward, pack, step
from table import ACTIVATED, DTYPES, OF_INPUT, SMALL, VARIANTS, Problem, Shape, Variant, problem

from cellstep import kernels

ODD = Shape(6, 5, 3, 21)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
every_cell = pytest.mark.parametrize("v", VARIANTS, ids=str)
every_tape = pytest.mark.parametrize("v", [*VARIANTS, *OF_INPUT], ids=str)


def poisoned(p: Problem) -> Problem:
    """The problem with NaN and infinity in x wherever a row is masked."""
    x = p.x.copy()
    x[~p.run] = np.nan
    x[~p.run, 0] = np.inf
    return replace(p, x=x)


@pytest.mark.parametrize("mask", ["none", "lengths", "holes"])
@both_dtypes
@every_cell
def test_sequences_may_be_written_anywhere(backend: kernels.Backend, v: Variant, dtype: str, mask: str) -> None:
    """y and dx in half the columns of an array that is time first and read backwards; nothing beside is written."""
    p = problem(v, ODD, dtype, mask)
    T, B, I, H = p.shape  # noqa: E741
    answers = forward(backend, p)
    right = backward(backend, p, answers)
    wide = np.full((T, B, 2 * H + 2 * I), np.nan, dtype)
    places = wide.swapaxes(0, 1)[:, ::-1]
    y, dx = places[..., H : 2 * H], places[..., 2 * H + I :]
    finals = tuple(np.empty_like(s) for s in p.states)
    backend.forward(answers.packed, p.x, p.states, p.mask, p.lengths, p.resets, p.drop, y, finals, answers.tape)
    none = [None] * len(p.states)
    backend.backward(answers.packed, answers.tape, p.dy, p.dstates, dx, [None] * len(p.weights), none, none)
    assert_same(backend, y, answers.y, "y")
    assert_same(backend, dx, right["dx"], "dx")
    assert np.isnan(places[..., :H]).all()
    assert np.isnan(places[..., 2 * H : 2 * H + I]).all()


@pytest.mark.parametrize("mask", ["right", "left", "holes", "first", "rows", "nothing", "lengths"])
@both_dtypes
@every_cell
def test_a_masked_row_is_the_row_without_those_steps(
    backend: kernels.Backend, v: Variant, dtype: str, mask: str
) -> None:
    p = poisoned(problem(v, ODD, dtype, mask))
    answers = forward(backend, p)
    # a gradient that comes to a carried output belongs to the step that made it, so it comes to none here
    p = replace(p, dy=np.where(p.run[:, :, None], p.dy, 0))
    gradients = backward(backend, p, answers)
    for b in range(ODD.B):
        run = p.run[b]
        short = replace(
            p.rows(slice(b, b + 1)),
            shape=ODD._replace(B=1, T=int(run.sum())),
            x=np.ascontiguousarray(p.x[b : b + 1, run]),
            dy=np.ascontiguousarray(p.dy[b : b + 1, run]),
            mask=None,
            lengths=None,
        )
        alone = forward(backend, short)
        assert_same(backend, answers.y[b : b + 1, run], alone.y, f"y of row {b}")
        assert_all_same(backend, (s[b : b + 1] for s in answers.states), alone.states, f"states of row {b}")
        right = backward(backend, short, alone)
        assert_same(backend, gradients["dx"][b : b + 1, run], right["dx"], f"dx of row {b}")
        for name in (f"d{s}0" for s in v.cell.state_names):
            assert_same(backend, gradients[name][b : b + 1], right[name], f"{name} of row {b}")
        for name in (f"d{s}s" for s in v.cell.state_names):
            assert_same(backend, gradients[name][b : b + 1, run], right[name], f"{name} of row {b}")
    assert not gradients["dx"][~p.run].any(), "a masked step has a gradient"
    assert all(np.isfinite(g).all() for g in gradients.values())


@pytest.mark.parametrize("mask", ["right", "left", "holes", "first", "rows", "nothing", "lengths"])
@every_cell
def test_a_masked_step_repeats_the_output_before_it(backend: kernels.Backend, v: Variant, mask: str) -> None:
    p = problem(v, ODD, mask=mask)
    y, (hT, *_), _, _ = forward(backend, poisoned(p))
    before = np.concatenate([p.states[0][:, None], y[:, :-1]], axis=1)
    np.testing.assert_array_equal(y[~p.run], before[~p.run])
    np.testing.assert_array_equal(hT, y[:, -1])
    assert (y[p.run] != before[p.run]).any(axis=-1).all(), "a step that runs changes the state"


@both_dtypes
@every_tape
def test_weights_gradients_take_nothing_from_masked_steps(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    p = problem(v, ODD, dtype, "holes")
    clean, dirty = backward(backend, p, forward(backend, p)), backward(backend, p, forward(backend, poisoned(p)))
    assert_all_same(backend, dirty.values(), clean.values())
    none = problem(v, ODD, dtype, "nothing")
    gradients = backward(backend, none, forward(backend, poisoned(none)))
    assert not any(gradients[name].any() for name in ("dx", "dW", "dU", "db"))


@both_dtypes
@every_tape
def test_lengths_are_the_right_padded_mask(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    with_lengths = problem(v, ODD, dtype, "lengths")
    with_mask = replace(with_lengths, lengths=None, mask=with_lengths.run)
    a, b = forward(backend, with_lengths), forward(backend, with_mask)
    assert_all_same(backend, (a.y, *a.states), (b.y, *b.states))
    assert_all_same(
        backend, backward(backend, with_lengths, a).values(), backward(backend, with_mask, b).values(), "gradient"
    )


@both_dtypes
@every_cell
def test_dropping_nothing_is_no_dropout(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    plain = problem(v, ODD, dtype, "holes")
    right = forward(backend, plain)
    kept = replace(plain, drop=np.ones((ODD.B, ODD.H), dtype))
    found = forward(backend, kept)
    assert_all_same(backend, (found.y, *found.states), (right.y, *right.states))
    gradients = backward(backend, kept, found)
    for name, a in backward(backend, plain, right).items():
        # gradients that reach dh in two parts are summed in another order
        assert_close(gradients[name], a, 2e-6 if dtype == "float32" else 1e-14, name)


@every_cell
def test_dropping_states_is_dropping_rows_of_the_recurrent_weights(backend: kernels.Backend, v: Variant) -> None:
    """Where all rows drop the same units: what those units' rows of U say does not matter."""
    p = problem(v, ODD, mask="holes")
    drop = np.zeros((ODD.B, ODD.H))
    drop[:, ::2] = 2
    weights = tuple(
        p.weight("U") * drop[0][:, None] if name == "U" else w
        for name, w in zip(v.cell.weight_names, p.weights, strict=True)
    )
    found, right = forward(backend, replace(p, drop=drop)), forward(backend, replace(p, weights=weights))
    for a, e in zip((found.y, *found.states), (right.y, *right.states), strict=True):
        assert_close(a, e, 1e-13)


@both_dtypes
@every_tape
def test_a_tape_is_filled_again_with_and_without_dropped_states(
    backend: kernels.Backend, v: Variant, dtype: str
) -> None:
    plain, dropped = problem(v, ODD, dtype, "holes"), problem(v, ODD, dtype, "holes", drop=True)
    packed, tape = pack(backend, plain), None
    for p in (plain, dropped, plain, dropped):
        right = forward(backend, p)
        answers = forward(backend, p, packed=packed, tape=True if tape is None else tape)
        tape = answers.tape
        assert_all_same(backend, answers.states, right.states)
        assert_all_same(
            backend, backward(backend, p, answers).values(), backward(backend, p, forward(backend, p)).values()
        )


@both_dtypes
@every_cell
def test_a_mask_that_is_all_true_is_no_mask(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    masked = problem(v, ODD, dtype, "all")
    plain = replace(masked, mask=None)
    full = replace(masked, mask=None, lengths=np.full(ODD.B, ODD.T, np.int32))
    right = forward(backend, plain)
    right_gradients = backward(backend, plain, right)
    for p in (masked, full):
        found = forward(backend, p)
        assert_all_same(backend, (found.y, *found.states), (right.y, *right.states))
        assert_all_same(backend, backward(backend, p, found).values(), right_gradients.values(), "gradient")


@pytest.mark.parametrize(
    "shape", [SMALL, Shape(40, 1, 9, 33), Shape(7, 13, 70, 17), Shape(5, 2, 3, 1), Shape(9, 2, 40, 100)], ids=str
)
@both_dtypes
@every_tape
def test_a_stream_of_steps_is_the_sequence(backend: kernels.Backend, v: Variant, dtype: str, shape: Shape) -> None:
    p = problem(v, shape, dtype)
    y, finals, _, _ = forward(backend, p)
    packed, states = pack(backend, p, backward=False), p.states
    for t in range(shape.T):
        states = step(backend, p, t, states, packed)
        assert_same(backend, states[0], y[:, t], f"step {t}")
    assert_all_same(backend, states, finals, "final state")


@both_dtypes
@every_cell
def test_a_sequence_in_two_halves_is_the_whole(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    p = problem(v, Shape(11, 6, 5, 18), dtype, "holes")
    whole, cut = forward(backend, p), 4
    assert p.mask is not None
    first = replace(p, shape=p.shape._replace(T=cut), x=p.x[:, :cut], mask=p.mask[:, :cut])
    y, states, _, _ = forward(backend, first)
    second = replace(p, shape=p.shape._replace(T=p.shape.T - cut), x=p.x[:, cut:], mask=p.mask[:, cut:], states=states)
    y2, finals, _, _ = forward(backend, second)
    assert_all_same(backend, (np.concatenate([y, y2], 1), *finals), (whole.y, *whole.states))


@pytest.mark.parametrize("drop", [False, True], ids=["", "dropped"])
@pytest.mark.parametrize("mask", ["none", "lengths", "holes"])
@both_dtypes
@every_tape
def test_a_row_does_not_depend_on_its_batch(
    backend: kernels.Backend, v: Variant, dtype: str, mask: str, drop: bool
) -> None:
    # kept states are a third larger: smaller weights keep the sums' scale, and with it their roundings
    p = problem(v, Shape(8, 33, 10, 37), dtype, mask, gain=0.5 if drop else 0.7, drop=drop)
    whole = forward(backend, p)
    gradients = backward(backend, p, whole)
    for chosen in (slice(7, 8), slice(32, 33), slice(5, 12), slice(0, 32)):
        part = p.rows(chosen)
        answers = forward(backend, part)
        assert_all_same(
            backend, (answers.y, *answers.states), (a[chosen] for a in (whole.y, *whole.states)), f"rows {chosen}"
        )
        right = backward(backend, part, answers)
        for name in ("dx", *(f"d{s}0" for s in v.cell.state_names), *(f"d{s}s" for s in v.cell.state_names)):
            assert_same(backend, right[name], gradients[name][chosen], f"{name} of rows {chosen}")


@both_dtypes
@every_tape
def test_a_tape_changes_no_output(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    p = problem(v, Shape(7, 9, 12, 34), dtype, "holes")
    taped = forward(backend, p)
    for answers in (forward(backend, p, tape=None), forward(backend, p, packed=pack(backend, p, False), tape=None)):
        assert_all_same(backend, (answers.y, *answers.states), (taped.y, *taped.states))


@both_dtypes
@every_cell
def test_results_are_the_same_every_time(backend: kernels.Backend, v: Variant, dtype: str) -> None:
    p = problem(v, Shape(12, 16, 24, 40), dtype)
    first = forward(backend, p)
    gradients = backward(backend, p, first)
    for _ in range(3):
        again = forward(backend, p)
        assert_all_same(backend, (again.y, *again.states), (first.y, *first.states))
        assert_all_same(backend, backward(backend, p, again).values(), gradients.values())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=("nan", "inf", "minus_inf"))
@both_dtypes
@pytest.mark.parametrize("v", ACTIVATED, ids=str)
def test_nan_and_infinity_spread_as_in_the_reference(
    backend: kernels.Backend, reference: kernels.Backend, v: Variant, dtype: str, value: float
) -> None:
    p = problem(v, Shape(3, 4, 3, 9), dtype, gain=0.3)
    x = p.x.copy()
    x[1, 1, 2] = value
    p = replace(p, x=x)
    found, right = forward(backend, p), forward(reference, p)
    for a, e in zip((found.y, *found.states), (right.y, *right.states), strict=True):
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(e))
        assert_close(a, e, 5e-6 if dtype == "float32" else 1e-12)
    if np.isnan(value):
        assert np.isnan(found.y[1, 1:]).all(), "an activation may not swallow it"
    assert np.isfinite(found.y[[0, 2, 3]]).all(), "it stays in its row"
    assert np.isfinite(found.y[1, 0]).all(), "it stays out of the past"
