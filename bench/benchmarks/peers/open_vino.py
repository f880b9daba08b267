"""OpenVINO: the ONNX graph compiled for the processor, in float32; inference only."""

from __future__ import annotations

import importlib
from itertools import cycle
from typing import Any

import numpy as np

from ..problem import CHECKED_STEPS, Problem, Runner, stepping
from . import onnx_graphs

NEEDS = ("openvino", "onnx")
WORK = ("step", "forward", "ragged")


has = onnx_graphs.has


def version() -> str:
    """Name and version."""
    return f"OpenVINO {str(importlib.import_module('openvino').__version__).partition('-')[0]}"


def set_threads(n: int) -> None:
    """Nothing to do: each compiled model has its own threads."""


def runner(p: Problem, threads: int) -> Runner:
    """The `Runner` of a problem."""
    ov: Any = importlib.import_module("openvino")
    core = ov.Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": str(threads),
        # else it takes bfloat16 where the processor has it, and that is another answer
        "INFERENCE_PRECISION_HINT": "f32",
    }
    model = core.compile_model(core.read_model(onnx_graphs.graph(p)), "CPU", settings)
    feeds = onnx_graphs.feeds(p)
    if p.work != "step":
        request = model.create_infer_request()
        # a tensor that shares an array's memory does not keep the array alive: the closure has to
        tensors = {name: (a, ov.Tensor(a, shared_memory=True)) for name, a in feeds.items()}
        for name, (_, tensor) in tensors.items():
            request.set_tensor(name, tensor)

        def forward(kept: Any = tensors) -> Any:
            request.infer()
            return request.get_output_tensor(0).data

        return Runner(forward, lambda: {"y": p.without_padding(forward()[:, 0].transpose(1, 0, 2))})

    # two requests, each of which finds its states where the other leaves them: nothing is copied
    x_array = feeds.pop("x")
    x = ov.Tensor(x_array, shared_memory=True)
    here = {name: np.zeros_like(a) for name, a in feeds.items()}
    there = {name: np.zeros_like(a) for name, a in feeds.items()}
    requests = []
    for source, target in ((here, there), (there, here)):
        request = model.create_infer_request()
        request.set_tensor("x", x)
        for name in feeds:
            request.set_tensor(name, ov.Tensor(source[name], shared_memory=True))
            request.set_tensor(name.rstrip("0"), ov.Tensor(target[name], shared_memory=True))
        requests.append(request)
    turns = cycle(requests)

    def run(kept: Any = x_array) -> None:
        next(turns).infer()

    def begin() -> None:
        nonlocal turns
        turns = cycle(requests)
        for a in here.values():
            a[...] = 0

    return stepping(run, begin, lambda: (there if CHECKED_STEPS % 2 else here)["h0"][0])
