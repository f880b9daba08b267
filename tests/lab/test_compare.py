"""Comparisons: matched sizes, intervals, repeatable runs, and words that claim no more than is shown."""

from __future__ import annotations

import dataclasses
import random
import re
import sys

import numpy as np
import pytest

from cellstep import Input, Sequential, lab, layers
from cellstep.lab import tasks
from cellstep.lab.analysis import intervals
from cellstep.lab.analysis.contenders import contender
from cellstep.lab.cell_rows import titles
from cellstep.seeds import make_seed


@pytest.mark.parametrize("cell", titles())
def test_parameters_are_those_of_the_model(cell: str) -> None:
    for units, features, outputs in ((1, 1, 1), (7, 3, 2), (24, 10, 9)):
        model = Sequential([Input((None, features)), getattr(layers, cell)(units), layers.Dense(outputs)])
        assert contender(cell).parameters(units, features, outputs) == model.count_params()


@pytest.mark.parametrize("cell", titles())
def test_matched_units_are_the_nearest(cell: str) -> None:
    for wanted in (1, 50, 777, 2041, 12345):
        counts = [abs(contender(cell).parameters(units, 2, 1) - wanted) for units in range(1, 150)]
        assert contender(cell).matched_units(wanted, 2, 1) == 1 + int(np.argmin(counts))


def test_the_interval_by_hand() -> None:
    # mean 4, standard deviation sqrt(10), standard error sqrt(2), t of four degrees of freedom 2.77644511
    mean, low, high = intervals.interval(np.array([0.0, 2.0, 4.0, 6.0, 8.0]))
    assert mean == 4
    assert (low, high) == pytest.approx((4 - 2.77644511 * np.sqrt(2), 4 + 2.77644511 * np.sqrt(2)), abs=1e-7)
    assert np.isnan(intervals.interval(np.array([1.0]))[1])
    # printed in every table of Student's t: two-sided 99 % of one degree of freedom
    mean, low, high = intervals.interval(np.array([-1.0, 1.0]), 0.99)
    assert (mean, low, high) == pytest.approx((0.0, -63.6567, 63.6567), abs=1e-4)


def test_a_missing_scipy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(ImportError, match=r"intervals need SciPy: pip install 'cellstep\[lab\]'"):
        intervals.interval(np.zeros(3))


def test_the_interval_covers_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(3.0, 2.0, (20_000, 5))
    _, low, high = intervals.interval(draws)
    assert np.mean((low < 3) & (high > 3)) == pytest.approx(0.95, abs=0.005)


def test_accuracies_and_errors_keep_their_range() -> None:
    odds = intervals.log_odds(500)
    for accuracies in ([0.9, 0.99, 1.0, 1.0, 1.0], [0.0, 0.002, 0.0, 0.1], [1.0, 1.0, 1.0], [0.61, 0.99, 0.55]):
        mean, low, high = map(odds.back, intervals.interval(odds.of(np.array(accuracies))))
        assert 0 <= low <= mean <= high <= 1
        assert low < np.median(accuracies) + 0.002
    mean, low, high = map(
        intervals.LOGARITHM.back, intervals.interval(intervals.LOGARITHM.of(np.array([1e-6, 0.2, 0.1])))
    )
    assert 0 < low < mean < high
    # exactly back, where nothing is at an end
    given = np.array([0.25, 0.5, 0.998])
    np.testing.assert_allclose(odds.back(odds.of(given)), given, rtol=1e-12)
    assert odds.back(odds.of(np.array([0.0, 1.0]))) == pytest.approx([0, 1], abs=1e-12)


def test_the_sign_of_an_interval() -> None:
    assert [intervals.sign_of(*ends, middle=1.0) for ends in ((1.1, 2.0), (0.2, 0.9), (0.9, 1.1))] == [1, -1, 0]
    assert intervals.sign_of(np.nan, np.nan) == 0


def test_differences_are_paired_and_careful() -> None:
    # errors whose ratio is the same for each seed, though they lie far apart
    seeds = np.array([0.001, 0.1, 0.01, 1.0])
    wobble = np.exp([0.01, -0.01, 0.01, -0.01])
    errors = dataclasses.replace(judged([[seeds * 1.5 * wobble], [seeds], [seeds[::-1]]]), task=tasks.get("adding"))
    assert errors.differs("SimpleRNN", "LSTM", 2) == -1
    assert errors.differs("LSTM", "SimpleRNN", 2) == 1
    assert errors.differs("LSTM", "GRU", 2) == 0
    mean, low, high = errors.ratio("SimpleRNN", "LSTM", 2)
    assert low < mean < high
    assert mean == pytest.approx(1.5)
    # the level is raised for three pairs: by hand, t of three degrees of freedom at 1 - 0.05 / 3 is 4.857
    spread = np.log(wobble).std(ddof=1) / 2
    assert (low, high) == pytest.approx((1.5 * np.exp(-4.857 * spread), 1.5 * np.exp(4.857 * spread)), rel=1e-4)


def small(**options: object) -> lab.Comparison:
    settings: dict[str, object] = {"budget": 24, "seeds": 2, "lengths": (4, 8), "units": 6, "checks": 3, **options}
    return lab.compare("adding", **settings)


def test_seeds_repeat_bit_for_bit_and_the_callers_numbers_go_on() -> None:
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    first = small()
    after = random.random(), np.random.random()  # noqa: NPY002
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    assert after == (random.random(), np.random.random())  # noqa: NPY002
    make_seed()  # another state of the package's own generator
    second = small()
    assert first.scores.tobytes() == second.scores.tobytes()
    alone = small(cells=("GRU", "LSTM"), seeds=1, seed=1, lengths=(8,))
    assert alone.scores[0, 0, 0].tobytes() == first.scores[2, 1, 1].tobytes()


