"""What `dir` shows of a module, and so what an editor completes: its public names, and no import of its own."""

from __future__ import annotations

import importlib

import pytest
from docs.test_reference import MODULES


@pytest.mark.parametrize("module", [*MODULES, "cellstep.config"])
def test_dir_is_public_names_alone(module: str) -> None:
    if module == "cellstep.sklearn":
        pytest.importorskip("sklearn")
    here = importlib.import_module(module)
    names = set(dir(here)) - {"__version__"}
    assert names >= {*getattr(here, "__all__", [])} - {"__version__"}
    assert not names & {"Any", "Callable", "TYPE_CHECKING", "annotations", "core", "lazy", "np", "os", "public"}
    for name in names:
        assert not name.startswith("_"), name
        assert getattr(getattr(here, name), "__module__", "cellstep").startswith("cellstep"), name
