"""Wide things scroll inside a box of their own, so that no page scrolls sideways on a phone: pictures.

Code, tables and equations have boxes already; site.css says what they do. A picture is drawn smaller on a narrow page,
down to LEAST of its size, where its letters can still be read; then it scrolls, by a keyboard too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

LEAST = 0.6
WIDTH = re.compile(r'<svg [^>]*?width="([\d.]+)(pt|)"')


class picture(nodes.General, nodes.Element):
    """A box around an image."""


def visit(self: Any, node: picture) -> None:
    style = {"style": f"--least: {node['least']}px"} if "least" in node else {}
    self.body.append(self.starttag(node, "div", CLASS="picture", tabindex="0", **style))


def depart(self: Any, node: picture) -> None:
    self.body.append("</div>\n")


def box_images(app: Sphinx, tree: nodes.document) -> None:
    """A paragraph that is one image becomes a box."""
    for paragraph in list(tree.findall(nodes.paragraph)):
        if len(paragraph) == 1 and isinstance(paragraph[0], nodes.image):
            box = picture("", paragraph[0])
            file = Path(app.srcdir) / paragraph[0]["uri"]
            if file.suffix == ".svg" and (found := WIDTH.search(file.read_text(encoding="utf-8"))):
                box["least"] = round(LEAST * float(found[1]) * (4 / 3 if found[2] else 1))
            paragraph.replace_self(box)


def skip(self: Any, node: picture) -> None:
    pass


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(picture, html=(visit, depart), latex=(skip, skip), text=(skip, skip), man=(skip, skip))
    app.connect("doctree-read", box_images)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
