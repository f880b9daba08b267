"""Chapters as notebooks: the page's blocks as they are, which the tests run, and nothing that is not inside."""

from __future__ import annotations

import base64
import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CHAPTERS = [*(page.stem for page in sorted((ROOT / "docs" / "learn").glob("[0-9]-*.md"))), "figures"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The notebooks by name, as a build of the site writes them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs" / "_extensions"))
        notebooks = importlib.import_module("notebooks")
    folder = tmp_path_factory.mktemp("site")
    notebooks.write(SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=str(folder)), None)
    files = (folder / "_static" / "notebooks").glob("*.ipynb")
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def test_every_chapter_has_one(made: dict[str, Any]) -> None:
    assert sorted(made) == sorted(CHAPTERS)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_its_cells_are_the_blocks_of_the_page(
    chapter: str, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "examples"))
    pages = importlib.import_module("pages")
    blocks = list(pages.blocks((ROOT / "docs" / "learn" / f"{chapter}.md").read_text(encoding="utf-8")))
    cells = [cell for cell in made[chapter]["cells"] if cell["cell_type"] == "code"]
    assert ["".join(cell["source"]) for cell in cells] == [block.code.strip("\n") for block in blocks]
    printed = ["".join(output["text"]) for cell in cells for output in cell["outputs"]]
    assert printed == [block.output.strip("\n") for block in blocks if block.output]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_nothing_is_left_outside(chapter: str, made: dict[str, Any]) -> None:
    for cell in made[chapter]["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        text = "".join(cell["source"])
        assert "```python" not in text
        assert "](../" not in text
        assert ".md" not in text
        assert text.count("](attachment:") == len(cell.get("attachments", {}))
        for name, kinds in cell.get("attachments", {}).items():
            (data,) = kinds.values()
            start = base64.b64decode(data)[:200]
            assert b"<svg" in start or b"<?xml" in start if name.endswith(".svg") else start.startswith(b"\x89PNG")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_it_is_a_notebook(chapter: str, made: dict[str, Any]) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.from_dict(made[chapter]))
