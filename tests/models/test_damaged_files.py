"""Files with random damage are refused by a sentence that names them, or load as a model that predicts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("h5py")

#: Files of each kind, and which: the same with the same seed.
COUNT = os.environ.get("CELLSTEP_DAMAGED_FILES", "150")
SEED = os.environ.get("CELLSTEP_RANDOM_SEED", "1")


@pytest.mark.parametrize("kind", ["archive", "config", "hdf5", "weights", "older", "older-config", "older-weights"])
def test_damaged_files(kind: str) -> None:
    import damaged_files

    program = [sys.executable, damaged_files.__file__, kind, COUNT, SEED]
    run = subprocess.run(program, capture_output=True, text=True)
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
