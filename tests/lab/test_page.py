"""Report pages: whole in one file, well-formed, and read by eyes and ears alike."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from lab.models import MODELS, make

from cellstep import lab
from cellstep.lab import html_report as page
from cellstep.lab.result import Result
from cellstep.lab.tables import Table, text_table

pytest.importorskip("matplotlib")

#: Elements without an end.
VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Checks that elements are closed in order, and keeps tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.text.append(data)


class Small(Result):
    title = "Small & <simple>"

    def summary(self) -> str:
        return "Two numbers, a < b.\n- one\n- two\n\n" + text_table(self.table())

    def table(self) -> Table:
        return ("name", "value"), [("a", "1"), ("b <", "2")]

    def _figure(self) -> Any:
        figure, axes = lab.style.figure()
        axes[0, 0].plot([1, 2])
        return figure


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert not reader.open
    return reader


def test_a_page_holds_all_and_needs_nothing(tmp_path: Path) -> None:
    drawn = lab.unroll(make("tagger"), MODELS["tagger"][1])
    path = lab.report([Small(), drawn], tmp_path / "page.html", title="A page")
    text, reader = path.read_text(encoding="utf-8"), read(path)
    assert not re.search(r"https?://|@import|<script|<link|src=\"(?!data:)", text)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in reader.tags
    assert ("html", {"lang": "en"}) in reader.tags
    said = " ".join(reader.text)
    for words in ("A page", "Small & <simple>", "Two numbers, a < b.", "b <", drawn.title):
        assert words in said
    assert "----" not in said  # the table in plain characters is not shown twice
    images = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert images[0]["alt"] == "Two numbers, a < b. one two"
    assert images[1]["alt"] == re.sub(r"\s+", " ", drawn.summary().replace("- ", ""))
    for image in images:
        ET.fromstring(base64.b64decode((image["src"] or "").partition("base64,")[2]))
    anchors = [attributes["href"] for tag, attributes in reader.tags if tag == "a"]
    sections = [f"#{attributes['id']}" for tag, attributes in reader.tags if tag == "section"]
    assert anchors == sections


def test_tables_scroll_and_have_heads(tmp_path: Path) -> None:
    reader = read(lab.report(Small(), tmp_path / "page.htm", title=Small.title))
    tags = [tag for tag, _ in reader.tags]
    assert "h2" not in tags  # the page has the result's title
    assert "nav" not in tags
    around = reader.tags[tags.index("table") - 1][1]
    assert around == {"class": "scroll", "role": "region", "tabindex": "0", "aria-label": "Table: Small & <simple>"}
    assert [attributes for tag, attributes in reader.tags if tag == "th"] == [{"scope": "col"}] * 2 + [
        {"scope": "row"}
    ] * 2
    assert tags.count("li") == 2


def test_pages_repeat(tmp_path: Path) -> None:
    assert page.page([Small()]) == page.page([Small()])


@pytest.mark.parametrize(
    ("results", "name", "message"),
    [
        ([], "a.html", "results must hold one result or more, got none"),
        ([Small()], "a.txt", r"path must end in \.html, got '.*a\.txt'"),
    ],
)
def test_errors_write_nothing(tmp_path: Path, results: Any, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lab.report(results, tmp_path / name)
    assert not list(tmp_path.iterdir())
