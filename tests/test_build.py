"""Any CMake from 3.20 on can configure the compiled build; where something is missing it stops, and says what."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"]
CMAKES = sorted({str(Path(found).resolve()) for folder in FOLDERS if (found := shutil.which("cmake", path=folder))})


def version(cmake: str) -> tuple[int, ...]:
    done = subprocess.run([cmake, "--version"], capture_output=True, text=True)
    found = re.search(r"version (\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else (0,)


@pytest.mark.skipif(
    not any(version(cmake) >= (3, 20) for cmake in CMAKES) or not shutil.which("cc"),
    reason="needs CMake and a C compiler",
)
def test_it_is_configured_anew_and_again_by_every_cmake_here(tmp_path: Path) -> None:
    for number, cmake in enumerate(cmake for cmake in CMAKES if version(cmake) >= (3, 20)):
        build = tmp_path / str(number)
        command = [cmake, "-S", str(ROOT), "-B", str(build), "-DSKBUILD_PROJECT_NAME=cellstep"]
        command.append(f"-DPython_EXECUTABLE={sys.executable}")
        for _ in range(2):
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, f"{cmake}\n{done.stdout}{done.stderr}"


@pytest.mark.skipif(not any(version(cmake) >= (3, 20) for cmake in CMAKES), reason="needs CMake")
@pytest.mark.parametrize(
    ("options", "environment", "sentence"),
    [
        ([], {"CC": "/bin/false"}, "no working C compiler was found: install GCC or Clang"),
        (["-DCMAKE_SYSTEM_NAME=Windows"], {}, "cellstep has no kernels for Windows"),
    ],
)
def test_it_says_what_is_missing(
    options: list[str], environment: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    cmake = next(cmake for cmake in CMAKES if version(cmake) >= (3, 20))
    command = [cmake, "-S", str(ROOT), "-B", str(tmp_path), "-DSKBUILD_PROJECT_NAME=cellstep", *options]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode != 0
    assert sentence in " ".join(done.stderr.split())


@pytest.mark.skipif(
    not any(version(cmake) >= (3, 20) for cmake in CMAKES) or not shutil.which("cc"),
    reason="needs CMake and a C compiler",
)
def test_a_compiler_that_came_later_is_found(tmp_path: Path) -> None:
    cmake = next(cmake for cmake in CMAKES if version(cmake) >= (3, 20))
    command = [cmake, "-S", str(ROOT), "-B", str(tmp_path), "-DSKBUILD_PROJECT_NAME=cellstep"]
    command.append(f"-DPython_EXECUTABLE={sys.executable}")
    missing = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "CC": "/bin/false"})
    assert missing.returncode != 0
    there = subprocess.run(command, capture_output=True, text=True)
    assert there.returncode == 0, there.stderr
