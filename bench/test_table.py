"""The kinds of work of the table: a time step at batch 1 with its state carried on, sequences, training passes with the
gradients of x and of all weights; and the latter two for rows of different lengths, padded on the right."""

from typing import Any


def test_table(race: Any, row: Any, contender: str) -> None:
    race(row, contender)
