"""The lecture: each slide has its place on the pages, its figure and its test; and the chapters stay short."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from cellstep import lab
from cellstep.lab.diagrams.diagram import kinds
from cellstep.lab.diagrams.overviews import PATTERNS

ROOT = Path(__file__).parents[2]
LEARN = ROOT / "docs" / "learn"
FIGURES = ROOT / "docs" / "pictures" / "figures"
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


class Slide(NamedTuple):
    """A row of docs/learn/slides.md."""

    title: str
    page: str
    anchor: str
    figure: str
    test: str

    def __str__(self) -> str:
        return self.title


def slides() -> list[Slide]:
    row = re.compile(r"^\| ([^|]+) \| \[[^\]]+\]\(([\w.-]+)#([\w-]+)\) \| \[[^\]]+\]\(([^)]+)\) \| `([^`]+)` \|$", re.M)
    return [Slide(*found) for found in row.findall((LEARN / "slides.md").read_text(encoding="utf-8"))]


def anchors(page: Path) -> list[str]:
    """The anchors of a page's headings, as code hosts and the site make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_every_row_of_the_table_is_read() -> None:
    lines = (LEARN / "slides.md").read_text(encoding="utf-8").splitlines()
    assert len(slides()) == sum(line.startswith("| ") for line in lines) - 1 >= 20


@pytest.mark.parametrize("slide", slides(), ids=str)
def test_a_slide_has_its_page_its_figure_and_its_test(slide: Slide) -> None:
    assert slide.anchor in anchors(LEARN / slide.page)
    figure = (LEARN / slide.figure).resolve()
    assert figure.is_file()
    pages = "\n".join(page.read_text(encoding="utf-8") for page in LEARN.glob("*.md"))
    assert slide.figure in [shown for _, shown in IMAGE.findall(pages)]
    file, _, name = slide.test.partition("::")
    parts = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    assert name in [part.name for part in parts if isinstance(part, ast.FunctionDef)]


#: What the lecture speaks of, in its order.
TOPICS = (
    *("team", "varying number", "feedback", "unrolling", "many to many", "one by one", "plain network", "its order"),
    *("27 and 0.036", "parallelize", "keep", "exploding", "three gates", "which one", "predictor", "Sherstinsky"),
    *("6.S191", "Weber"),
)


@pytest.mark.parametrize("word", TOPICS)
def test_what_the_lecture_has_is_in_the_table(word: str) -> None:
    assert any(word in slide.title for slide in slides())


@pytest.mark.parametrize("kind", kinds())
def test_figures_to_download_are_those_that_the_lab_draws(kind: str) -> None:
    drawn = lab.diagram(kind)
    name = f"{kind.replace(' ', '-')}.svg"
    assert (FIGURES / name).read_text(encoding="utf-8") == drawn.svg, "run docs/draw_pictures.py docs/learn/figures.md"
    pages = {page.name: page.read_text(encoding="utf-8") for page in LEARN.glob("*.md")}
    assert f"[{name}](../pictures/figures/{name})" in pages["figures.md"]
    images = [image for text in pages.values() for image in IMAGE.findall(text)]
    assert {alternative for alternative, shown in images if Path(shown).name == name} == {drawn.summary()}


def test_the_patterns_are_those_of_the_figures() -> None:
    text = (LEARN / "6-patterns.md").read_text(encoding="utf-8")
    for name in PATTERNS:
        assert f"figures/{name.replace(' ', '-')}.svg" in text
        assert f"## {name.capitalize()}" in text


def test_the_references_are_cited() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in LEARN.glob("*.md"))
    for address in ("arxiv.org/abs/1808.03314", "introtodeeplearning.com", "weberna.github.io"):
        assert f"](https://{address}" in text


def test_the_command_that_measures_prints_the_tables_of_the_page() -> None:
    """In a process of its own: it defines a cell."""
    command = [sys.executable, str(ROOT / "bench" / "why_slow.py"), "--quick"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    page = (LEARN / "8-slow.md").read_text(encoding="utf-8")
    heads = re.compile(r"^(\d\. [^\d]+?)(?=[\d(:]| of )", re.MULTILINE)
    assert len(heads.findall(printed)) == 6
    assert heads.findall(printed) == [head for head in heads.findall(page) if head in printed]
    assert max(map(len, printed.splitlines())) <= 80


def test_the_chapters_are_read_in_an_hour() -> None:
    """200 words a minute, and a line of code or output for every two seconds."""
    minutes = 0.0
    for chapter in (*LEARN.glob("[0-9]-*.md"), LEARN / "without-h.md"):
        text = chapter.read_text(encoding="utf-8")
        code = sum(len(fence.splitlines()) - 2 for fence in FENCE.findall(text))
        prose = IMAGE.sub("", FENCE.sub("", text))
        minutes += len(re.findall(r"[A-Za-z]{2,}", prose)) / 200 + code / 30
    assert minutes < 60
