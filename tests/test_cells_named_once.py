"""No file but the rows names a cell, except the cells' own files, their layers, and what exports or defaults to one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cellstep import kernels
from cellstep.lookup import snake_case

ROOT = Path(__file__).parent.parent
NAMES = {cell.name for cell in kernels.CELLS.values()}
TITLES = {cell.title for cell in kernels.CELLS.values()}
#: Each with the reason why it may.
MAY = {
    "kernels/cells.py": "the rows",
    "kernels/tiles/tile.c": "the compiled tiles of each cell",
    "kernels/cython/backend.py": "what the backend has of each cell",
    "src/cellstep/layers/__init__.py": "exports the layers",
    "src/cellstep/sklearn/estimators.py": "the default of an argument",
    "src/cellstep/cli/lab.py": "the default of an argument",
    "src/cellstep/cli/demo.py": "a net of its own",
    "src/cellstep/lab/analysis/comparison.py": "the net whose size is the budget where none is given",
}
OWN_FILES = "|".join(NAMES | {snake_case(title) for title in TITLES})
OWN = re.compile(rf"^(kernels/(reference|numba|tiles)|src/cellstep/layers)/({OWN_FILES})\.(py|h)$")


def sources() -> list[Path]:
    files = [
        p for base in ("kernels", "bench/benchmarks", "src") for p in (ROOT / base).rglob("*") if p.suffix in SUFFIXES
    ]
    linked = {ROOT / "src" / "cellstep" / name for name in ("kernels", "benchmarks")}
    return sorted(p for p in files if not linked.intersection(p.parents))


SUFFIXES = {".py", ".pyx", ".pxd", ".c", ".h"}


def named(path: Path) -> Iterator[str]:
    """The cells that a file's code names, as strings or, of a Python file, as classes too; not those in docstrings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from (name for name in NAMES | TITLES if f'"{name}"' in text)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and node.value in NAMES | TITLES:
            yield str(node.value)
        elif isinstance(node, ast.Attribute) and node.attr in TITLES:
            yield node.attr


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_rows_and_own_files_name_a_cell(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    if place not in MAY and not OWN.match(place):
        assert not set(named(path)), "ask the row: kernels.CELLS"


def test_the_exceptions_are_needed() -> None:
    assert all(any(named(ROOT / place)) for place in MAY)
