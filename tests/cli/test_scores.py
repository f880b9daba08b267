"""The baselines do what their description says, and luck is not sold as a win."""

from __future__ import annotations

import numpy as np
import pytest

from cellstep.cli.team_games import scores
from cellstep.cli.team_games.histories import Samples


def held(rate: list[float], opponent: list[float]) -> Samples:
    n = len(rate)
    return Samples(np.zeros((n, 1, 1)), np.ones(n), np.arange(n), np.array(rate), np.array(opponent), np.ones(n, bool))


def test_win_rate_baseline() -> None:
    nan = float("nan")
    s = held([0.6, 0.4, 0.6, 0.4, 0.5, nan, nan], [0.5, 0.5, nan, nan, 0.5, 0.5, nan])
    for otherwise in (0.0, 1.0):
        guess = scores.by_win_rate(s, otherwise)
        assert guess.tolist() == [1, 0, 1, 0, otherwise, otherwise, otherwise]


def test_the_frequent_class_is_that_of_the_training_part() -> None:
    s = held([0.5] * 3, [0.5] * 3)
    s.y = np.array([1.0, 0.0, 0.0])
    assert scores.frequent_class(s) == 0
    s.y = np.array([1.0, 1.0, 0.0])
    assert scores.frequent_class(s) == 1


def test_score_has_the_standard_error_of_a_share() -> None:
    s = scores.score(np.array([True] * 75 + [False] * 25))
    assert (s.accuracy, s.n) == (0.75, 100)
    assert s.error == pytest.approx(np.sqrt(0.75 * 0.25 / 100))


@pytest.mark.parametrize(
    ("ours", "other", "word"),
    [
        (800, 600, "It beats"),
        (600, 800, "It does worse than"),
        (505, 500, "within luck"),
        (500, 505, "within luck"),
        (500, 500, "exactly as well"),
    ],
)
def test_verdicts(ours: int, other: int, word: str) -> None:
    rng = np.random.default_rng(0)
    a, b = np.zeros(1000, bool), np.zeros(1000, bool)
    a[rng.permutation(1000)[:ours]] = True
    b[rng.permutation(1000)[:other]] = True
    sentence = scores.verdict("a coin", a, b)
    assert word in sentence
    assert "1000 games" in sentence
    if "luck" in word:
        assert "does not beat" in sentence
