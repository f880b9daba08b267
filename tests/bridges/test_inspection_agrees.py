"""What inspection says of a damaged file, that it would load or not, is what loading says."""

from __future__ import annotations

import json
import random
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("h5py")
pytest.importorskip("onnx")
sys.path.insert(0, str(Path(__file__).parents[1] / "models"))

import damaged_files
from bridges.onnx import onnx_fuzz
from damaged_tensors import with_header

from cellstep import bridges, layers, models

COUNT = 60


def files(kind: str, folder: Path, draw: random.Random) -> Any:
    """Damaged files of a kind, one after another, and what loads them."""
    nets = damaged_files.networks()
    whole = [damaged_files.members(net, folder) for net in nets]
    nets[0].save(folder / "whole.safetensors")
    line = models.Sequential([layers.Input((None, 3)), layers.GRU(4, return_sequences=True), layers.Dense(2)])
    onnx = bridges.to_onnx(line) if kind == "onnx" else b""
    graphs = onnx_fuzz.files() if kind == "graph" else []
    for number in range(5 * COUNT if kind == "graph" else COUNT):
        members, net = whole[number % 2], nets[number % 2]
        if kind == "archive":
            yield "m.keras", damaged_files.damaged(damaged_files.zipped(members), draw), models.load_model
        elif kind == "configuration":
            text = json.dumps(damaged_files.mutated(json.loads(members["config.json"]), draw)).encode()
            yield "m.keras", damaged_files.zipped({**members, "config.json": text}), models.load_model
        elif kind == "weights":
            data = damaged_files.damaged(members["model.weights.h5"], draw)
            yield "m.weights.h5", data, lambda path, net=net: models.clone_model(net).load_weights(path)
        elif kind == "graph":
            yield "m.onnx", onnx_fuzz.damaged(number, graphs), bridges.from_onnx
        elif kind == "tensors":
            yield "m.safetensors", with_header((folder / "whole.safetensors").read_bytes(), draw), models.load_model
        else:
            yield "m.onnx", damaged_files.damaged(onnx, draw), bridges.from_onnx


@pytest.mark.parametrize("kind", ["archive", "configuration", "weights", "tensors", "onnx", "graph"])
def test_damaged_files(kind: str, tmp_path: Path) -> None:
    wrong, draw = [], random.Random(f"{kind} 1")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, data, load in files(kind, tmp_path, draw):
            path = tmp_path / name
            path.write_bytes(data)
            found = bridges.inspect(path)
            try:
                load(path)
                said = ""
            except bridges.FileError as error:
                said = str(error)
                wrong += [said] if error.file != str(path) else []
            if kind == "weights" and not found.problem:
                continue  # of some model
            if bool(found.problem) != bool(said):
                wrong.append((found.problem, said))
    assert not wrong
