"""The tiles of AArch64 NEON, cross-compiled and run under emulation, give the bits of x86-64-v3.

Needs qemu-aarch64, and aarch64-linux-gnu-gcc or the package ziglang (`apt install qemu-user; pip install ziglang`).
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cellstep import kernels

ROOT = Path(__file__).parents[2]
TILES = ROOT / "kernels/tiles"
SOURCES = [str(TILES / "tile.c"), str(Path(__file__).parent / "tiles/bits.c")]
FLAGS = ["-std=gnu11", "-O2", f"-I{TILES}", "-DTABLE=table", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra"]
V3 = ["-mssse3", "-msse4.1", "-msse4.2", "-mpopcnt", "-mavx2", "-mfma", "-mf16c", "-mbmi", "-mbmi2"]
#: softplus and log_sigmoid: log1p is the C library's, and theirs differ
LIBRARY = tuple(f"activation {kernels.ACTIVATIONS.index(name)} " for name in ("softplus", "log_sigmoid"))


def cross_compiler() -> list[str] | None:
    if shutil.which("aarch64-linux-gnu-gcc"):
        return ["aarch64-linux-gnu-gcc", "-static"]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-static"]
    return None


def bits(compiler: list[str], emulator: list[str], program: Path) -> list[str]:
    subprocess.run([*compiler, *FLAGS, *SOURCES, "-o", str(program), "-lm"], check=True)
    done = subprocess.run([*emulator, str(program)], check=True, stdout=subprocess.PIPE, text=True)
    return [line for line in done.stdout.splitlines() if not line.startswith(LIBRARY)]


@pytest.mark.skipif(platform.machine() != "x86_64" or not shutil.which("gcc"), reason="compiles for x86-64 with gcc")
def test_the_program_that_prints_bits_follows_the_tiles(tmp_path: Path) -> None:
    """Else nobody would see, where there is no emulator, that it no longer compiles."""
    subprocess.run(["gcc", *V3, *FLAGS, *SOURCES, "-O0", "-o", str(tmp_path / "x86"), "-lm"], check=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_neon_gives_the_bits_of_x86(dtype: str, tmp_path: Path) -> None:
    compiler = cross_compiler()
    if compiler is None or not shutil.which("qemu-aarch64"):
        pytest.skip("no AArch64 compiler or no qemu-aarch64")
    if platform.machine() != "x86_64" or not shutil.which("gcc"):
        pytest.skip("compares with x86-64, compiled by gcc")
    double = ["-DCS_DOUBLE"] if dtype == "float64" else []
    ours = bits(["gcc", *V3, *double], [], tmp_path / "x86")
    theirs = bits([*compiler, *double], ["qemu-aarch64"], tmp_path / "arm")
    assert len(ours) == len(kernels.ACTIVATIONS) - len(LIBRARY) + 5 * 5
    assert theirs == ours
