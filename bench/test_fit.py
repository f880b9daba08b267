"""A whole model's `fit`: one epoch, ours and Keras on each of its compiled backends, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import ABSENT, PEERS, remember

from cellstep.cli.bench import threads
from cellstep.cli.bench.peers import keras_layers
from cellstep.cli.bench.shapes import FITS, Shape

WORKER = Path(__file__).with_name("fit_worker.py")
CONTENDERS = ("cellstep", *(f"keras-{name}" for name in keras_layers.BACKENDS))
MOST = threads.choices()[-1]


def command(contender: str, shape: Shape, *mode: str) -> dict[str, Any]:
    """What `subprocess` takes to run a contender with `MOST` threads."""
    library, _, backend = contender.partition("-")
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC", "PJRT_NPROC")
    limits = {name: str(MOST) for name in names} | {"CELLSTEP_NUM_THREADS": str(MOST)}
    limits |= {"TF_NUM_INTRAOP_THREADS": str(MOST), "TF_CPP_MIN_LOG_LEVEL": "3"}
    env = os.environ | limits | ({"KERAS_BACKEND": backend} if backend else {})
    return {"args": [sys.executable, str(WORKER), library, str(shape), *mode], "env": env, "text": True}


def loss(contender: str, shape: Shape, mode: str) -> float:
    """Of the worker's short epoch."""
    return float(subprocess.run(**command(contender, shape, mode), stdout=subprocess.PIPE, check=True).stdout)


@contextmanager
def worker(contender: str, shape: Shape) -> Iterator[Any]:
    """A function that fits one epoch in a process of its own."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(**command(contender, shape), **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def epoch() -> None:
            process.stdin.write("\n")
            process.stdin.flush()
            if not process.stdout.readline():
                raise RuntimeError(f"{contender} ended early: {process.wait()}")

        yield epoch
        process.stdin.close()


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
