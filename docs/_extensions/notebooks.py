"""Each chapter as a notebook, which runs as it is, also without a network: its blocks as cells, its pictures inside.

The site has them in `_static/notebooks`, and each chapter begins with a link to its own. Writing them needs no Sphinx.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
FENCE = re.compile(r"^```python\n(.*?)^```\n(?:\s*^```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?![a-z]+:)([^)#\s]*)(#[^)\s]*)?\)")
KINDS = {".svg": "image/svg+xml", ".png": "image/png"}


def chapters() -> list[Path]:
    return sorted([*(DOCS / "learn").glob("[0-9]-*.md"), DOCS / "learn" / "figures.md"])


def lines(text: str) -> list[str]:
    return text.strip("\n").splitlines(keepends=True)


def prose(text: str, page: Path) -> dict[str, Any]:
    """A cell of text: its pictures come along, links to other chapters lead to their notebooks, others are words."""
    attachments = {}

    def image(found: re.Match[str]) -> str:
        file = (page.parent / found[2]).resolve()
        data = base64.b64encode(file.read_bytes()).decode()
        attachments[file.name] = {KINDS[file.suffix]: data}
        return f"![{found[1]}](attachment:{file.name})"

    def link(found: re.Match[str]) -> str:
        there = (page.parent / found[2]).resolve() if found[2] else page
        return f"[{found[1]}]({there.stem}.ipynb)" if there in chapters() and there != page else found[1]

    source = lines(IMAGE.sub(image, LINK.sub(link, text)))
    return {
        "cell_type": "markdown",
        "metadata": {},
        "source": source,
        **({"attachments": attachments} if attachments else {}),
    }


def code(text: str, output: str | None) -> dict[str, Any]:
    """A cell of code, with what the page says that it prints."""
    stream = {"output_type": "stream", "name": "stdout", "text": lines(f"{output}\n")} if output else None
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [stream] if stream else [],
        "source": lines(text),
    }


def notebook(page: Path) -> dict[str, Any]:
    """A page as a notebook, of format 4.5."""
    text, cells, at = page.read_text(encoding="utf-8"), [], 0
    for fence in FENCE.finditer(text):
        if text[at : fence.start()].strip():
            cells.append(prose(text[at : fence.start()], page))
        cells.append(code(fence[1], fence[2]))
        at = fence.end()
    if text[at:].strip():
        cells.append(prose(text[at:], page))
    for number, cell in enumerate(cells):
        cell["id"] = f"{page.stem}-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def write(app: Sphinx, problem: Exception | None) -> None:
    if problem is None and app.builder.format == "html":
        folder = Path(app.outdir) / "_static" / "notebooks"
        folder.mkdir(parents=True, exist_ok=True)
        for page in chapters():
            text = json.dumps(notebook(page), indent=1, ensure_ascii=False)
            (folder / f"{page.stem}.ipynb").write_text(f"{text}\n", encoding="utf-8")


def add_link(app: Sphinx, tree: nodes.document) -> None:
    from docutils import nodes

    page = Path(app.env.doc2path(app.env.docname))
    title = next(tree.findall(nodes.title), None)
    if page in chapters() and title is not None:
        address = f"../_static/notebooks/{page.stem}.ipynb"
        link = f'<p class="notebook"><a href="{address}" download>This page as a notebook</a></p>'
        title.parent.insert(title.parent.index(title) + 1, nodes.raw("", link, format="html"))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", add_link)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
