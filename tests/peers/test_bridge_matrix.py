"""The table of docs/bridges.md can be made: outputs and gradients are within its limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
ROOT = Path(__file__).parents[2]


def test_all_entries_are_within_the_limit() -> None:
    program = [sys.executable, str(ROOT / "docs" / "bridge_matrix.py")]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (ROOT / "docs" / "bridges.md").read_text(encoding="utf-8")
    labels = [line.split("|")[1] for line in done.stdout.splitlines() if line.startswith("|")]
    assert all(f"|{label}|" in page for label in labels)
