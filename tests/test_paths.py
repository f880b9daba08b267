"""Whatever takes the path of a file says so in one sentence where it gets something else, and touches nothing."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, bridges, callbacks, lab, layers, models, utils

NET = Sequential([Input((4, 3)), layers.GRU(2), layers.Dense(1)])
X = np.ones((2, 4, 3), "float32")
LIBRARY = {"gates": "matplotlib", "unroll": "matplotlib", "report": "matplotlib", "to_onnx": "onnx"}

TAKERS: dict[str, Callable[[Any], Any]] = {
    "save": NET.save,
    "load_model": models.load_model,
    "save_weights": NET.save_weights,
    "load_weights": NET.load_weights,
    "plot_model": lambda path: utils.plot_model(NET, path),
    "CSVLogger": callbacks.CSVLogger,
    "ModelCheckpoint": callbacks.ModelCheckpoint,
    "BackupAndRestore": callbacks.BackupAndRestore,
    "TensorBoard": callbacks.TensorBoard,
    "state.save": lambda path: NET.stream().state.save(path),
    "gates": lambda path: lab.gates(NET, X).draw(path),
    "unroll": lambda path: lab.unroll(NET).save(path),
    "report": lambda path: lab.report(lab.gates(NET, X), path),
    "diagram": lambda path: lab.diagram("lstm", path=path),
    "inspect": bridges.inspect,
    "convert": lambda path: bridges.convert(path, path),
    "to_onnx": lambda path: bridges.to_onnx(NET, path),
}


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize("value", [3, [1], np.ones(2)], ids=["number", "list", "array"])
def test_what_is_no_path_is_refused(name: str, value: Any) -> None:
    if name in LIBRARY and importlib.util.find_spec(LIBRARY[name]) is None:
        pytest.skip(f"needs {LIBRARY[name]}")
    with pytest.raises(TypeError, match=r"^\w+ must be a path.*, got "):
        TAKERS[name](value)


@pytest.mark.parametrize("value", [3, np.ones(2), NET])
def test_a_report_is_of_results(value: Any, tmp_path: Any) -> None:
    pytest.importorskip("matplotlib")
    for results in (value, [value]):
        with pytest.raises(TypeError, match="results must hold results of the lab, got "):
            lab.report(results, tmp_path / "a.html")
    assert not list(tmp_path.iterdir())
