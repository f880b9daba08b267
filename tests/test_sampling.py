"""Sampling: the distribution that is drawn from, entry by entry, and draws that follow it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cellstep
from cellstep.sampling import distribution, sample

P = np.array([0.5, 0.3, 0.15, 0.05])


def close(got: Any, wanted: Any) -> None:
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-15)


def test_nothing_asked_changes_nothing() -> None:
    close(distribution(P), P)
    close(distribution(np.log(P) + 7, from_logits=True), P)
    assert distribution(P.astype("float32")).dtype == np.float64


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0, 30.0])
def test_temperature_is_a_power(temperature: float) -> None:
    powered = P ** (1 / temperature)
    close(distribution(P, temperature), powered / powered.sum())
    close(distribution(np.log(P), temperature, from_logits=True), powered / powered.sum())


def test_temperature_zero_is_the_first_of_the_most_likely() -> None:
    close(distribution([0.2, 0.4, 0.4], 0), [0, 1, 0])
    close(distribution([[0.2, 0.8], [0.9, 0.1]], 0, top_k=1, top_p=0.1), [[0, 1], [1, 0]])
    for cold in (1e-300, 1e-9):
        close(distribution(P, cold), [1, 0, 0, 0])


@pytest.mark.parametrize(("k", "wanted"), [(1, [1, 0, 0, 0]), (2, [0.625, 0.375, 0, 0]), (4, P), (9, P)])
def test_top_k(k: int, wanted: Any) -> None:
    close(distribution(P, top_k=k), wanted)
    close(distribution(P[::-1], top_k=k), np.asarray(wanted)[::-1])


def test_top_k_keeps_all_that_are_as_likely_as_the_last() -> None:
    close(distribution([0.4, 0.2, 0.2, 0.2], top_k=2), [0.4, 0.2, 0.2, 0.2])
    close(distribution([0.4, 0.3, 0.3], top_k=1), [1, 0, 0])


@pytest.mark.parametrize(
    ("p", "kept"), [(1e-9, 1), (0.5, 1), (0.5001, 2), (0.8, 2), (0.81, 3), (0.95, 3), (0.96, 4), (1.0, 4)]
)
def test_top_p_keeps_the_fewest_that_have_so_much_together(p: float, kept: int) -> None:
    for order in itertools.permutations(range(4)):
        values = P[list(order)]
        wanted = np.where(values >= P[kept - 1], values, 0)
        close(distribution(values, top_p=p), wanted / wanted.sum())


def test_top_p_takes_the_first_of_equals() -> None:
    close(distribution([0.25] * 4, top_p=0.5), [0.5, 0.5, 0, 0])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("values", "top_p", "kept"),
    [
        ([0.7, 0.2, 0.1], 0.9, 2),
        ([0.6, 0.3, 0.1], 0.9, 2),
        ([0.4, 0.3, 0.2, 0.1], 0.7, 2),
        ([0.3, 0.3, 0.3, 0.1], 0.9, 3),
    ],
)
def test_top_p_means_the_decimal_number_in_any_dtype(dtype: str, values: list[float], top_p: float, kept: int) -> None:
    """In float32 0.7 + 0.2 is a little less than 0.9."""
    p = np.array(values, dtype)
    for symbols, options in ((p, {}), (np.log(p), {"from_logits": True})):
        got = distribution(symbols, top_p=top_p, **options)
        assert (got > 0).sum() == kept, got
    # one that is really needed stays
    assert (distribution(p, top_p=top_p + 0.01) > 0).sum() == kept + 1


@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-30, 1.0, 1e300])
def test_no_number_warns(temperature: float) -> None:
    """Whatever NumPy's error state is: far below the most likely symbol lies nothing."""
    with np.errstate(all="raise"):
        for values in ([0.5, 0.5 - 1e-9, 1e-9], [0.0, 1.0, 0.0], [1e-320, 1.0, 0.0]):
            p = distribution(values, temperature)
            assert p.sum() == pytest.approx(1)
            assert sample(values, temperature, top_k=2, top_p=0.5, seed=0) == p.argmax() or temperature > 1
        for logits in ([1e308, -1e308, 0.0], [-np.inf, 3.0, -1e300]):
            assert distribution(logits, temperature, from_logits=True).sum() == pytest.approx(1)
    for wrong in ([1e308, 1e308], [np.inf, -np.inf], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="values must be probabilities"):
            distribution(wrong, temperature)


