"""The thread pool and the memory that calls share, under the thread sanitizer: nothing is read while it is written."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TILES = Path(__file__).parents[2] / "kernels" / "tiles"
RACE = Path(__file__).parent / "tiles" / "race.c"


def test_the_team_and_the_memory_pool_have_no_data_race(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs gcc or clang")
    program = tmp_path / "race"
    command = [compiler, "-fsanitize=thread", "-g", "-O1", "-std=gnu11", f"-I{TILES}", "-o", str(program)]
    names = ("thread_pool", "pieces", "progress", "gang", "placement", "memory")
    sources = [*(TILES / f"{name}.c" for name in names), RACE]
    built = subprocess.run([*command, *map(str, sources), "-lpthread"], capture_output=True, text=True)
    if "tsan" in built.stderr:
        pytest.skip("needs the thread sanitizer's library")
    assert built.returncode == 0, built.stderr
    # it needs its own layout of memory
    fixed = [tool, "-R"] if (tool := shutil.which("setarch")) else []
    environment = os.environ | {"OMP_NUM_THREADS": "4", "TSAN_OPTIONS": "halt_on_error=1"}
    done = subprocess.run([*fixed, str(program)], capture_output=True, text=True, env=environment, timeout=300)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the thread sanitizer does not run on this kernel")
    assert done.returncode == 0, done.stderr
