"""A training pass: forward and backward, with the gradients of x and of all weights."""

from typing import Any

WORK = "train"


def test_training(race: Any, row: Any, contender: str) -> None:
    race(row, contender)
