"""The right answer of a row, in float64, and the check of a contender's answer against it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .. import kernels
from .ours import kernel_level
from .problem import Answer, Problem, Runner
from .shapes import Shape


class WrongAnswer(ValueError):
    """A contender does not compute what the reference computes."""


@lru_cache(maxsize=2)
def exact(cell: str, work: str, shape: Shape) -> Answer:
    """The right answer: the NumPy reference in float64."""
    return kernel_level(Problem(cell, work, shape, "float64"), kernels.load("numpy")).answer()


def check(p: Problem, name: str, runner: Runner) -> None:
    """Hold a contender's answer against the reference in float64.

    Outputs are held to `runner.outputs` absolutely; gradients to `runner.gradients` of the largest entry of that
    gradient.

    Raises:
        WrongAnswer: something is further off, or missing; the message names the contender and the array.
    """
    want, got = exact(p.cell, p.work, p.shape), runner.answer()
    if got.keys() != want.keys():
        raise WrongAnswer(f"{name}, {p}: expected {', '.join(want)}, got {', '.join(got)}")
    for key, right in want.items():
        if np.shape(got[key]) != right.shape:
            raise WrongAnswer(f"{name}, {p}: expected {key} {right.shape}, got {np.shape(got[key])}")
        limit = runner.gradients * np.abs(right).max() if key.startswith("d") else runner.outputs
        error = np.abs(got[key] - right).max()
        # not `error > limit`: a NaN must fail too
        if not error <= limit:
            raise WrongAnswer(f"{name}, {p}: {key} is off by {error:.2e}, more than {limit:.2e}")
