"""PyTorch is imported by `cellstep.torch` alone, which says what to install where there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_a_missing_pytorch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("cellstep.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"cellstep\.torch needs PyTorch: pip install 'cellstep\[torch\]'"):
        import cellstep.torch  # noqa: F401


def test_nothing_else_imports_pytorch() -> None:
    code = "import sys, cellstep, cellstep.models, cellstep.layers, cellstep.utils; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
