"""Building, training and prediction leave NumPy's BLAS alone: its threads wait for each other beside busy ones."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: May use it: pictures and benchmarks, what runs where nothing is compiled, and derivatives that NumPy computes.
FREE = (
    "src/cellstep/lab",
    "src/cellstep/cli",
    "kernels/reference",
    "kernels/equations",
    "kernels/numba",
    "kernels/chain.py",
    "src/cellstep/models/forward_mode.py",
    "src/cellstep/models/rtrl.py",
)
BLAS = ("dot", "vdot", "inner", "matmul", "tensordot", "linalg", "polyfit", "cov", "corrcoef", "convolve", "correlate")
#: Of integers, or of a vector for `normalize`.
KNOWN = {
    ("src/cellstep/layers/operations/reducing.py", "matmul"),
    ("src/cellstep/bridges/onnx/export/recurrent.py", "@"),  # once for a file, with projections
    ("src/cellstep/utils/arrays.py", "linalg"),
}


def calls(source: str) -> set[str]:
    """What in a file is done by BLAS: `np.dot` and others, `a.dot(b)`, `a @ b`, `np.einsum(..., optimize=...)`."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.MatMult):
            found.append("@")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("np", "numpy"):
            found += [node.attr] if node.attr in BLAS else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            optimized = any(word.arg == "optimize" for word in node.keywords)
            found += ["dot"] if node.func.attr == "dot" else ["einsum"] if optimized else []
    return set(found)


def test_no_file_that_builds_trains_or_predicts_calls_blas() -> None:
    found = set()
    for folder in ("src/cellstep", "kernels"):
        for path in (ROOT / folder).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith((*FREE, "src/cellstep/kernels")):
                found |= {(name, call) for call in calls(path.read_text())}
    assert found == KNOWN


def test_each_way_to_blas_is_seen() -> None:
    lines = (
        "a @ b",
        "a @= b",
        "np.dot(a, b)",
        "np.linalg.qr(a)",
        "a.dot(b)",
        "np.einsum('ij,jk', a, b, optimize=True)",
    )
    assert all(len(calls(line)) == 1 for line in lines)
    assert not calls("np.einsum('ij,jk', a, b) * 2")


#: Nanoseconds that threads other than this one ran: BLAS's, as cellstep has one.
SCRIPT = """
import os, threading, time
import numpy as np
import cellstep
from cellstep import layers, regularizers

def others():
    spent = 0
    for thread in os.listdir("/proc/self/task"):
        if int(thread) != threading.get_native_id():
            with open(f"/proc/self/task/{thread}/schedstat") as file:
                spent += int(file.read().split()[0])
    return spent

rng = np.random.default_rng(0)
time.sleep(0.3)  # BLAS's threads turn in circles for a while when they have begun
before = others()
inputs = layers.Input((40, 64))
h = layers.LSTM(256, return_sequences=True, kernel_regularizer="orthogonal_regularizer")(inputs)
h = layers.BatchNormalization()(layers.Conv1D(96, 3, padding="same")(h))
for attention in (layers.Attention(use_scale=True), layers.AdditiveAttention()):
    h = layers.Add()([h, attention([h, h])])
h = layers.Dense(96)(layers.Add()([h, layers.Dot(axes=(2, 1))([layers.Dot(axes=2)([h, h]), h])]))
model = cellstep.Model(inputs, layers.GRU(96)(h @ np.eye(96, dtype="f4")))
model.compile(cellstep.optimizers.Adam(clipnorm=1.0), "mse")
x, y = rng.standard_normal((64, 40, 64)).astype("f4"), rng.standard_normal((64, 96)).astype("f4")
model.fit(x, y, batch_size=32, verbose=0)
model.evaluate(x, y, verbose=0)
model.predict(x, verbose=0)
ours = others() - before
a = rng.standard_normal((700, 700))
for _ in range(5):
    np.linalg.qr(a @ a)
print(ours, others() - before - ours)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="needs the run times of Linux's threads")
def test_blas_threads_do_not_run_while_a_model_is_built_trained_and_used() -> None:
    threads = {name: "2" for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    environment = {**os.environ, **threads, "OMP_NUM_THREADS": "2", "CELLSTEP_NUM_THREADS": "1"}
    seen = []
    for _ in range(3):  # one is enough; beside busy processes a thread's beginning may come late
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        ours, blas = map(int, run.stdout.split())
        if blas < 1e6:
            pytest.skip("this NumPy's BLAS has one thread")
        seen.append(ours)
        if ours < min(1e6, blas / 10):
            return
    pytest.fail(f"BLAS's threads ran for {seen} ns")
