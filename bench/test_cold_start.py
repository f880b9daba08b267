"""From a new process to the first prediction of an LSTM(64): interpreter, imports, building, the call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ABSENT, PEERS, remember

from cellstep.benchmarks.answers import exact
from cellstep.benchmarks.peers import keras_layers, onnx_graphs
from cellstep.benchmarks.problem import Problem
from cellstep.benchmarks.shapes import Shape

SHAPE = Shape(20, 1, 16, 64)

#: Each reads `a`, arrays in the library's layout, and leaves y (T, 64) or (1, T, 64). A user's shortest way.
KERAS = """
layer = {0}.layers.LSTM(64, return_sequences=True)
layer.build(a["x"].shape)
layer.set_weights([a["W"], a["U"], a["b"]])
y = np.asarray({1})
"""
SCRIPTS = {
    "cellstep": "import cellstep" + KERAS.format("cellstep", "layer(a['x'])"),
    "torch": """
import torch
layer = torch.nn.LSTM(16, 64, batch_first=True)
with torch.no_grad():
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        getattr(layer, name).copy_(torch.from_numpy(a[name]))
    y = layer(torch.from_numpy(a["x"]))[0].numpy()
""",
    "onnxruntime": """
import onnxruntime
session = onnxruntime.InferenceSession(a["model"].tobytes(), providers=["CPUExecutionProvider"])
y = session.run(None, {name: a[name] for name in ("h0", "c0")} | {"x": a["x"].transpose(1, 0, 2)})[0][:, 0]
""",
    **{
        f"keras-{name}": "import keras" + KERAS.format("keras", "keras.ops.convert_to_numpy(layer(a['x']))")
        for name in keras_layers.BACKENDS
    },
    "python and numpy alone": "y = None",
}
FRAME = """
import sys
import numpy as np
a = np.load(sys.argv[1])
{script}
if y is not None:
    np.save(sys.argv[2], y)
"""


def arrays() -> dict[str, Any]:
    """What the scripts read, for all of them."""
    p = Problem("lstm", "forward", SHAPE)
    W, U, b = p.weights.values()
    assert p.row.orders["torch"] == p.row.letters  # PyTorch has Keras's order of gates here
    found: dict[str, Any] = {"x": p.x, **p.weights}
    found |= {"weight_ih_l0": W.T, "weight_hh_l0": U.T, "bias_ih_l0": b, "bias_hh_l0": np.zeros_like(b)}
    found |= {"h0": np.zeros((1, 1, 64), np.float32), "c0": np.zeros((1, 1, 64), np.float32)}
    return found


@pytest.mark.parametrize("contender", SCRIPTS)
def test_cold_start(benchmark: Any, request: pytest.FixtureRequest, tmp_path: Path, contender: str) -> None:
    present, absent = request.config.stash[PEERS], request.config.stash[ABSENT]
    library, _, backend = contender.partition("-")
    if library in ("torch", "onnxruntime", "keras") and library not in present:
        pytest.skip(absent.get(library, f"{library} was not asked for"))
    if backend and backend not in keras_layers.backends():
        pytest.skip(f"{contender} is absent: its backend is not installed")
    given = arrays()
    if contender == "onnxruntime":
        given["model"] = np.frombuffer(onnx_graphs.graph(Problem("lstm", "forward", SHAPE)), np.uint8)
    np.savez(tmp_path / "given.npz", **given)
    script, found = tmp_path / "script.py", tmp_path / "y.npy"
    script.write_text(FRAME.format(script=SCRIPTS[contender]), encoding="utf-8")
    env = os.environ | ({"KERAS_BACKEND": backend} if backend else {}) | {"TF_CPP_MIN_LOG_LEVEL": "3"}

    def start() -> None:
        subprocess.run([sys.executable, script, tmp_path / "given.npz", found], env=env, check=True)

    start()
    if SCRIPTS[contender] != "y = None":
        right = exact("lstm", "forward", SHAPE)["y"][0]
        assert np.abs(np.load(found).reshape(right.shape) - right).max() <= 1e-4
    benchmark.group = f"cold start to the first prediction of an LSTM(64), {SHAPE}"
    benchmark.extra_info.update(contender=contender, answer_checked=True)
    benchmark.pedantic(start, rounds=5)
    if benchmark.stats is not None:
        remember(request.config, benchmark.group, contender, benchmark.stats.stats.median, "cellstep")
