"""What a run does by itself is told to `logging`; warnings name the line of the caller."""

from __future__ import annotations

import ast
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cellstep import Input, Sequential, callbacks, layers

ROOT = Path(__file__).parents[2]


def net() -> Sequential:
    model = Sequential([Input((3, 2)), layers.GRU(3), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_runs_tell_logging(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    x, y = np.zeros((4, 3, 2), "f4"), np.zeros((4, 1), "f4")
    caplog.set_level(logging.INFO, "cellstep")
    model = net()
    given = [
        callbacks.EarlyStopping("loss", patience=2),
        callbacks.ReduceLROnPlateau("loss", patience=1),
        callbacks.ModelCheckpoint(tmp_path / "m.keras"),
        callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False),
    ]
    model.fit(x, y, epochs=5, verbose=0, callbacks=given)
    net().fit(x, y, epochs=5, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path)])
    y[:] = np.nan
    model.fit(x, y, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    told = [f"{record.name}: {record.getMessage()}" for record in caplog.records]
    assert all(record.pathname.endswith(f"{record.name.split('.')[-1]}.py") for record in caplog.records)
    for part in ("saved", "is no better", "learning rate reduced to 0.001", "goes on from", "is nan, training ends"):
        assert any(part in line for line in told), (part, told)


def test_a_program_without_logging_does_not_get_it() -> None:
    code = (
        "import sys; sys.modules['logging'] = None\n"
        "from cellstep.log import info\n"
        "info('cellstep', 'nothing')\n"
        "assert sys.modules['logging'] is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_warning_names_the_callers_line() -> None:
    """`levels_to_user`, or 2 in a function that users call themselves."""
    found = {}
    for folder in ("src/cellstep", "kernels"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("warnings.warn", "warn"):
                    levels = [ast.unparse(k.value) for k in node.keywords if k.arg == "stacklevel"]
                    found[f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"] = levels
    assert len(found) > 10
    direct = ("src/cellstep/config.py", "kernels/__init__.py")
    wrong = {
        place: levels
        for place, levels in found.items()
        if levels != ["levels_to_user()"]
        and not (levels[0] in ("2", "_levels_to_importer()") and place.split(":")[0] in direct)
    }
    assert not wrong


@pytest.mark.parametrize(
    "how", ["from cellstep import layers", "import cellstep.layers", "import cellstep\ncellstep.Model"]
)
def test_the_warning_of_an_import_names_the_line_that_imports(how: str, tmp_path: Path) -> None:
    hidden = (
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda n, p=None: None if n == 'numba' or n.endswith('cython.compiled') else find(n, p)\n"
    )
    program = tmp_path / "program.py"
    program.write_text(hidden + how)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CELLSTEP")}
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr.startswith(f"{program}:{4 + how.count(chr(10))}: RuntimeWarning"), done.stderr
