"""A floor imports only from floors below it, read from the imports of every file; and NumPy alone is required."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent

#: From the ground up. Modules of one floor may import each other.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("kernels",),
    (
        "atomic",
        "interrupts",
        "core",
        "seeds",
        "exports",
        "thread_limits",
        "registry",
        "configured",
        "log",
        "lookup",
        "tensor_file",
        "untrusted",
    ),
    (
        "activations",
        "backend",
        "capi",
        "cells",
        "constraints",
        "functional",
        "initializers",
        "layers",
        "math",
        "ops",
        "random",
        "regularizers",
        "sampling",
    ),
    ("callbacks", "losses", "metrics", "models", "optimizers"),
    (
        *("benchmarks", "bridges", "cli", "config", "datasets", "lab", "preprocessing", "saving", "sklearn"),
        *("keras", "testing", "torch", "utils", "__main__"),
    ),
)
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}
#: The package itself holds every public name, and is imported by none but the top floor.
LEVEL[""] = len(FLOORS) - 1

#: What a module may import when it is itself imported; everything else is imported where it is used.
REQUIRED = {"numpy", "cellstep", *sys.stdlib_module_names}


class Import(NamedTuple):
    module: str
    line: int
    at_top: bool


def sources() -> dict[str, Path]:
    """Every Python and Cython file of the package, by the name of its module."""
    found = {}
    folders = {"cellstep": "src/cellstep", "cellstep.kernels": "kernels", "cellstep.benchmarks": "bench/benchmarks"}
    for prefix, folder in folders.items():
        base = ROOT / folder
        for path in (*base.rglob("*.py"), *base.rglob("*.pyx"), *base.rglob("*.pxi")):
            # a development checkout links these folders into src
            if any(parent.is_symlink() for parent in path.parents if base in parent.parents):
                continue
            parts = path.relative_to(base).with_suffix("").parts
            name = ".".join([prefix, *parts[: -1 if parts[-1] == "__init__" else None]])
            found[name] = path
    return found


def resolve(module: str, is_package: bool, level: int, target: str) -> str:
    """The absolute name of a relative import."""
    if not level:
        return target
    package = module.split(".") if is_package else module.split(".")[:-1]
    if level - 1 >= len(package):
        raise ValueError(f"{module} imports from above the package")
    return ".".join([*package[: len(package) - level + 1], *([target] if target else [])])


def _later(node: ast.AST) -> bool:
    """Whether importing the file leaves this node for later: a function, or what type checkers alone read."""
    checked = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return checked or isinstance(node, ast.FunctionDef | ast.Lambda)


def python_imports(module: str, is_package: bool, text: str, modules: set[str]) -> Iterator[Import]:
    """Every import of a Python file, also those inside functions."""
    tree = ast.parse(text)
    inside = {id(n) for f in ast.walk(tree) if _later(f) for n in ast.walk(f)}
    for node in ast.walk(tree):
        at_top = id(node) not in inside
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, at_top)
        elif isinstance(node, ast.ImportFrom):
            base = resolve(module, is_package, node.level, node.module or "")
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield Import(whole if whole in modules else base, node.lineno, at_top)


CYTHON_IMPORT = re.compile(r"^\s*(?:from\s+(\.*)([\w.]*)\s+c?import\b|c?import\s+([\w.]+))")


def cython_imports(module: str, text: str) -> Iterator[Import]:
    """The imports and cimports of a Cython file, line by line."""
    for number, line in enumerate(text.splitlines(), 1):
        match = CYTHON_IMPORT.match(line)
        if match:
            dots, name, plain = match.groups()
            yield Import(resolve(module, False, len(dots or ""), plain or name), number, True)


def floor(module: str) -> str | None:
    """The name that decides the floor of a module of this package; None for other packages."""
    parts = module.split(".")
    if parts[0] != "cellstep":
        return None
    return parts[1] if len(parts) > 1 else ""


def imports(name: str, path: Path, modules: set[str]) -> list[Import]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return list(python_imports(name, path.name == "__init__.py", text, modules))
    return list(cython_imports(name, text))


SOURCES = sources()


def test_every_module_has_a_floor() -> None:
    homeless = sorted({floor(name) or "" for name in SOURCES} - set(LEVEL))
    assert not homeless, f"say in FLOORS which floor they are on: {homeless}"


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"cellstep"}))
def test_imports_go_down(name: str) -> None:
    own = floor(name)
    assert own in LEVEL, f"say in FLOORS which floor {own} is on"
    wrong = []
    for found in imports(name, SOURCES[name], set(SOURCES)):
        target = floor(found.module)
        if target is not None and (target not in LEVEL or LEVEL[target] > LEVEL[own]):
            wrong.append(f"line {found.line} imports {found.module}")
    assert not wrong, f"{SOURCES[name]}: {'; '.join(wrong)}"


@pytest.mark.parametrize("name", sorted(n for n in SOURCES if SOURCES[n].suffix == ".py"))
def test_only_numpy_is_required(name: str) -> None:
    # llvmlite comes with Numba
    allowed = REQUIRED | ({"numba", "llvmlite"} if name.startswith("cellstep.kernels.numba") else set())
    # estimators are subclasses of scikit-learn's; nothing else imports them
    allowed |= {"sklearn"} if name.startswith("cellstep.sklearn") else set()
    # modules are subclasses of PyTorch's
    allowed |= {"torch"} if name.startswith(("cellstep.torch", "cellstep.keras.on_torch")) else set()
    # layers are subclasses of Keras's, and JAX or TensorFlow may be its backend
    allowed |= {"keras"} if name.startswith("cellstep.keras") else set()
    allowed |= {"jax"} if name in ("cellstep.keras.on_jax", "cellstep.keras.ffi") else set()
    allowed |= {"tensorflow"} if name == "cellstep.keras.on_tensorflow" else set()
    extra = {
        found.module
        for found in imports(name, SOURCES[name], set(SOURCES))
        if found.at_top and found.module.partition(".")[0] not in allowed
    }
    assert not extra, f"{SOURCES[name]}: import {', '.join(sorted(extra))} in the function that uses it"


def test_the_reader_of_imports_sees_them_all() -> None:
    modules = {"cellstep.kernels", "cellstep.layers.lstm", "cellstep.models"}
    text = (
        "from .. import kernels, models\nfrom .lstm import LSTM\nimport os\n"
        "def f():\n    from cellstep.models import x\n"
        "if TYPE_CHECKING:\n    import matplotlib"
    )
    found = list(python_imports("cellstep.layers.rnn", False, text, modules))
    assert [f.module for f in found] == [
        "cellstep.kernels",
        "cellstep.models",
        "cellstep.layers.lstm",
        "os",
        "cellstep.models",
        "matplotlib",
    ]
    assert [f.at_top for f in found] == [True, True, True, True, False, False]
    assert resolve("cellstep.layers", True, 1, "lstm") == "cellstep.layers.lstm"
    lines = list(cython_imports("cellstep.kernels.cython.lstm", "from ..ops cimport a\ncimport cython"))
    assert [f.module for f in lines] == ["cellstep.kernels.ops", "cython"]
    assert [floor(name) for name in ("cellstep", "cellstep.core.checks", "numpy")] == ["", "core", None]


def edges() -> dict[str, set[str]]:
    """Which modules a module imports by name, also inside functions, but for what type checkers alone read."""
    modules = {name for name, path in SOURCES.items() if path.suffix == ".py"}
    graph = {}
    for name in sorted(modules):
        text = SOURCES[name].read_text(encoding="utf-8")
        tree = ast.parse(text)
        checked = [node for node in ast.walk(tree) if isinstance(node, ast.If) and _later(node)]
        unread = {line for node in checked for line in range(node.lineno, (node.end_lineno or 0) + 1)}
        found = python_imports(name, SOURCES[name].name == "__init__.py", text, modules)
        graph[name] = {one.module for one in found if one.line not in unread} & modules - {name}
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The modules that import each other, directly or through others: Tarjan's strongly connected components."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            at = stack.index(name)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for name in graph:
        if name not in order:
            visit(name)
    return [circle for circle in found if len(circle) > 1]


def test_no_files_import_each_other() -> None:
    assert circles(edges()) == []


def test_the_finder_of_circles_finds_them() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"a"}}
    assert circles(graph) == [["b", "c"]]
