"""The commands as a user runs them, and what the package tells about itself."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cellstep
from cellstep import config, kernels
from cellstep.cli import main
from cellstep.cli.team_games.league import generate


def test_demo_on_a_file_trains_judges_and_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{g.team},{g.date},{g.opponent},{g.goals_for},{g.goals_against}" for g in generate(seed=1, rounds=16)]
    path = tmp_path / "season.csv"
    path.write_text("\n".join(["team,date,opponent,goals_for,goals_against", *rows]), encoding="utf-8")
    assert main(["demo", "--data", str(path), "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert len(re.findall(r"\d\d\.\d % \+- \d\.\d", out)) == 3
    assert "always saying the commoner result" in out
    assert "win rate" in out
    assert re.search(r"\d+\.\d\d us in the kernel, \d+\.\d\d us as cell\(x, states\)", out)
    assert f"backend {kernels.active().name}" in out


def test_the_same_seed_gives_the_same_accuracies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{g.team},{g.date},{g.opponent},{g.goals_for},{g.goals_against}" for g in generate(seed=2, rounds=12)]
    path = tmp_path / "season.csv"
    path.write_text("\n".join(["team,date,opponent,goals_for,goals_against", *rows]), encoding="utf-8")
    told = []
    for _ in range(2):
        main(["demo", "--data", str(path), "--epochs", "1", "--seed", "5"])
        told.append(re.findall(r"\d\d\.\d % \+- \d\.\d", capsys.readouterr().out))
    assert told[0] == told[1]


@pytest.mark.parametrize("arguments", [[], ["dance"], ["demo", "--epochs", "0"], ["demo", "--seed", "-1"]])
def test_wrong_arguments_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: cellstep" in capsys.readouterr().err


def test_python_m_cellstep_info() -> None:
    done = subprocess.run([sys.executable, "-m", "cellstep", "info"], capture_output=True, text=True, check=True)
    assert cellstep.__version__ in done.stdout
    assert np.__version__ in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_ends_first_is_no_error() -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "cellstep", "info"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    program.stdout.close()
    assert program.communicate()[1] == ""
    assert program.returncode == 141


def test_a_backend_that_is_not_there_is_told_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cellstep", "info"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CELLSTEP_BACKEND": "abacus"},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"cellstep: CELLSTEP_BACKEND must be .*'abacus'\n", done.stderr)


def test_show_config_says_what_runs_and_why_the_rest_does_not() -> None:
    text = io.StringIO()
    cellstep.show_config(text)
    active = kernels.active()
    assert f"{active.name}: {active.why}" in text.getvalue()
    for name, reason in kernels.available().items():
        assert name in text.getvalue()
        assert reason in text.getvalue()
    assert all(subject in text.getvalue() for subject in ("python", "numpy", "instruction set", "threads"))


def test_threads_can_be_set_and_read() -> None:
    before = cellstep.get_num_threads()
    try:
        cellstep.set_num_threads(1)
        assert cellstep.get_num_threads() == 1
    finally:
        cellstep.set_num_threads(before)


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_wrong_number_of_threads_is_refused(n: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="n must be a positive integer"):
        cellstep.set_num_threads(n)  # type: ignore[arg-type]


def test_threads_that_a_backend_cannot_use_are_told() -> None:
    with kernels.use("numpy"):
        assert cellstep.get_num_threads() == 1
        with pytest.warns(RuntimeWarning, match="one thread; n=2 has no effect"):
            cellstep.set_num_threads(2)


def test_the_step_names_its_instruction_set() -> None:
    with kernels.use("numpy"):
        assert "NumPy" in config.isa()


def test_import_is_light_and_names_are_found_when_used() -> None:
    code = "import sys, cellstep, cellstep.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    for name in cellstep.__all__:
        assert getattr(cellstep, name) is not None
        assert name in dir(cellstep)
    with pytest.raises(AttributeError, match="'cellstep' has no attribute 'Sequental'"):
        cellstep.Sequental  # noqa: B018
