"""Keras is imported by `cellstep.keras` alone, which says what to install where there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_a_missing_keras_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("cellstep.keras")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ImportError, match=r"cellstep\.keras needs Keras .*: pip install 'cellstep\[keras\]'"):
        import cellstep.keras  # noqa: F401


def test_nothing_else_imports_keras() -> None:
    code = "import sys, cellstep, cellstep.models, cellstep.layers, cellstep.utils, cellstep.bridges\n"
    code += "print('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
