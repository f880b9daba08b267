"""Equations as MathML, which browsers draw themselves: no script, no font and no network is needed to read a page.

LaTeX is turned into MathML when the site is built. Columns of `aligned` are aligned by style attributes, as browsers
follow MathML Core, which leaves `columnalign` out.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

SPACE = "http://www.w3.org/1998/Math/MathML"


def to_mathml(latex: str, display: bool) -> str:
    """One equation.

    Raises:
        ExtensionError: LaTeX that the converter does not know; it would stand in the page as it is.
    """
    ElementTree.register_namespace("", SPACE)
    # the converter knows aligned by its older name
    known = latex.replace("{aligned}", "{align*}")
    try:
        root = ElementTree.fromstring(convert(known, display="block" if display else "inline"))
    except ElementTree.ParseError as problem:
        raise ExtensionError(f"no MathML for the equation {latex}: {problem}") from problem
    for element in root.iter():
        if (element.text or "").startswith("\\"):
            raise ExtensionError(f"no MathML for {element.text} in the equation {latex}")
        if side := element.attrib.pop("columnalign", ""):
            # a cell holds a box: -webkit-right moves it, right would move text alone
            element.set("style", f"text-align: {side}; text-align: -webkit-{side}")
    return ElementTree.tostring(root, encoding="unicode")


def visit_inline(self: Any, node: nodes.math) -> None:
    self.body.append(to_mathml(node.astext(), display=False))
    raise nodes.SkipNode


def visit_block(self: Any, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(to_mathml(node.astext(), display=True))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
