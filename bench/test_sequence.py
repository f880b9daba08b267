"""A sequence forward, every output kept."""

from typing import Any

WORK = "forward"


def test_sequence(race: Any, row: Any, contender: str) -> None:
    race(row, contender)
