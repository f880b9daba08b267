"""A training pass over a batch of rows of different lengths."""

from typing import Any

WORK = "ragged_train"


def test_ragged_training(race: Any, row: Any, contender: str) -> None:
    race(row, contender)
