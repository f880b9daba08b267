"""The shapes that every benchmark here runs: steps, sequences and training passes.

They are the shapes at which other libraries' figures are on record, from a weight matrix that fits the first cache to
one that fits no cache.
"""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """T steps of B rows with I inputs and H units."""

    T: int
    B: int
    I: int  # noqa: E741 - the letter of the kernel contract
    H: int

    def __str__(self) -> str:
        return "x".join(map(str, self))


STEPS = tuple(Shape(1, 1, n, n) for n in (16, 32, 64, 128, 256, 512, 1024))

SEQUENCES = tuple(Shape(100, B, n, n) for B, n in ((1, 64), (1, 256), (1, 512), (8, 128), (32, 256), (64, 512)))

TRAINING = (
    Shape(100, 1, 64, 64),
    Shape(100, 32, 64, 64),
    Shape(100, 32, 128, 128),
    Shape(100, 64, 256, 256),
    Shape(50, 128, 512, 512),
)

TABLE = {"step": STEPS, "forward": SEQUENCES, "train": TRAINING}
