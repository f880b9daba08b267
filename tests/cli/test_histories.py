"""Samples hold nothing of their own game's result or of anything later, and no game stands on both sides of a split."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from cellstep.cli import demo
from cellstep.cli.team_games.games import DataError
from cellstep.cli.team_games.histories import FEATURES, LAST, samples
from cellstep.cli.team_games.league import TEAMS, Game, generate

DAY = date(2020, 1, 1)


@pytest.fixture(scope="module")
def games() -> list[Game]:
    return generate(seed=3, rounds=45)


def test_the_league_is_repeatable_and_every_game_is_seen_by_both_teams(games: list[Game]) -> None:
    assert games == generate(seed=3, rounds=45)
    assert games != generate(seed=4, rounds=45)
    assert len(games) == 45 * len(TEAMS)
    assert {g.reverse() for g in games} == set(games)
    assert all(g.goals_for != g.goals_against for g in games)


def test_no_sample_knows_its_own_day_or_a_later_one(games: list[Game]) -> None:
    today = games[len(games) // 2].date
    # from today on, every result is turned round and made absurd
    changed = [replace(g.reverse(), team=g.team, opponent=g.opponent) if g.date >= today else g for g in games]
    changed = [replace(g, goals_for=9 * g.goals_for) if g.date >= today else g for g in changed]
    a, b = samples(games), samples(changed)
    known = a.dates <= today.toordinal()
    assert 0 < known.sum() < len(a)
    for name in ("x", "rate", "opponent_rate"):
        np.testing.assert_array_equal(getattr(a, name)[known], getattr(b, name)[known])
    assert not np.array_equal(a.x[~known], b.x[~known])


def test_the_fixture_is_the_last_step_and_its_result_is_blank(games: list[Game]) -> None:
    s = samples(games)
    kind = s.x[:, :, FEATURES.index("kind")]
    length = (kind != 0).sum(axis=1)
    assert set(length) == set(range(1, LAST + 2))
    rows = np.arange(len(s))
    assert (kind[rows, length - 1] == -1).all()
    assert (kind == -1).sum() == len(s)
    for name in ("goals_for", "goals_against", "won"):
        assert not s.x[rows, length - 1, FEATURES.index(name)].any()
    # padding, and nothing else, is all zeros: that is what Masking looks for
    assert ((s.x != 0).any(axis=2).sum(axis=1) == length).all()


def test_a_history_tells_the_games_before_it() -> None:
    games = [
        Game("A", DAY, "B", 4, 1),
        Game("A", DAY + timedelta(2), "C", 0, 2),
        Game("A", DAY + timedelta(12), "B", 1, 1),
    ]
    s = samples(games)
    won, rest = FEATURES.index("won"), FEATURES.index("rest")
    assert s.y.tolist() == [1, 0, 0]
    assert s.x[2, :4, won].tolist() == [1, -1, 0, 0]
    np.testing.assert_allclose(s.x[2, :3, rest], [1, 2 / 7, 1])
    np.testing.assert_array_equal(s.rate, [np.nan, 1, 0.5])
    # B and C have no rows of their own, so what is known of them is no record to go by
    assert np.isnan(s.opponent_rate).all()


def test_each_game_is_counted_once_whichever_team_tells_it(games: list[Game]) -> None:
    s = samples(games)
    assert s.once.sum() == len(s) / 2
    per_day = {day: s.once[s.dates == day].sum() for day in set(s.dates)}
    assert set(per_day.values()) == {len(TEAMS) / 2}
    # no team order decides the view: about half are the first team's
    assert 0.4 < s.once[::2].mean() < 0.6
    alone = samples([g for g in games if g.team == TEAMS[0]])
    assert alone.once.all()


def test_the_split_is_by_date(games: list[Game]) -> None:
    train, held = demo.split(samples(games), "games")
    assert train.dates.max() < held.dates.min()
    assert len(train) + len(held) == len(games)


def test_one_kind_of_result_is_nothing_to_learn_from(games: list[Game]) -> None:
    always = [replace(g, goals_for=1, goals_against=0) for g in games if g.team in TEAMS[:8]]
    with pytest.raises(DataError, match="both wins and other results"):
        demo.split(samples(always), "games")
