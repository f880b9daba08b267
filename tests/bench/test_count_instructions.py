"""Counts of instructions against those that are kept: what is compared with what, and what is said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from cellstep import kernels

HERE = {"compiler": "GCC: (x) 12.2.0", "machine": "x86_64", "isa": "v3", "python": "CPython 3.11", "numpy": "2.4"}
KERNEL, PYTHON = "lstm step 1x4x64x64 cython", "lstm fit 20x32x4x16 plain"
COUNTS = {KERNEL: 1000, PYTHON: 2000}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    import count_instructions

    yield count_instructions
    for name in ("count_instructions", "fit_worker"):
        sys.modules.pop(name, None)


def found(counts: dict[str, int], **other: str) -> dict[str, Any]:
    return {"about": HERE | other, "instructions": counts}


def test_all_is_compared_that_the_versions_allow(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    kept = [found({KERNEL: 1}, compiler="clang version 16.0.0"), found(COUNTS)]
    assert script.kept_for(found({}), kept) == COUNTS
    assert capsys.readouterr().out == ""
    assert script.kept_for(found({}, numpy="2.5"), kept) == {KERNEL: 1000}
    assert "only calls of kernels are compared" in capsys.readouterr().out
    assert script.kept_for(found({}, compiler="GCC: (x) 13.1.0"), kept) == {}
    assert "nothing is kept for {'compiler': 'GCC: (x) 13.1.0'" in capsys.readouterr().out


def test_three_per_cent_more_are_too_many(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    worse = script.report({KERNEL: 1029, PYTHON: 2062}, COUNTS)
    assert worse == [f"{PYTHON}: 2,000 -> 2,062 (+3.1%)"]
    assert "worse" in capsys.readouterr().out
    assert script.report({KERNEL: 10, "new": 5}, COUNTS) == []
    assert "new" in capsys.readouterr().out
    assert script.report({KERNEL: 10**9}, {}) == []


def test_what_is_kept_is_renewed_by_version(script: Any, tmp_path: Path) -> None:
    other = found({KERNEL: 3}, numpy="2.5")
    assert script.renewed([found({KERNEL: 1}), other], found(COUNTS)) == [other, found(COUNTS)]
    assert script.read(tmp_path / "none.json") == []
    for entry in script.read(script.KEPT):
        assert entry["about"].keys() == HERE.keys()
        assert min(entry["instructions"].values()) > 100


@pytest.mark.skipif(bool(kernels.available()["cython"]), reason="the kernels are not compiled")
def test_the_compiler_is_known(script: Any) -> None:
    assert script.compiler() != "unknown"
    assert set(script.about("v3")) == set(HERE)
