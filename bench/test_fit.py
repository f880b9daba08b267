"""A whole model's `fit`: one epoch, ours and Keras on each of its compiled backends, each in a process of its own."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ABSENT, PEERS, remember
from fit_process import CONTENDERS, MOST, loss, worker

from cellstep.benchmarks.peers import keras_layers
from cellstep.benchmarks.shapes import FITS, Shape


@pytest.fixture(scope="module")
def right() -> dict[Shape, float]:
    """The loss of the short epoch by shape, in float64 on the reference."""
    return {}


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("shape", FITS, ids=str)
def test_fit(
    benchmark: Any, request: pytest.FixtureRequest, right: dict[Shape, float], shape: Shape, contender: str
) -> None:
    stash = request.config.stash
    if contender != "cellstep":
        if "keras" not in stash[PEERS]:
            pytest.skip(stash[ABSENT].get("keras", "keras was not asked for"))
        if contender.partition("-")[2] not in keras_layers.backends():
            pytest.skip(f"{contender} is absent: its backend is not installed")
    if shape not in right:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CELLSTEP_BACKEND", "numpy")
            right[shape] = loss("cellstep", shape, "check64")
    assert loss(contender, shape, "check") == pytest.approx(right[shape], rel=1e-4)
    benchmark.group = f"lstm fit, one epoch {shape}, {MOST} threads"
    benchmark.extra_info.update(contender=contender, answer_checked=True)
    with worker(contender, shape) as epoch:
        benchmark.pedantic(epoch, rounds=3, warmup_rounds=1)
    if benchmark.stats is not None:
        remember(request.config, benchmark.group, contender, benchmark.stats.stats.median, "cellstep")
