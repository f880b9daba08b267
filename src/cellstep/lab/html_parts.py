"""Parts of pages: the sentences of a summary, and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from string import Template

#: What is wider than the page scrolls by itself, by keyboard too.
SCROLL = '<div class="scroll" role="region" tabindex="0" aria-label="$label">$content</div>'


def prose(summary: str, tables: Iterable[str]) -> list[str]:
    """The paragraphs of a summary, without the tables in plain characters; spaces that line up text in columns become
    single ones."""
    for table in tables:
        summary = summary.replace(table, "")
    return [re.sub(r"\s+", " ", line).strip() for line in summary.splitlines() if line.strip()]


def table_of(table: tuple[Sequence[str], Sequence[Sequence[str]]], title: str) -> str:
    """A table; wider than the page it scrolls."""
    header, rows = table
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "\n".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    content = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    return Template(SCROLL).substitute(label=escape(f"Table: {title}"), content=content)
