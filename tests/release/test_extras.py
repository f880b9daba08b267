"""Whoever lacks an optional library reads which extra has it: that extra exists, and has it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
#: Extras for those who work on cellstep, not for those who use it.
OURS = {"test", "test-peers", "docs", "dev"}
SOURCES = [path for folder in ("src", "kernels", "bench/benchmarks") for path in (ROOT / folder).rglob("*.py")]
#: Distributions by the module that they bring, where the names differ.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "llvmlite": "numba"}
#: What another library that an extra has brings along, and what benchmarks compare with if it happens to be there.
BROUGHT = {"IPython", "threadpoolctl", "jax", "tensorflow", "openvino", "onnxruntime", "torch.utils.tensorboard"}
MENTIONED = re.compile(r"cellstep\[([\w,-]+)\]")


def libraries(extra: str) -> set[str]:
    names = {re.split(r"[\[<>=~ ]", each)[0] for each in EXTRAS[extra]}
    inner = [name for each in EXTRAS[extra] for found in MENTIONED.findall(each) for name in found.split(",")]
    return (names - {"cellstep"}).union(*(libraries(name) for name in inner))


def distribution(module: str) -> str:
    top = module.partition(".")[0]
    return DISTRIBUTIONS.get(top, top)


def text_of(node: ast.AST) -> str:
    return "".join(str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant))


def modules_of(node: ast.AST) -> Iterator[str]:
    """What an import, or a call with a module's name, asks for."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
        yield node.module
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        asked = node.args[0].value
        if name in ("import_module", "find_spec", "library") and isinstance(asked, str) and not asked.startswith("."):
            yield asked


def optional(tree: ast.AST) -> set[str]:
    found = {module for node in ast.walk(tree) for module in modules_of(node)}
    required = {*sys.stdlib_module_names, "numpy", "cellstep", "cython"}
    return {module for module in found if module.partition(".")[0] not in required}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_optional_library_has_an_extra(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    offered = set().union(*(libraries(extra) for extra in EXTRAS if extra not in OURS))
    for module in optional(tree) - BROUGHT:
        assert distribution(module) in offered | BROUGHT, f"{module} is in no extra"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "library":
            module, extra, *_ = (argument.value for argument in node.args if isinstance(argument, ast.Constant))
            assert distribution(module) in libraries(extra), f"line {node.lineno}: [{extra}] has no {module}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_sentence_names_an_extra_that_has_the_library(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    wanted = {distribution(module) for module in optional(tree)} | strings | {"numba"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise | ast.Return):
            for extra in MENTIONED.findall(text_of(node)):
                assert libraries(extra) & wanted, f"line {node.lineno}: [{extra}] has none of {sorted(wanted)}"
            assert not re.search(r"pip install (?!\S*cellstep|--)\w", text_of(node)), f"line {node.lineno}: no extra"
    for extra in MENTIONED.findall(source.replace("cellstep[{", "")):
        assert extra in EXTRAS, f"there is no extra {extra}"


def test_all_has_every_extra_for_users() -> None:
    users = set(EXTRAS) - OURS - {"all", "bench"}
    assert libraries("all") == set().union(*(libraries(extra) for extra in users))


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda page: page.name)
def test_pages_name_extras_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for names in [*MENTIONED.findall(text), *re.findall(r'"\.\[([\w,-]+)\]"', text)]:
        assert set(names.split(",")) <= set(EXTRAS), names
