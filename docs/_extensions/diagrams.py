"""Figures of `lab.diagram` stand in the page itself, so that they follow the page's own switch between light and dark.

Elsewhere they are files, which follow the reader's system. What the files say of dark pages goes into one style sheet
for the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from cellstep.lab.diagrams.sketch import DARK, dark_rules

MARK = '<svg xmlns="http://www.w3.org/2000/svg" class="diagram"'
RULES = dark_rules('body[data-theme="dark"]') + (
    f'@media (prefers-color-scheme: dark){{{dark_rules("""body:not([data-theme="light"])""")}}}'
)


def put_in(app: Sphinx, tree: nodes.document) -> None:
    """An image that is such a figure becomes its text."""
    folder = Path(app.env.doc2path(app.env.docname)).parent
    for image in list(tree.findall(nodes.image)):
        file = folder / image["uri"]
        text = file.read_text(encoding="utf-8") if file.suffix == ".svg" and file.exists() else ""
        if not text.startswith(MARK):
            continue
        app.env.note_dependency(str(file))
        figure = nodes.container("", nodes.raw("", text.replace(DARK, ""), format="html"), classes=["figure"])
        image.parent.replace_self(figure) if len(image.parent) == 1 else image.replace_self(figure)


def add_rules(app: Sphinx, name: str, template: str, context: dict[str, Any], tree: nodes.document | None) -> None:
    if 'class="diagram"' in context.get("body", ""):
        context["metatags"] = f"{context.get('metatags', '')}<style>{RULES}</style>"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", put_in, priority=400)  # before pictures get their boxes
    app.connect("html-page-context", add_rules)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
