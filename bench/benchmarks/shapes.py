"""The one table of benchmarks: kinds of work, and the shapes of each.

They are the shapes at which other libraries' figures are on record, from a weight matrix that fits the first cache to
one that fits no cache.
"""

from __future__ import annotations

from typing import NamedTuple

from .. import kernels


class Shape(NamedTuple):
    """T steps of B rows with I inputs and H units."""

    T: int
    B: int
    I: int  # noqa: E741 - the letter of the kernel contract
    H: int

    def __str__(self) -> str:
        return "x".join(map(str, self))


def cells() -> list[str]:
    """The names of all cells, the one with the most gates first."""
    return sorted(kernels.CELLS, key=lambda name: -kernels.CELLS[name].G)


STEPS = tuple(Shape(1, 1, n, n) for n in (16, 32, 64, 128, 256, 512, 1024))

SEQUENCES = tuple(Shape(100, B, n, n) for B, n in ((1, 64), (1, 256), (1, 512), (8, 128), (32, 256), (64, 512)))

TRAINING = (
    Shape(100, 1, 64, 64),
    Shape(100, 32, 64, 64),
    Shape(100, 32, 128, 128),
    Shape(100, 64, 256, 256),
    Shape(50, 128, 512, 512),
)

#: T is the longest that a row may be: lengths are uniform in 1..T, and one row is T long.
RAGGED = (Shape(200, 64, 128, 128),)

#: step: one time step of a state that is carried. forward: a sequence, every output kept. train: forward and backward,
#: with the gradients of x and of all weights, from weights that have just changed. ragged, ragged_train: the latter
#: two on rows of different lengths, padded on the right.
TABLE: dict[str, tuple[Shape, ...]] = {
    "step": STEPS,
    "forward": SEQUENCES,
    "train": TRAINING,
    "ragged": RAGGED,
    "ragged_train": RAGGED,
}

#: Rows of `fit`: one epoch of `fit_samples` sequences of T steps with I inputs, an LSTM of H units and Dense(1).
FIT_BATCH = 32
FITS = (Shape(100, FIT_BATCH, 16, 64), Shape(100, FIT_BATCH, 16, 256))


def fit_samples(shape: Shape) -> int:
    """Sequences of an epoch: more of small ones, so that what a call of `fit` costs once hardly counts."""
    return 1024 if shape.T * shape.H > 4000 else 4096


#: The short form, (work, shapes of the first of `cells`, shapes of the others): the steps, which the picture
#: needs, and a few rows of the rest.
SHORT: tuple[tuple[str, tuple[Shape, ...], tuple[Shape, ...]], ...] = (
    ("step", STEPS, STEPS[::3]),
    ("forward", (SEQUENCES[0], SEQUENCES[3]), ()),
    ("train", TRAINING[:3], TRAINING[1:2]),
    ("ragged", RAGGED, ()),
)


def parse(text: str) -> Shape:
    """A shape from TxBxIxH.

    Raises:
        ValueError: not four positive integers.
    """
    try:
        sizes = [int(n) for n in text.split("x")]
    except ValueError:
        sizes = []
    if len(sizes) != 4 or min(sizes) < 1:
        raise ValueError(f"expected a shape as TxBxIxH, four positive integers, got {text!r}")
    return Shape(*sizes)
