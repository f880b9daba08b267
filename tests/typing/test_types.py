"""What mypy and pyright see of cellstep: real types in a user's script, and its mistakes."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from docs.test_reference import MODULES

HERE = Path(__file__).parent
Errors = dict[str, list[tuple[int, str]]]


def mypy(scripts: list[str], folder: Path) -> Errors:
    """The errors of mypy in each file by its name, with their lines."""
    options = ("--strict", "--config-file=", "--no-error-summary", "--hide-error-context", "--no-color-output")
    command = [sys.executable, "-m", "mypy", *options, f"--cache-dir={folder / 'cache'}", *scripts]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    found: Errors = {Path(script).name: [] for script in scripts}
    for path, line, message in re.findall(r"^(.*?):(\d+): error: (.*)", run.stdout, re.MULTILINE):
        found[Path(path).name].append((int(line), message))
    return found


def pyright(scripts: list[str], folder: Path) -> Errors:
    """The same of pyright in its standard mode."""
    name = "basedpyright" if find_spec("basedpyright") else "pyright"
    settings = {"include": scripts, "typeCheckingMode": "standard"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", name, "--outputjson", "-p", str(folder), "--pythonpath", sys.executable]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    found: Errors = {Path(script).name: [] for script in scripts}
    for one in json.loads(run.stdout)["generalDiagnostics"]:
        if one["severity"] == "error":
            found[Path(one["file"]).name].append((one["range"]["start"]["line"] + 1, one["message"]))
    return found


@pytest.fixture(scope="module", params=[(mypy, "mypy"), (pyright, "basedpyright", "pyright")], ids=lambda p: p[-1])
def errors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Errors:
    """What a type checker says of all scripts."""
    checker, *packages = request.param
    if not any(map(find_spec, packages)):
        pytest.skip(f"needs {packages[0]}: pip install '.[dev]'")
    folder = tmp_path_factory.mktemp("scripts")
    names = folder / "names.py"
    modules = [module for module in MODULES if module != "cellstep.sklearn"]
    public = [f"{module}.{name}" for module in modules for name in dir(importlib.import_module(module))]
    assert len(public) > 400
    names.write_text("\n".join([*(f"import {module}" for module in modules), *public]), encoding="utf-8")
    return checker([str(path) for path in (HERE / "script.py", HERE / "mistakes.py", names)], folder)


def test_the_script_runs() -> None:
    subprocess.run([sys.executable, str(HERE / "script.py")], check=True)


def test_a_script_has_types(errors: Errors) -> None:
    assert errors["script.py"] == []


def test_mistakes_are_errors(errors: Errors) -> None:
    lines = (HERE / "mistakes.py").read_text(encoding="utf-8").splitlines()
    assert {line for line, _ in errors["mistakes.py"]} == {n for n, line in enumerate(lines, 1) if "  # a " in line}


def test_every_public_name_is_seen(errors: Errors) -> None:
    assert errors["names.py"] == []
