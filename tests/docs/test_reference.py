"""The API reference lists every public name."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

API = Path(__file__).parents[2] / "docs" / "api"
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in sorted(API.glob("*.rst")))

MODULES = [
    *("cellstep", "cellstep.layers", "cellstep.models", "cellstep.losses", "cellstep.metrics", "cellstep.optimizers"),
    *("cellstep.optimizers.schedules", "cellstep.callbacks", "cellstep.initializers", "cellstep.regularizers"),
    *(
        "cellstep.constraints",
        "cellstep.activations",
        "cellstep.lab",
        "cellstep.lab.tasks",
        "cellstep.lab.style",
        "cellstep.sklearn",
        "cellstep.utils",
    ),
    *(
        "cellstep.kernels",
        "cellstep.functional",
        "cellstep.capi",
        "cellstep.ops",
        "cellstep.random",
        "cellstep.backend",
        "cellstep.sampling",
        "cellstep.saving",
        "cellstep.cells",
        "cellstep.testing",
    ),
    *(
        "cellstep.bridges",
        "cellstep.bridges.onnx.backend",
        "cellstep.config",
        "cellstep.datasets",
        "cellstep.preprocessing",
        "cellstep.preprocessing.sequence",
    ),
]


def listed_whole() -> set[str]:
    """Modules whose names autodoc takes from the module itself."""
    found = re.findall(r"^\.\. automodule:: (\S+)\n((?:   .*\n)*)", TEXT, re.MULTILINE)
    return {module for module, options in found if ":no-members:" not in options}


def listed_by_name() -> set[str]:
    """Names by a directive of their own, with the module in front."""
    found, module = set(), ""
    for current, name in re.findall(r"^\.\. (?:currentmodule:: (\S+)|auto(?:class|function|data):: (\S+))", TEXT, re.M):
        module = current or module
        if name:
            found.add(name if name.startswith("cellstep.") else f"{module}.{name}")
    return found


def described(module: str) -> set[str]:
    """The names of a module that the reference describes."""
    if module in listed_whole():
        here = importlib.import_module(module)
        return set(getattr(here, "__all__", vars(here)))
    return {name.rpartition(".")[2] for name in listed_by_name() if name.rpartition(".")[0] == module}


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_the_reference(module: str) -> None:
    if module == "cellstep.sklearn":
        pytest.importorskip("sklearn")
    here = importlib.import_module(module)
    missing = set(getattr(here, "__all__", [])) - described(module) - {"__version__"}
    for name in sorted(missing):
        thing = getattr(here, name)
        if isinstance(thing, ModuleType):
            assert thing.__name__ in MODULES, f"{thing.__name__} has no page"
            continue
        # an alias of what another page describes
        homes = [other for other in MODULES if other != "cellstep.sklearn" and name in described(other)]
        assert any(getattr(importlib.import_module(other), name) is thing for other in homes), f"{module}.{name}"


def test_names_in_the_reference_exist() -> None:
    for name in listed_by_name():
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
    for module in listed_whole():
        if module != "cellstep.sklearn":  # needs an extra
            importlib.import_module(module)


@pytest.mark.parametrize(
    "name", ["compile", "fit", "evaluate", "predict", "train_step", "gradients", "summary", "save"]
)
def test_methods_that_models_inherit_are_in_the_reference(name: str) -> None:
    from cellstep import layers, models

    described = re.search(r"^\.\. autoclass:: Model\n((?:   .*\n)*)", TEXT, re.MULTILINE)
    assert described is not None
    owner = next(base for base in models.Model.__mro__ if name in vars(base))
    assert owner is models.Model or ":inherited-members: Layer\n" in described[1]
    assert owner is models.Model or (owner is not layers.Layer and not issubclass(layers.Layer, owner))


@pytest.mark.parametrize("name", MODULES)
def test_public_modules_say_what_is_public(name: str) -> None:
    module = importlib.import_module(name)
    assert isinstance(getattr(module, "__all__", None), list | tuple), name
    assert not [each for each in module.__all__ if not hasattr(module, each)]
