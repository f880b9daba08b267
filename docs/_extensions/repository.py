"""Links between files of the repository become links between pages of the site.

The pages link to each other, and to README files elsewhere, by paths, so that they work on a code host. Some of those
files are on the site under another name: PAGES says which.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "kernels/README.md": "contract.md",
    "examples/README.md": "examples.md",
}
#: A block of code, in which brackets are no links.
FENCED = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?![a-z]+:)([^)#\s]+)(#[^)\s]*)?\)")


def site_links(text: str, file: Path, page: Path) -> str:
    """The Markdown of `file`, with links as they must be on `page`. A file that is no page stands there by its name."""

    def link(found: re.Match[str]) -> str:
        target = (file.parent / found[2]).resolve()
        inside = os.path.relpath(target, ROOT)
        target = DOCS / PAGES[inside] if inside in PAGES else target
        if DOCS in target.parents and target.suffix in (".md", ".rst", ".svg", ".png"):
            return f"[{found[1]}]({os.path.relpath(target, page.parent)}{found[3] or ''})"
        return f"`{inside}`" if found[1].strip("`") in (inside, found[2]) else f"{found[1]} (`{inside}`)"

    return "".join(part if i % 2 else LINK.sub(link, part) for i, part in enumerate(FENCED.split(text)))


def read_page(app: Sphinx, name: str, content: list[str]) -> None:
    page = Path(app.env.doc2path(name))
    content[0] = site_links(content[0], page, page)


def read_included(app: Sphinx, relative: Path, parent: str, content: list[str]) -> None:
    file = (DOCS / relative).resolve()
    if file.suffix == ".md":
        content[0] = site_links(content[0], file, Path(app.env.doc2path(parent)))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", read_page)
    app.connect("include-read", read_included)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
