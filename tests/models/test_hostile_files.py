"""Small files that ask for much are refused before that is taken, by a sentence that names them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

h5py = pytest.importorskip("h5py")

import hostile_files  # noqa: E402

from cellstep import models  # noqa: E402
from cellstep.untrusted import FileError  # noqa: E402

#: Files that ask for nothing that is too much.
LOAD = {"models in models.keras", "a long name.keras", *(f"{name}.weights.h5" for name in hostile_files.STATES)}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("hostile")
    lines = ""
    for task in ("write", "load"):
        program = [sys.executable, hostile_files.__file__, task, str(folder)]
        run = subprocess.run(program, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        lines = run.stdout
    found = [json.loads(line) for line in lines.splitlines()]
    return {Path(line["path"]).name: line for line in found}


NAMES = [
    *(f"{name}.keras" for name in hostile_files.MODELS),
    *(f"{name}.h5" for name in (*hostile_files.OLDER, "a text of 4 GB")),
    *(f"{name}.weights.h5" for name in (*hostile_files.WEIGHTS, *hostile_files.STATES)),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_small_file_takes_little(measured: dict[str, Any], name: str) -> None:
    line = measured[name]
    assert line["grown"] < 50
    assert line["seconds"] < 1
    assert len(line["said"]) < 600
    if name in LOAD:
        assert line["kind"] == "loads"
    else:
        assert line["kind"] == "FileError"
        assert line["path"] in line["said"]


def test_the_limit_can_be_raised(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    hostile_files.archive(path, hostile_files.repeated(4000))
    with pytest.raises(ValueError, match=r"4004 objects takes .* more than is left of max_bytes=3.*; a larger"):
        models.load_model(path)
    with pytest.raises(ValueError, match="must hold 2 weights of dense"):  # but not for want of memory
        models.load_model(path, max_bytes=2**30)
    with pytest.raises(FileError, match=r"config\.json: must hold at most 416 bytes"):
        models.load_model(path, max_bytes=10_000)
    with pytest.raises(TypeError, match="max_bytes must be a positive integer, got '1GB'"):
        models.load_model(path, max_bytes="1GB")
    with pytest.raises(FileError, match=r"model\.weights\.h5: must hold at most 1000 bytes"):
        hostile_files.net().load_weights(path, max_bytes=1000)


def test_what_is_saved_loads_without_a_limit_of_ones_own(tmp_path: Path) -> None:
    from cellstep import layers

    net = models.Sequential([layers.Input((50,)), *(layers.Dense(4) for _ in range(300))])
    net.compile("adam", "mse")
    net.save(tmp_path / "deep.keras")
    assert len(models.load_model(tmp_path / "deep.keras").layers) == 300
    wide = models.Sequential([layers.Input((None, 500)), layers.LSTM(1500), layers.Dense(1)])
    wide.save(tmp_path / "wide.keras")
    models.load_model(tmp_path / "wide.keras")