def test_shapes_and_sizes() -> None:
    made = small()
    assert made.scores.shape == made.seconds.shape == (3, 2, 2, 3)
    assert (made.updates == [8, 16, 24]).all()
    assert (np.diff(made.seconds, axis=-1) > 0).all()
    assert made.units[2].tolist() == [6, 6]
    wanted = contender("GRU").parameters(6, 2, 1)
    assert made.units[0, 0] == contender("SimpleRNN").matched_units(wanted, 2, 1)
    header, rows = made.table()
    assert len(rows) == 8
    assert all(len(row) == len(header) for row in rows)
    assert rows[0][:4] == ("4", "SimpleRNN", str(made.units[0, 0]), str(made.parameters[0, 0]))
    assert repr(made) == "<Comparison adding: SimpleRNN, LSTM, GRU, 2 seeds>"


def test_equal_time() -> None:
    made = small(match="time", budget=0.15, seeds=1, lengths=(4,))
    assert (made.units == 6).all()
    assert (made.seconds[..., -1] >= 0.15).all()
    assert "the same units, 0.15 seconds of training each, over 1 seed;" in made.summary()


def test_a_gru_learns_to_remember() -> None:
    made = lab.compare("parity", ("SimpleRNN", "GRU"), budget=150, seeds=3, lengths=(2,), units=16, checks=2)
    assert made.final[1].min() > 0.95
    assert made.remembers("GRU") == 2


def judged(scores: object) -> lab.Comparison:
    """A comparison of accuracies (cells, lengths, seeds) made by hand."""
    final = np.array(scores, float)
    n, m, s = final.shape
    ones = np.ones((n, m, s, 1))
    return lab.Comparison(
        *(tasks.get("parity"), ("SimpleRNN", "LSTM", "GRU")[:n], "parameters", 10, np.array([2, 8][:m])),
        *(np.arange(s), np.full((n, m), 4), np.full((n, m), 99), ones.astype(int), ones, final[..., None]),
        np.full((m, s), 0.5),
    )


def test_words_follow_from_the_tables() -> None:
    """Every claim stands in a row whose interval does not hold 1, and every such row is claimed."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        middle = rng.random((3, 2, 1)) * rng.choice([1.0, 1e-3])
        scores = np.clip(middle * rng.uniform(0.6, 1.6, (3, 2, 4)), 0, 1).round(2)
        made = judged(scores)
        text = made.summary()
        for length, pair, ratio, ends, shown in made.differences()[1]:
            a, b = pair.split(" / ")
            low, high = map(float, ends.split(" .. "))
            assert low <= float(ratio) <= high
            assert (shown == "not shown") == (low <= 1 <= high)
            line = next((line for line in text.splitlines() if line.startswith(f"At delay {length}:")), "")
            if b != "no memory":
                better, worse = (a, b) if shown.startswith(a) else (b, a)
                assert (f"{better} beats {worse}" in line) == (shown != "not shown")
        for row in made.table()[1]:
            if row[5] != "-":
                low, high = map(float, row[5].split(" .. "))
                assert 0 <= low <= float(row[4]) <= high <= 1


def test_progress_says_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    small(seeds=1, lengths=(4,), verbose=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"1 of 3 runs \(SimpleRNN, length 4\), about \d+\w+ to go", lines[0])
    small(seeds=1, lengths=(4,))
    assert capsys.readouterr().err == ""


def test_words_when_intervals_overlap() -> None:
    made = judged([[[0.6, 0.7, 0.8], [0.5, 0.49, 0.51]], [[0.7, 0.6, 0.75], [0.9, 0.91, 0.92]]])
    text = made.summary()
    assert "At delay 2: no difference shown between SimpleRNN and LSTM." in text
    assert "At delay 8: LSTM beats SimpleRNN." in text
    assert "Shown to beat the score without memory, by delay: LSTM at 8." in text
    assert "Not shown to beat it anywhere: SimpleRNN." in text
    one = judged([[[0.6]], [[0.9]]])
    assert "One seed has no interval, so no difference is shown" in one.summary()
    assert "beats" not in one.summary()


def test_lower_is_better_of_errors() -> None:
    made = judged([[[0.1, 0.11, 0.12]], [[0.9, 0.91, 0.92]]])
    assert made.differs("LSTM", "SimpleRNN", 2) == 1
    errors = dataclasses.replace(made, task=tasks.get("adding"))
    assert errors.differs("LSTM", "SimpleRNN", 2) == -1
    assert errors.remembers("SimpleRNN") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cells": "LSTM"}, "cells must be two or more different ones of SimpleRNN, LSTM, GRU, got 'LSTM'"),
        ({"cells": ("LSTM", "Mamba")}, "cells must be two or more different ones of SimpleRNN, LSTM, GRU, got 'Mamba'"),
        ({"match": "speed"}, "match must be 'parameters' or 'time', got 'speed'"),
        ({"seeds": 0}, "seeds must be a positive integer, got 0"),
        ({"units": 2.5}, "units must be a positive integer, got 2.5"),
        ({"lengths": ()}, "lengths must be different integers, 2 or more, got ()"),
        ({"budget": 2}, "budget must be above 0, of updates no less than checks=3, got 2"),
    ],
)
def test_errors(options: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        small(**options)


def test_own_data_have_one_length() -> None:
    x, y = np.random.default_rng(0).random((40, 5, 2)), np.arange(40) % 3
    made = lab.compare((x, y), budget=8, seeds=1, units=4)
    assert made.lengths.tolist() == [5]
    with pytest.raises(ValueError, match=r"lengths must be None for your own data, of 5 steps, got \(4,\)"):
        lab.compare((x, y), budget=8, seeds=1, lengths=(4,))
