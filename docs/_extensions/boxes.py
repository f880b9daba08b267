"""Wide things scroll inside a box of their own, so that no page scrolls sideways on a phone: pictures.

Code, tables and equations have boxes already; site.css says what they do. A picture in a box can be read by a
keyboard too, and leads to its file, where it fills the window.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


class picture(nodes.General, nodes.Element):
    """A box around an image."""


def visit(self: Any, node: picture) -> None:
    self.body.append(self.starttag(node, "div", CLASS="picture", tabindex="0"))


def depart(self: Any, node: picture) -> None:
    self.body.append("</div>\n")


def box_images(app: Sphinx, tree: nodes.document) -> None:
    """A paragraph that is one image becomes a box."""
    for paragraph in list(tree.findall(nodes.paragraph)):
        if len(paragraph) == 1 and isinstance(paragraph[0], nodes.image):
            paragraph.replace_self(picture("", paragraph[0]))


def skip(self: Any, node: picture) -> None:
    pass


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(picture, html=(visit, depart), latex=(skip, skip), text=(skip, skip), man=(skip, skip))
    app.connect("doctree-read", box_images)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
