"""Processes that fit one model each, ours or Keras's, for test_fit.py and targets.py."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cellstep.benchmarks import threads
from cellstep.benchmarks.peers import keras_layers
from cellstep.benchmarks.shapes import Shape

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
def worker(contender: str, shape: Shape, *mode: str) -> Iterator[Any]:
    """A function that fits one epoch in a process of its own."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(**command(contender, shape, *mode), **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def epoch() -> None:
            process.stdin.write("\n")
            process.stdin.flush()
            if not process.stdout.readline():
                raise RuntimeError(f"{contender} ended early: {process.wait()}")

        yield epoch
        process.stdin.close()
