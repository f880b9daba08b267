"""A batch of rows of different lengths, padded on the right."""

from typing import Any

WORK = "ragged"


def test_ragged(race: Any, row: Any, contender: str) -> None:
    race(row, contender)