def test_temperature_then_k_then_p() -> None:
    squared = P**2 / (P**2).sum()  # 0.685, 0.247, 0.062, 0.007
    first = squared[:3] / squared[:3].sum()
    close(distribution(P, 0.5, top_k=3), [*first, 0])
    close(distribution(P, 0.5, top_k=3, top_p=0.9), [*first[:2] / first[:2].sum(), 0, 0])
    # of all four the first two have less than 0.935, of the three that are left they have more
    assert squared[:2].sum() < 0.935 < first[:2].sum()
    close(distribution(P, 0.5, top_k=3, top_p=0.935), [*first[:2] / first[:2].sum(), 0, 0])


def test_rows_are_apart_and_the_impossible_stays_so() -> None:
    rows = np.array([[[0.7, 0.3, 0.0], [0.0, 0.5, 0.5]]])
    found = distribution(rows, 1.7, top_k=3, top_p=0.999)
    assert found.shape == (1, 2, 3)
    assert (found[rows == 0] == 0).all()
    for row, alone in zip(found[0], rows[0], strict=True):
        close(row, distribution(alone, 1.7, top_k=3, top_p=0.999))
    draws = [sample(rows, 5.0, seed=k) for k in range(300)]
    assert all(d.shape == (1, 2) for d in draws)
    assert {int(d[0, 0]) for d in draws} == {0, 1}
    assert {int(d[0, 1]) for d in draws} == {1, 2}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=9),
    st.floats(0.05, 20),
    st.integers(1, 12),
    st.floats(0.01, 1),
)
def test_what_is_kept_is_likelier_than_what_is_not(logits: list[float], t: float, k: int, top_p: float) -> None:
    p = distribution(logits, t, k, top_p, from_logits=True)
    plain = distribution(logits, t, from_logits=True)
    assert p.sum() == pytest.approx(1)
    kept = p > 0
    assert kept.any()
    if (plain > 1e-300).all():
        assert not (~kept).any() or plain[kept].min() >= plain[~kept].max()
        close(p[kept] / p[kept].sum(), plain[kept] / plain[kept].sum())


@pytest.mark.parametrize("options", [{}, {"temperature": 0.6}, {"top_k": 3}, {"top_p": 0.9}])
def test_draws_follow_the_distribution(options: dict[str, Any]) -> None:
    n = 20_000
    wanted = distribution(P, **options) * n
    counts = np.bincount(sample(np.tile(P, (n, 1)), **options, seed=3), minlength=4)
    assert (counts[wanted == 0] == 0).all()
    kept = wanted > 0
    chi2 = float(((counts[kept] - wanted[kept]) ** 2 / wanted[kept]).sum())
    assert chi2 < 16.3  # of three degrees of freedom or fewer, once in a thousand seeds


def test_seeds() -> None:
    rows = np.tile(P, (50, 1))
    np.testing.assert_array_equal(sample(rows, seed=5), sample(rows, seed=5))
    assert (sample(rows, seed=5) != sample(rows, seed=6)).any()
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    first = sample(rows, seed=one)
    assert (sample(rows, seed=one) != first).any()
    np.testing.assert_array_equal(sample(rows, seed=other), first)
    drawn = []
    for _ in range(2):
        cellstep.set_random_seed(3)
        drawn.append(np.stack([sample(rows), sample(rows)]))
    np.testing.assert_array_equal(*drawn)
    assert (drawn[0][0] != drawn[0][1]).any()


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        (P, {"temperature": -1}, ValueError, "temperature must be .* got -1"),
        (P, {"temperature": "hot"}, TypeError, "temperature must be .* got 'hot'"),
        (P, {"temperature": float("nan")}, ValueError, "temperature must be"),
        (P, {"top_k": 0}, ValueError, "top_k must be a positive integer, got 0"),
        (P, {"top_k": 1.5}, TypeError, "top_k must be a positive integer, got 1.5"),
        (P, {"top_p": 0}, ValueError, "top_p must be above 0 and at most 1, got 0"),
        (P, {"top_p": 1.1}, ValueError, "top_p must be .* got 1.1"),
        (P, {"seed": -3}, ValueError, "seed must be 0 or more, got -3"),
        (P, {"from_logits": 2}, TypeError, "from_logits must be"),
        (np.log(P), {}, ValueError, "values must be probabilities, .*; pass from_logits=True for logits"),
        ([0.5, 0.4], {}, ValueError, "values must be probabilities, .* add up to 0.9"),
        ([np.nan, 0.4], {}, ValueError, "values must be probabilities"),
        ([np.nan, 0.4], {"from_logits": True}, ValueError, "values must be logits, .* got NaN"),
        ([-np.inf, -np.inf], {"from_logits": True}, ValueError, "values must be logits"),
        (0.5, {}, ValueError, r"expected values of shape \(..., symbols\) .* got shape \(\)"),
        (None, {}, TypeError, "expected values to be an array, got None"),
    ],
)
def test_errors(values: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        sample(values, **options)
    assert "\n" not in str(caught.value)
