"""The tables of the pages on speed, from what one run found; and the targets, a line each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ("tables", "targets", "in_use", "conditions", "nets", "fit_process", "fit_worker")
ABOUT = {"date": "2026-01-02", "machine": "a processor", "cellstep": "1", "numpy": "2", "peers": {"jax": "JAX 3"}}


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scripts of bench/ import each other by name."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    yield
    for name in SCRIPTS:
        sys.modules.pop(name, None)


def found_by_targets() -> dict[str, Any]:
    row = {"cell": "lstm", "work": "step", "shape": "1x1x64x64", "threads": 1, "ours": "stream"}
    row |= {"median": {"stream": 1e-6, "jax": 3e-6}, "fraction_of_limit": {"stream": 0.5}}
    machine = {"threads": 1, "peak": 2e11, "bandwidth": {str(3 << 12): 3e11}}
    line = {"met": "yes", "cells": ["lstm step", ">= 1", "2.00", "yes", "1", "jax", "50"]}
    return {"about": ABOUT, "limits": [machine], "rows": [row], "lines": [line, line | {"met": ""}]}


@pytest.mark.usefixtures("scripts")
def test_the_pages_have_places_for_the_tables_and_keep_the_rest(tmp_path: Path) -> None:
    import tables

    in_use = {"about": ABOUT, "head": ["row", "us"], "cells": [["a row", "5"]], "asked_cells": [["a", "b", "c", "yes"]]}
    for name, found in (("targets.json", found_by_targets()), ("in_use.json", in_use)):
        (tmp_path / name).write_text(json.dumps(found), encoding="utf-8")
    for name in ("benchmarks.md", "speed.md", "index.md"):
        (tmp_path / name).write_text((ROOT / "docs" / name).read_text(encoding="utf-8"), encoding="utf-8")
    tables.write(tmp_path, tmp_path)
    tables.write(tmp_path, tmp_path)  # in the place of the tables before
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert page.count("Measured on 2026-01-02 on a processor; cellstep 1; JAX 3, NumPy 2.") == 2
    assert page.count("one thread reads 300 GB/s of 12 KB") == 1
    assert page.count("Met: 1 of 1.") == page.count("| a row | 5 |") == 1
    assert "\n### More tables\n" in page
    assert "| lstm | step | 1x1x64x64 | 1 | 1 | 50 |" in (tmp_path / "speed.md").read_text(encoding="utf-8")
    front = (tmp_path / "index.md").read_text(encoding="utf-8")
    assert "| LSTM | 1.00 microseconds | 3.0 times |" in front
    with pytest.raises(ValueError, match="marks of costs, got none"):
        tables.put("no marks", "costs", "")


@pytest.mark.usefixtures("scripts")
def test_every_row_of_the_table_has_a_target() -> None:
    import targets

    from cellstep.benchmarks.shapes import SEQUENCES, STEPS, TRAINING

    asked = targets.asked_of_rows()
    assert len(asked) == 2 * len(STEPS) + 2 * len(SEQUENCES) + 3 * len(TRAINING)
    assert min(asked.values()) == 1.0
    assert [str(w.shape) for w in targets.chosen(asked, ["lstm train 100x1x", "gru step 1x1x16"])] == [
        "1x1x16x16",
        "100x1x64x64",
    ]
    line = targets.Line("every 10 ms", 2.0, 1.5, most=True)
    assert (line.met, line.cells()[1]) == ("no", "<= 1.5")
    assert targets.Line("no peer", float("nan")).met == ""
