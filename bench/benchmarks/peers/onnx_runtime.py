"""ONNX Runtime: one session a problem, called with NumPy arrays; inference only."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ..problem import Problem, Runner, stepping
from . import onnx_graphs

NEEDS = ("onnxruntime", "onnx")
WORK = ("step", "forward", "ragged")


has = onnx_graphs.has


def version() -> str:
    """Name and version."""
    return f"ONNX Runtime {importlib.import_module('onnxruntime').__version__}"


def set_threads(n: int) -> None:
    """Nothing to do: each session has its own threads."""


def runner(p: Problem, threads: int) -> Runner:
    """The `Runner` of a problem."""
    ort: Any = importlib.import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(onnx_graphs.graph(p), options, providers=["CPUExecutionProvider"])
    feeds = onnx_graphs.feeds(p)
    if p.work != "step":

        def forward() -> Any:
            return session.run(None, feeds)[0]

        return Runner(forward, lambda: {"y": p.without_padding(forward()[:, 0].transpose(1, 0, 2))})

    states = [name for name in feeds if name != "x"]

    def run() -> None:
        feeds.update(zip(states, session.run(None, feeds), strict=True))

    def begin() -> None:
        feeds.update({name: np.zeros_like(feeds[name]) for name in states})

    return stepping(run, begin, lambda: feeds["h0"][0])
