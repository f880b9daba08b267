"""Damaged files of tensors are refused by a FileError that names them, or load; the model is as it was."""

from __future__ import annotations

import os
import subprocess
import sys

import damaged_tensors
import pytest

#: Files of each kind, and which: the same with the same seed. `CELLSTEP_DAMAGED_FILES=20000` is the long form.
COUNT = os.environ.get("CELLSTEP_DAMAGED_FILES", "300")
SEED = os.environ.get("CELLSTEP_RANDOM_SEED", "1")


@pytest.mark.parametrize("kind", damaged_tensors.KINDS)
def test_damaged_files(kind: str) -> None:
    if kind in ("pytorch", "pickle"):
        pytest.importorskip("torch")
    program = [sys.executable, damaged_tensors.__file__, kind, COUNT, SEED]
    run = subprocess.run(program, capture_output=True, text=True)
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
