"""One time step at batch 1, its state carried on."""

from typing import Any

WORK = "step"


def test_step(race: Any, row: Any, contender: str) -> None:
    race(row, contender)
