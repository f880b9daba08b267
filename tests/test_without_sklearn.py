"""Without scikit-learn the estimators say what to install."""

from __future__ import annotations

import sys

import pytest


def test_a_missing_scikit_learn_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "sklearn" or n.startswith("cellstep.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"cellstep\.sklearn needs scikit-learn: pip install"):
        import cellstep.sklearn  # noqa: F401
