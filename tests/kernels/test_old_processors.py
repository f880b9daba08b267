"""Import, a forward pass and its gradient on a processor without AVX, by emulation, give the bits of x86-64-v2 here.

Needs qemu-x86_64 (`apt install qemu-user`).
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cellstep import kernels

CODE = """
import hashlib
import numpy as np
import cellstep
from cellstep import layers
from cellstep.kernels.cython import compiled

cellstep.set_random_seed(3)
model = cellstep.Sequential([cellstep.Input((None, 5)), layers.LSTM(9, return_sequences=True), layers.GRU(7)])
model.compile("adam", "mse")
x = np.linspace(-2, 2, 4 * 6 * 5, dtype="float32").reshape(4, 6, 5)
model.fit(x, np.zeros((4, 7), "float32"), epochs=2, verbose=0)
print(compiled.available_isas(), hashlib.sha256(model.predict(x, verbose=0).tobytes()).hexdigest())
"""


@pytest.mark.skipif(bool(kernels.available()["cython"]), reason="no compiled kernels")
@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="x86-64 Linux alone")
@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="no qemu-x86_64")
@pytest.mark.parametrize(("processor", "best"), [("Nehalem", "x86-64-v2"), ("Haswell", "x86-64-v3")])
def test_a_processor_runs_the_levels_that_it_has(processor: str, best: str, tmp_path: Path) -> None:
    # OpenBLAS has its own way to find out, which the caller's environment may have set for this machine
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS")}
    environment |= {"CELLSTEP_BACKEND": "cython", "OPENBLAS_NUM_THREADS": "1"}

    def lines(*emulator: str, **more: str) -> list[str]:
        command = [*emulator, sys.executable, "-W", "ignore", "-c", CODE]
        done = subprocess.run(command, cwd=tmp_path, env=environment | more, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    *levels, digest = lines("qemu-x86_64", "-cpu", processor)
    assert levels[0].strip("('),") == best
    assert digest == lines(CELLSTEP_ISA=best)[-1]
