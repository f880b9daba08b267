"""Which backend runs: what is asked for runs or is an error; only the automatic choice falls back, and says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cellstep import kernels

BLOCK = "import sys; sys.modules.update(dict.fromkeys({names!r}))\n"
COMPILED = "cellstep.kernels.cython.compiled"


def run(code: str, tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A fresh Python with no CELLSTEP_* in its environment but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CELLSTEP_")}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=clean | env, capture_output=True, text=True, timeout=120
    )


def without(*modules: str) -> str:
    """Code after which these modules cannot be found."""
    return BLOCK.format(names=modules)


SHOW = "import cellstep.kernels as k; print(k.active().name, '|', k.active().why)"


def test_an_unknown_backend_is_an_error(tmp_path: Path) -> None:
    done = run(SHOW, tmp_path, CELLSTEP_BACKEND="fortran")
    assert done.returncode != 0
    assert "'fortran'" in done.stderr
    assert "numpy" in done.stderr


@pytest.mark.parametrize(("name", "module"), [("cython", COMPILED), ("numba", "numba")])
def test_an_absent_backend_that_is_asked_for_is_an_error(tmp_path: Path, name: str, module: str) -> None:
    done = run(without(module) + SHOW, tmp_path, CELLSTEP_BACKEND=name)
    assert done.returncode != 0
    assert "ImportError" in done.stderr
    assert name in done.stderr
    assert "install" in done.stderr.splitlines()[-1], "the message says what to do"


@pytest.mark.parametrize("name", kernels.BACKENDS)
def test_a_backend_that_is_asked_for_runs_and_warns_of_nothing(tmp_path: Path, name: str) -> None:
    if kernels.available()[name]:
        pytest.skip(f"{name} is not part of this installation; conftest.py fails the run where it should be")
    done = run(SHOW, tmp_path, CELLSTEP_BACKEND=name)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(name + " | CELLSTEP_BACKEND")


def test_the_first_that_is_installed_is_taken(tmp_path: Path) -> None:
    missing = kernels.available()
    best = next(name for name in kernels.BACKENDS if not missing[name])
    assert run(SHOW, tmp_path).stdout.startswith(best)


FOLDER = """
import sys, importlib.machinery

class Finder:
    def find_spec(self, name, path=None, target=None):
        # as where a folder without files of Python has this name
        return importlib.machinery.ModuleSpec(name, None, is_package=True) if name == "numba" else None

