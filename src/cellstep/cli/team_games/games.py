"""Games from a file, with every fault of the file told in one sentence."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from .league import Game

COLUMNS = ("team", "date", "opponent", "goals_for", "goals_against")


class DataError(ValueError):
    """The file cannot be used; the message says why in one sentence that names it."""


def read_games(path: str | Path) -> list[Game]:
    """The games of a CSV file, in order of date.

    The first line names the columns; team, date (2014-10-08), opponent, goals_for and goals_against must be among
    them and others are ignored. A game may stand there once or twice, once for each team.

    Raises:
        DataError: no such file, not text, a column is missing, a value is wrong, a row stands there twice, or two
            rows tell one game differently.
    """
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [c for c in COLUMNS if c not in (rows.fieldnames or ())]
            if missing:
                raise DataError(f"{path}: expected the columns {', '.join(COLUMNS)}, but there is no {missing[0]!r}")
            games = [_game(row, f"{path}, line {rows.line_num}") for row in rows]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected a CSV file in UTF-8, but byte {error.start} is not text") from error
    except csv.Error as error:
        raise DataError(f"{path}: expected a CSV file, but {error}") from error
    _check(games, path)
    return sorted(games, key=lambda g: g.date)


def _game(row: dict[str, str | None], where: str) -> Game:
    text = {c: (row[c] or "").strip() for c in COLUMNS}
    for column in ("team", "opponent"):
        if not text[column]:
            raise DataError(f"{where}: {column} is empty")
    if text["team"] == text["opponent"]:
        raise DataError(f"{where}: {text['team']} cannot play against itself")
    try:
        day = date.fromisoformat(text["date"])
    except ValueError:
        raise DataError(f"{where}: expected a date such as 2014-10-08, got {text['date']!r}") from None
    goals = []
    for column in ("goals_for", "goals_against"):
        # isdecimal alone accepts other scripts' digits, which int() reads too, so only the length can still hurt
        if not text[column].isdecimal() or len(text[column]) > 4:
            raise DataError(f"{where}: expected {column} to be an integer from 0 to 9999, got {text[column]!r}")
        goals.append(int(text[column]))
    return Game(text["team"], day, text["opponent"], *goals)


def _check(games: list[Game], path: str | Path) -> None:
    """Each team's row of a game stands there once, and the two teams' rows agree."""
    seen: dict[tuple[str, date, str], Game] = {}
    for game in games:
        key = (game.team, game.date, game.opponent)
        if key in seen:
            raise DataError(f"{path}: {game.team} against {game.opponent} on {game.date} stands there twice")
        seen[key] = game
    for game in games:
        other = seen.get((game.opponent, game.date, game.team))
        if other is not None and other != game.reverse():
            raise DataError(
                f"{path}: the rows of {game.team} and {game.opponent} on {game.date} disagree about the goals"
            )
