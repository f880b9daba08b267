"""Reading games: what is accepted, and that every fault is told in one sentence."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cellstep.cli import main
from cellstep.cli.team_games.games import DataError, read_games
from cellstep.cli.team_games.league import Game

HEADER = "team,date,opponent,goals_for,goals_against\n"
GOOD = HEADER + "A,2020-01-02,B,3,1\nB,2020-01-02,A,1,3\nA,2020-01-01,C,0,0\n"

BAD = {
    "empty file": ("", "there is no 'team'"),
    "missing column": ("team,date,opponent,goals_for\nA,2020-01-01,B,1\n", "there is no 'goals_against'"),
    "date": (HEADER + "A,01/02/2020,B,1,0\n", "line 2: expected a date such as 2014-10-08, got '01/02/2020'"),
    "goals": (HEADER + "A,2020-01-01,B,1,0\nA,2020-01-02,B,one,0\n", "line 3: expected goals_for .* got 'one'"),
    "negative goals": (HEADER + "A,2020-01-01,B,1,-2\n", "expected goals_against .* got '-2'"),
    "fractional goals": (HEADER + "A,2020-01-01,B,1.5,0\n", "expected goals_for .* got '1.5'"),
    "endless goals": (HEADER + "A,2020-01-01,B," + "9" * 5000 + ",0\n", "expected goals_for .* from 0 to 9999"),
    "short row": (HEADER + "A,2020-01-01,B\n", "expected goals_for .* got ''"),
    "no team": (HEADER + ",2020-01-01,B,1,0\n", "team is empty"),
    "itself": (HEADER + "A,2020-01-01,A,1,0\n", "A cannot play against itself"),
    "twice": (HEADER + "A,2020-01-01,B,1,0\nA,2020-01-01,B,1,0\n", "stands there twice"),
    "disagree": (HEADER + "A,2020-01-01,B,1,0\nB,2020-01-01,A,1,0\n", "disagree about the goals"),
    "open quote": (HEADER + '"A,2020-01-01', "line 2: opponent is empty"),
}


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "games.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_games_come_in_order_of_date(tmp_path: Path) -> None:
    games = read_games(write(tmp_path, GOOD))
    assert games[0] == Game("A", date(2020, 1, 1), "C", 0, 0)
    assert [g.team for g in games] == ["A", "A", "B"]
    assert not games[0].won
    assert games[1].won


def test_other_columns_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    text = "\ufeffdate,note,team,opponent,goals_for,goals_against\n2020-01-01,rain, A ,B,1,0\n\n"
    assert read_games(write(tmp_path, text)) == [Game("A", date(2020, 1, 1), "B", 1, 0)]


@pytest.mark.parametrize("case", BAD)
def test_a_fault_is_told_in_one_sentence_that_names_the_file(case: str, tmp_path: Path) -> None:
    text, message = BAD[case]
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        read_games(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_what_is_no_text_or_no_file_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="UTF-8"):
        read_games(write(tmp_path, HEADER.encode() + b"\xff\xfe\x00"))
    with pytest.raises(DataError, match="No such file"):
        read_games(tmp_path / "nothing.csv")
    with pytest.raises(DataError, match=str(tmp_path)):
        read_games(tmp_path)


@pytest.mark.parametrize("text", [BAD["date"][0], GOOD, HEADER])
def test_the_command_ends_with_2_and_one_line(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GOOD and HEADER are well-formed, but hold too few games to learn from
    assert main(["demo", "--data", str(write(tmp_path, text))]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("cellstep: ")
    assert told.err.count("\n") == 1
