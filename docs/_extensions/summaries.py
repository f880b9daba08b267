"""Pages of the API begin with a table: each class and function with the first sentence of its docstring."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

SENTENCE = re.compile(r"(?<=[^.\s][.!?])\s|:$|(?<=:)\s*$")
#: A page with fewer names needs no table.
FEW = 3


def first_sentence(content: nodes.Node) -> str:
    paragraph = next((node for node in content.children if isinstance(node, nodes.paragraph)), None)
    return "" if paragraph is None else SENTENCE.split(" ".join(paragraph.astext().split()))[0].rstrip(":")


def described(tree: nodes.document) -> list[tuple[str, str, str]]:
    """The name, the anchor and the first sentence of what the page describes, but for members of classes."""
    found = []
    for desc in tree.findall(addnodes.desc):
        if desc.get("domain") != "py" or any(isinstance(up, addnodes.desc) for up in _above(desc)):
            continue
        signature = next(desc.findall(addnodes.desc_signature))
        content = next(desc.findall(addnodes.desc_content))
        if signature.get("ids"):
            name = str(signature["fullname"]).rpartition(".")[2] or str(signature["fullname"])
            found.append((name, signature["ids"][0], first_sentence(content)))
    return found


def _above(node: nodes.Node) -> list[nodes.Node]:
    above = []
    while node.parent is not None:
        node = node.parent
        above.append(node)
    return above


def row(*cells: nodes.Node) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def add_table(app: Sphinx, tree: nodes.document) -> None:
    names = described(tree) if app.env.docname.startswith("api/") else []
    if len(names) < FEW:
        return
    body = nodes.tbody("")
    for name, anchor, sentence in names:
        body += row(nodes.reference("", "", nodes.literal("", name), refid=anchor), nodes.Text(sentence))
    group = nodes.tgroup("", nodes.colspec(colwidth=30), nodes.colspec(colwidth=70), body, cols=2)
    section = next(tree.findall(nodes.section))
    at = next(k for k, node in enumerate(section.children) if isinstance(node, nodes.title)) + 1
    section.insert(at, nodes.table("", group, classes=["summaries"]))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", add_table)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
