"""Where the project's Markdown pages are, and how their Python blocks run."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```[ \t]*(?:\n|\Z)", re.MULTILINE | re.DOTALL)

PICTURE = re.compile(r"!\[[^\]]*\]\((?!https?:)([^)\s]+)\)")


class Block(NamedTuple):
    """One ```python block: its code, the line of the page that it begins on, and what the page says that it prints."""

    code: str
    line: int
    output: str | None


def pages() -> list[str]:
    """All Markdown pages of the project, as paths from its root."""
    found = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/learn/*.md"),
        ROOT / "kernels/README.md",
        ROOT / "examples/README.md",
    ]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def blocks(text: str) -> Iterator[Block]:
    """The Python blocks of a page in order; a ```text block right behind one is what it prints."""
    fences = list(FENCE.finditer(text))
    for fence, after in itertools.zip_longest(fences, fences[1:]):
        if fence[1] == "python":
            stated = after if after and after[1] == "text" and not text[fence.end() : after.start()].strip() else None
            yield Block(fence[2], text.count("\n", 0, fence.start(2)) + 1, stated[2] if stated else None)


def run(page: str) -> int:
    """Run the blocks of a page, one after the other, in one namespace; gives their number.

    Raises:
        AssertionError: a block's assertion fails, or it prints something else than the page says.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    found = list(blocks((ROOT / page).read_text(encoding="utf-8")))
    for block in found:
        printed = io.StringIO()
        # as many empty lines before it as there are on the page: a traceback names the page's own line
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * (block.line - 1) + block.code, str(ROOT / page), "exec"), names)
        if block.output is not None:
            assert lines(printed.getvalue()) == lines(block.output), f"{page}, line {block.line}: printed other text"
    return len(found)


def own_pictures(page: str) -> list[str]:
    """The names of the pictures that a page NAME.md shows from pictures/NAME: its own blocks draw them."""
    shown = map(Path, PICTURE.findall((ROOT / page).read_text(encoding="utf-8")))
    return [path.name for path in shown if path.parent.name == Path(page).stem]


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]
