"""The examples in docstrings run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cellstep

#: Where names of an example come from, besides its own module.
COMMON = ("layers", "losses", "metrics", "models", "optimizers", "callbacks", "utils")


def examples() -> list[doctest.DocTest]:
    """Every docstring with a >>> in the package, once."""
    finder, found = doctest.DocTestFinder(exclude_empty=True), {}
    for info in pkgutil.walk_packages(cellstep.__path__, "cellstep."):
        if ".kernels.cython" in info.name or ".benchmarks.peers" in info.name or info.name.endswith("__main__"):
            continue  # compiled modules have no examples; the peers are other libraries
        try:
            module = importlib.import_module(info.name)
        except ImportError:  # an extra that is not installed
            continue
        for test in finder.find(module, info.name):
            if test.examples:
                found[test.name] = test
    return list(found.values())


def small_model() -> cellstep.Sequential:
    """What examples may call `model`, beside data for it, `x` (8, 5, 3) and `y` (8, 1)."""
    model = cellstep.Sequential([cellstep.Input((None, 3)), cellstep.layers.GRU(4), cellstep.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


FOUND = examples()


def test_there_are_examples() -> None:
    assert len(FOUND) > 30


@pytest.mark.parametrize("example", FOUND, ids=lambda example: example.name)
def test_it_gives_what_it_says(example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if ".many." in example.name and cellstep.kernels.active().many is None:
        pytest.skip("many models at once are compiled")
    monkeypatch.chdir(tmp_path)
    cellstep.set_random_seed(0)
    cellstep.layers.reset_names()
    names: dict[str, Any] = {"np": np, "cellstep": cellstep, "layers": cellstep.layers, "Input": cellstep.Input}
    names |= {"lab": cellstep.lab, "model": small_model()}
    names |= {"x": np.ones((8, 5, 3), "float32"), "y": np.ones((8, 1), "float32")}
    for module in COMMON:
        names.update({n: getattr(getattr(cellstep, module), n) for n in getattr(cellstep, module).__all__})
    # what the module itself defines goes by its own name there: activations.Activation is not the layer
    own = {n: v for n, v in example.globs.items() if getattr(v, "__module__", None) == example.globs["__name__"]}
    example.globs = {**example.globs, **names, **own}
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(example, out=said.append)
    assert runner.failures == 0, "".join(said)
