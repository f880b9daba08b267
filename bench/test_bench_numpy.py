"""pytest-benchmark: ours and NumPy by hand on every shape, each row checked before it is timed.

`pytest bench --benchmark-only --benchmark-group-by=param:problem`; `-k "lstm and step"` picks rows. For ratios on a
machine that others use too, `python bench/compare_numpy.py` alternates between the two and is to be preferred.
"""

from __future__ import annotations

from typing import Any

import pytest
from runners import CELLS, LEVELS, Problem, by_hand, check
from shapes import TABLE

from cellstep import kernels

CONTENDERS = {"numpy by hand": by_hand, **{f"cellstep {level}": make for level, make in LEVELS.items()}}
PROBLEMS = [(cell, what, shape) for cell in CELLS for what, shapes in TABLE.items() for shape in shapes]


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: "-".join(map(str, p)))
def test_bench(benchmark: Any, problem: tuple[Any, ...], contender: str) -> None:
    p = Problem(*problem)
    runner = CONTENDERS[contender](p)
    check(p, runner)
    benchmark.group = str(p)
    benchmark.extra_info.update(backend=kernels.active().name, answer_checked=True)
    benchmark(runner.run)
