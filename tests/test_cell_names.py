"""No file names a cell but those that are about it: its row, what backends have of it, its layer. Others read rows."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import cellstep
from cellstep import benchmarks, kernels

SOURCES = [Path(package.__file__).parent for package in (kernels, benchmarks, cellstep)]
#: Files that name cells for another reason.
ALLOWED = {
    "cells.py": "the rows",
    "backend.py": "what the tiles of each cell are called",
    "layers/__init__.py": "exports",
    "peers/jax_jit.py": "what a user of JAX writes by hand for each",
    "peers/pytorch.py": "nn.utils.rnn",
    "cli/demo.py": "the demo's own net",
    "cli/lab.py": "the cell where none is asked for",
    "analysis/comparison.py": "the cell that others are compared with",
    "sklearn/estimators.py": "the cell where none is asked for",
}
NAMED = re.compile(
    rf"_?({'|'.join(kernels.CELLS)})(_[a-z]\w*)?|({'|'.join(c.title for c in kernels.CELLS.values())})(Cell)?"
)


def snake(title: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", title).lower()


OWN = {*kernels.CELLS, *(snake(cell.title) for cell in kernels.CELLS.values())}


def files() -> list[Path]:
    found = {
        path.resolve() for folder in SOURCES for kind in ("py", "pyx", "pxd") for path in folder.rglob(f"*.{kind}")
    }
    return sorted(path for path in found if path.stem not in OWN)


def words(path: Path) -> Iterator[tuple[int, str]]:
    """The names in a file, and what strings hold that are nothing but a name; with their lines."""
    text = path.read_text()
    if path.suffix != ".py":
        code = re.sub(r'"""[\s\S]*?"""', lambda docstring: "\n" * docstring[0].count("\n"), text)
        for number, line in enumerate(code.splitlines(), 1):
            yield from ((number, word) for word in re.findall(r"[A-Za-z_]\w*", line.partition("#")[0]))
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string
        elif token.type == tokenize.STRING and not token.string.lower().startswith(("f", "rf", "fr", "b")):
            yield token.start[0], ast.literal_eval(token.string)


@pytest.mark.parametrize("path", files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_other_file_names_a_cell(path: Path) -> None:
    if any(path.as_posix().endswith(f"/{end}") for end in ALLOWED):
        return
    named = [f"line {line}: {word}" for line, word in words(path) if NAMED.fullmatch(word)]
    assert not named, named


def test_what_is_allowed_is_there() -> None:
    assert all(any(path.as_posix().endswith(f"/{end}") for path in files()) for end in ALLOWED)
