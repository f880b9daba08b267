"""The gallery: a card for each program in examples/, and a page with its picture, its output and its source.

A card has the program's picture, if docs/pictures has one of its name, or else what it prints, and the first paragraph
of its docstring. The pages are written into docs/gallery, which git ignores, when a build begins; pictures and outputs
are made by docs/run_examples.py.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
EXAMPLES = DOCS.parent / "examples"
ENDINGS = (".svg", ".png")
#: Lines of an output that a card shows.
THUMB = 12


def programs() -> list[Path]:
    return sorted(EXAMPLES.glob("[a-z]*.py"))


def explanation(program: Path) -> str:
    """The first paragraph of a program's docstring, on one line."""
    text = ast.get_docstring(ast.parse(program.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def with_code(text: str) -> list[nodes.Node]:
    """Text, with what stands in `backticks` as code."""
    parts = text.split("`")
    return [nodes.literal("", part) if number % 2 else nodes.Text(part) for number, part in enumerate(parts)]


def picture(program: Path) -> Path | None:
    names = {program.stem, program.stem.replace("_", "-")}
    found = (DOCS / "pictures" / f"{name}{ending}" for name in names for ending in ENDINGS)
    return next((path for path in found if path.exists()), None)


def output(program: Path) -> Path:
    """What the program printed when docs/run_examples.py ran it."""
    return DOCS / "outputs" / f"{program.stem}.txt"


def write_pages(app: Sphinx) -> None:
    """One page for each program: what it is, its picture, its output and its source."""
    folder = DOCS / "gallery"
    folder.mkdir(exist_ok=True)
    pages = {}
    for program in programs():
        shown = picture(program)
        image = f"![What {program.name} draws](../pictures/{shown.name})\n\n" if shown else ""
        printed = f"## It prints\n\n```{{literalinclude}} ../outputs/{program.stem}.txt\n:language: text\n```\n\n"
        code = f"```{{literalinclude}} ../../examples/{program.name}\n:language: python\n```\n"
        source = f"## Source\n\n:::{{container}} program\n{code}:::\n"
        head = f"# `{program.name}`\n\n{explanation(program)}\n\n"
        head += f"{{download}}`Download {program.name} <../../examples/{program.name}>`\n\n"
        pages[program.stem] = f"---\norphan: true\nhide-toc: true\n---\n\n{head}{image}{printed}{source}"
    for old in folder.glob("*.md"):
        if old.stem not in pages:
            old.unlink()
    for stem, text in pages.items():
        page = folder / f"{stem}.md"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


class Gallery(Directive):
    """A grid of cards, one for each program; those with pictures come first."""

    option_spec: ClassVar[dict[str, object]] = {}

    def run(self) -> list[nodes.Node]:
        grid = nodes.container(classes=["cards"])
        for program in sorted(programs(), key=lambda program: picture(program) is None):
            self.state.document.settings.env.note_dependency(str(program))
            card = nodes.container(classes=["card"])
            address = f"gallery/{program.stem}.html"
            shown = picture(program)
            if shown:
                text = f"Picture of {program.name}"
                card += nodes.reference("", "", nodes.image(uri=f"pictures/{shown.name}", alt=text), refuri=address)
            else:
                lines = output(program).read_text(encoding="utf-8").strip().splitlines()[-THUMB:]
                card += nodes.literal_block(text="\n".join(lines), classes=["thumb"], language="none")
            name = nodes.reference("", "", nodes.literal("", program.name), refuri=address)
            card += nodes.paragraph("", "", nodes.strong("", "", name))
            card += nodes.paragraph("", "", *with_code(explanation(program)))
            grid += card
        return [grid]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("gallery", Gallery)
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
