"""No file but the rows names a cell, except the cells' own files, their layers, and what exports or defaults to one."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from cellstep import kernels
from cellstep.lookup import snake_case

ROOT = Path(__file__).parent.parent
NAMES = "|".join(kernels.CELLS)
TITLES = "|".join(cell.title for cell in kernels.CELLS.values())
#: A cell's name, also as the beginning of another ("lstm_forward", "_gru"); its title, or the class of the cell.
NAMED = re.compile(rf"_?({NAMES})(_[a-z]\w*)?|({TITLES})(Cell)?")
#: Each with the reason why it may.
MAY = {
    "kernels/cells.py": "the rows",
    "kernels/tiles/tile.c": "the compiled tiles of each cell",
    "src/cellstep/layers/__init__.py": "exports the layers",
    "src/cellstep/functional/__init__.py": "exports the functions",
    "src/cellstep/sklearn/estimators.py": "the default of an argument",
    "src/cellstep/cells/built_in.py": "their equations",
    "src/cellstep/cli/lab.py": "the default of an argument",
    "src/cellstep/cli/demo.py": "a net of its own",
    "src/cellstep/torch/__init__.py": "exports the modules",
    "src/cellstep/torch/modules.py": "each beside its class of torch.nn",
    "src/cellstep/torch/cells.py": "each beside its class of torch.nn",
    "src/cellstep/torch/swapping.py": "each for its class of torch.nn",
    "src/cellstep/bridges/onnx/cells.py": "the steps of ONNX's operators",
    "src/cellstep/bridges/onnx/operators/recurrent.py": "ONNX's operators by name",
    "src/cellstep/bridges/onnx/export/recurrent.py": "ONNX's operators by name",
    "src/cellstep/layers/older_config.py": "each for a class of older Keras",
    "src/cellstep/keras/__init__.py": "exports the layers",
    "src/cellstep/keras/layers.py": "each beside its class of keras.layers",
    "src/cellstep/keras/swapping.py": "each for its class of keras.layers",
    "bench/benchmarks/peers/jax_jit.py": "what a user of JAX writes by hand for each",
    "bench/benchmarks/peers/pytorch.py": "nn.utils.rnn",
    "src/cellstep/lab/analysis/comparison.py": "the net whose size is the budget where none is given",
}
OWN_FILES = "|".join([NAMES, *(snake_case(cell.title) for cell in kernels.CELLS.values())])
OWN = re.compile(
    r"^(kernels/(reference|numba|tiles)|src/cellstep/(layers|lab/diagrams)|bench/benchmarks/peers/numpy_by_hand)"
    rf"/({OWN_FILES})\.(py|h)$"
)
SUFFIXES = {".py", ".pyx", ".pxi", ".c", ".h"}


def sources() -> list[Path]:
    files = [
        p for base in ("kernels", "bench/benchmarks", "src") for p in (ROOT / base).rglob("*") if p.suffix in SUFFIXES
    ]
    linked = {ROOT / "src" / "cellstep" / name for name in ("kernels", "benchmarks")}
    return sorted(p for p in files if not linked.intersection(p.parents))


def words(path: Path) -> Iterator[tuple[int, str]]:
    """The names in a file's code, and its strings, with their lines; not what docstrings and comments say."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                yield token.start[0], token.string
            elif token.type == tokenize.STRING and not token.string.lower().startswith(("f", "rf", "fr", "b")):
                yield token.start[0], ast.literal_eval(token.string)
        return
    said, line_end = (r"/\*[\s\S]*?\*/", "//") if path.suffix in (".c", ".h") else (r'"""[\s\S]*?"""', "#")
    code = re.sub(said, lambda comment: "\n" * comment[0].count("\n"), text)
    for number, line in enumerate(code.splitlines(), 1):
        yield from ((number, word) for word in re.findall(r"[A-Za-z_]\w*", line.partition(line_end)[0]))


def named(path: Path) -> list[str]:
    return [f"line {line}: {word}" for line, word in words(path) if NAMED.fullmatch(word)]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_rows_and_own_files_name_a_cell(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    if place not in MAY and not OWN.match(place):
        assert not named(path), "ask the row: kernels.CELLS"


def test_the_exceptions_are_needed() -> None:
    assert all(named(ROOT / place) for place in MAY)
