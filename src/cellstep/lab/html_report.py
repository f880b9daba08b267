"""A page: results of the lab as one HTML file that needs nothing else: no network, no fonts, no scripts."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Protocol

from .. import atomic
from ..core import brief, check_path
from . import hover, style
from .html_parts import SCROLL, prose, table_of
from .tables import Table, text_table

#: A picture is never drawn smaller than this part of its size: letters of 10 points would be too small to read.
SMALLEST = 0.55

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 52rem; color: #1a1a1a; background: #fff;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: break-word }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 1rem }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.5rem 0 0.5rem; padding-top: 1rem; border-top: 1px solid #d9d9d9 }
p, li { margin: 0.5rem 0; max-width: 42rem }
ul { padding-left: 1.2rem }
nav ul { margin: 0; padding-left: 1.2rem }
a { color: #005a8e }
figure { margin: 1rem 0 }
img { display: block; max-width: 100%; height: auto }
.scroll { overflow: auto; max-height: 36rem; margin: 1rem 0 }
figure .scroll { max-height: none }
.scroll:focus-visible { outline: 2px solid #0072b2 }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; white-space: nowrap }
th, td { padding: 0.3rem 0.55rem; text-align: right; border-bottom: 1px solid #d9d9d9; font-weight: normal }
th:first-child { text-align: left }
thead th { font-weight: 600; white-space: normal; border-bottom: 2px solid #595959; vertical-align: bottom }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #131416 }
  h2, th, td { border-color: #3a3f45 }
  thead th { border-color: #8a9199 }
  a { color: #7cc0ec }
}
@media (max-width: 40rem) { th, td { padding: 0.3rem 0.35rem; font-size: 0.8125rem } }
@media print { h2, figure, tr { break-inside: avoid } }
$hover</style>
</head>
<body>
<h1>$title</h1>
$contents
<main>
$sections
</main>
</body>
</html>
"""


class Shown(Protocol):
    """What a page shows: a result of the lab; one that has an `svg` is drawn by that."""

    @property
    def title(self) -> str: ...
    def summary(self) -> str: ...
    def tables(self) -> list[Table]: ...


def report(results: Sequence[Shown] | Shown, path: str | Path, title: str = "Lab report") -> Path:
    """Write results to a page: of each its title, its picture, its summary and its tables.

    Args:
        results: in order; one alone may come bare.
        path: the file, `.html` or `.htm`.
        title: of the page.

    Returns:
        the path.

    Raises:
        ValueError: another ending, or no results. TypeError: something else than results. ImportError: matplotlib is
            missing. Nothing is written then.

    Example:
        >>> path = lab.report([lab.unroll(model, 5), lab.gates(model, x)], "report.html", title="What the model keeps")
    """
    target = check_path("path", path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"path must end in .html, got {str(path)!r}")
    text = page(results, title)
    atomic.write(target, text)
    return target


def page(results: Sequence[Shown] | Shown, title: str = "Lab report") -> str:
    """The text of the page; see `report`."""
    listed: list[Any] = list(results) if isinstance(results, list | tuple) else [results]
    if not listed:
        raise ValueError("results must hold one result or more, got none")
    for result in listed:
        if not all(hasattr(result, name) for name in ("title", "summary", "tables")):
            raise TypeError(f"results must hold results of the lab, got {brief(result)}")
    alone = len(listed) == 1 and listed[0].title == title
    sections = "\n".join(_section(result, f"result-{i}", not alone) for i, result in enumerate(listed, 1))
    links = [f'<li><a href="#result-{i}">{escape(result.title)}</a></li>' for i, result in enumerate(listed, 1)]
    contents = f'<nav aria-label="Contents"><ul>{"".join(links)}</ul></nav>' if len(listed) > 1 else ""
    return Template(_PAGE).substitute(title=escape(title), contents=contents, sections=sections, hover=hover.CSS)


def _section(result: Any, anchor: str, headed: bool) -> str:
    tables = result.tables()
    sentences = prose(result.summary(), map(text_table, tables))
    parts = [f'<section id="{anchor}">', *([f"<h2>{escape(result.title)}</h2>"] if headed else [])]
    parts += ["<figure>", _image(result, sentences), "</figure>"]
    for is_list, group in itertools.groupby(sentences, lambda sentence: sentence.startswith("- ")):
        tag = "li" if is_list else "p"
        items = [f"<{tag}>{escape(sentence.removeprefix('- '))}</{tag}>" for sentence in group]
        parts += ["<ul>", *items, "</ul>"] if is_list else items
    parts += [table_of(table, result.title) for table in tables]
    return "\n".join([*parts, "</section>"])


def _image(result: Any, sentences: list[str]) -> str:
    """The picture as part of the page, with the numbers under the pointer; a reader who does not see it hears the
    summary. Where the page is too narrow for its text to be read, it scrolls."""
    width, spots = 0.0, ""
    if hasattr(result, "svg"):
        picture = result.svg.encode()
    else:
        figure = result.draw()
        width, picture = SMALLEST * 96 * figure.get_size_inches()[0], style.picture(figure, "svg")
        spots = hover.spots(figure)
    data = base64.b64encode(picture).decode()
    alt = escape(" ".join(sentence.removeprefix("- ") for sentence in sentences))
    image = f'<img alt="{alt}" src="data:image/svg+xml;base64,{data}">'
    chart = f'<div class="chart" style="min-width:{width:.0f}px">{image}{spots}</div>'
    return Template(SCROLL).substitute(label=escape(f"Picture: {result.title}"), content=chart)