sys.meta_path.insert(0, Finder())
"""


def test_a_folder_that_is_called_numba_is_no_numba(tmp_path: Path) -> None:
    show = "import cellstep.kernels as k; print(k.available()['numba'])"
    done = run(FOLDER + show, tmp_path, CELLSTEP_BACKEND="numpy")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Numba is not installed")


def test_without_a_compiler_numba_is_taken(tmp_path: Path) -> None:
    if kernels.available()["numba"]:
        pytest.skip("Numba is not installed")
    done = run(without(COMPILED) + SHOW, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("numba")
    assert "compiler" in done.stdout


def test_the_last_resort_warns_once_and_says_how_to_get_speed(tmp_path: Path) -> None:
    code = without(COMPILED, "numba") + SHOW + "; import cellstep; import cellstep.kernels"
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("numpy")
    assert done.stderr.count("RuntimeWarning") == 1
    assert "C compiler" in done.stderr
    assert "cellstep[numba]" in done.stderr
    silent = run(code, tmp_path, CELLSTEP_BACKEND="numpy")
    assert (silent.returncode, silent.stderr) == (0, "")


def test_an_unknown_instruction_set_is_an_error(tmp_path: Path) -> None:
    if kernels.available()["cython"]:
        pytest.skip("no compiled kernels: CELLSTEP_ISA chooses among them")
    done = run(SHOW, tmp_path, CELLSTEP_ISA="z80")
    assert done.returncode != 0
    assert "CELLSTEP_ISA" in done.stderr
    assert "z80" in done.stderr


def test_use_changes_the_backend_for_a_block() -> None:
    before = kernels.active()
    with kernels.use("numpy") as chosen:
        assert chosen.name == kernels.active().name == "numpy"
        with pytest.raises(RuntimeError, match="from the block"), kernels.use("numpy"):
            raise RuntimeError("from the block")
        assert kernels.active() is chosen
    assert kernels.active() is before


def test_use_without_a_block_holds_from_there_on() -> None:
    before = kernels.active()
    chosen = kernels.use("numpy")
    assert kernels.active().name == "numpy"
    with chosen:
        assert kernels.active().name == "numpy"
    assert kernels.active() is before


def test_use_of_an_unknown_backend_changes_nothing() -> None:
    before = kernels.active()
    with pytest.raises(ValueError, match="'fortran'"), kernels.use("fortran"):
        pass
    assert kernels.active() is before


def test_an_expected_backend_that_is_absent_fails(tmp_path: Path) -> None:
    """The rule of conftest.py itself: no skip, no green run."""
    tests = Path(__file__).parent.parent
    code = without("numba", COMPILED) + (
        "import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-o', 'addopts=', "
        f"'--rootdir', {str(tests)!r}, '-o', 'pythonpath={tests}', '-k', 'parameters and step', "
        f"{str(tests / 'kernels' / 'test_contract.py')!r}]))"
    )
    calm = run(code, tmp_path, CELLSTEP_BACKEND="numpy")
    assert calm.returncode == 0, calm.stdout + calm.stderr
    assert "1 passed" in calm.stdout
    failed = run(code, tmp_path, CELLSTEP_BACKEND="numpy", CELLSTEP_EXPECT_BACKENDS="numba,numpy")
    assert failed.returncode == 1, failed.stdout
    assert "1 passed" in failed.stdout
    assert "1 error" in failed.stdout
    assert "skipped" not in failed.stdout


@pytest.mark.skipif(bool(kernels.available()["cython"]), reason="limits the compiled kernels")
@pytest.mark.parametrize("first", ["cellstep", "threadpoolctl"])
def test_threadpool_limits_hold_that_begin_before_the_kernels_are_loaded(tmp_path: Path, first: str) -> None:
    pytest.importorskip("threadpoolctl")
    code = f"""
import {first}, cellstep, sys
assert "cellstep.kernels" not in sys.modules
import threadpoolctl
with threadpoolctl.threadpool_limits(1):
    inside = cellstep.get_num_threads()
from cellstep.kernels.cython import compiled
seen = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "cellstep"]
assert seen == [cellstep.get_num_threads()], seen
print(inside, cellstep.get_num_threads())
"""
    done = run(code, tmp_path, OMP_NUM_THREADS="3", CELLSTEP_BACKEND="cython")
    assert done.stderr == ""
    inside, after = done.stdout.split()
    alone = run("import cellstep; print(cellstep.get_num_threads())", tmp_path, OMP_NUM_THREADS="3")
    assert (inside, after) == ("1", alone.stdout.strip())


@pytest.mark.skipif(bool(kernels.available()["cython"]), reason="limits the compiled kernels")
def test_limits_of_threadpoolctl_end_and_leave_others_as_they_are(tmp_path: Path) -> None:
    pytest.importorskip("threadpoolctl")
    code = """
import cellstep, threadpoolctl
n = cellstep.get_num_threads
cellstep.set_num_threads(2)
with threadpoolctl.threadpool_limits(1):
    with threadpoolctl.threadpool_limits(4):
        assert n() == 2, n()
    assert n() == 1, n()
    cellstep.set_num_threads(3)
    assert n() == 1, n()
assert n() == 2, n()
cellstep.set_num_threads(1)
with threadpoolctl.threadpool_limits(1):
    pass
cellstep.set_num_threads(8)
print(n())
"""
    done = run(code, tmp_path, OMP_NUM_THREADS="8", CELLSTEP_BACKEND="cython")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "8", "")


@pytest.mark.skipif(bool(kernels.available()["cython"]), reason="limits the compiled kernels")
@pytest.mark.parametrize("text", ["", "3", " 3 , 2", "3x", "0", "-3", "9" * 30, "a"])
def test_the_compiled_kernels_and_numba_read_one_number_of_threads(text: str, tmp_path: Path) -> None:
    code = "import cellstep, cellstep.kernels.threads as t; print(cellstep.get_num_threads(), t.processors())"
    done = run(code, tmp_path, OMP_NUM_THREADS=text, CELLSTEP_BACKEND="cython", CELLSTEP_NUM_THREADS="200")
    ours, numbas = done.stdout.split()
    assert ours == numbas
