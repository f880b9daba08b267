"""Docstrings of this project are plain text for a reader of the source; this makes them proper reStructuredText.

Stars, bars and trailing underscores are characters of names, not markup. A block that is indented below a paragraph
is an equation or code, and keeps its lines.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

from sphinx.application import Sphinx

MARKUP = re.compile(r"(`[^`]*`)|([*|])|(?<=\w)(_)(?!\w)")
HEADER = re.compile(
    r"\s*(Args|Class attributes|Returns|Raises|Example|Examples|Attributes|Yields|Note|Source|Weights):\s*$"
)

#: Where the next exception of a `Raises:` section begins.
EXCEPTION = re.compile(r"(?<!,) (?=(?:[A-Z]\w*(?:Error|Warning), )*[A-Z]\w*(?:Error|Warning): )")


def escape(line: str) -> str:
    return MARKUP.sub(lambda found: found[1] or "\\" + (found[2] or found[3]), line)


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def prepare(lines: list[str]) -> list[str]:
    """The docstring with its indented blocks marked as literal, and its characters escaped elsewhere."""
    out: list[str] = []
    level, literal, before = 0, False, ""
    in_example = False
    for number, line in enumerate(lines):
        if not line.strip():
            out.append(line)
            continue
        if literal and indent(line) > level:
            out.append(line)
            continue
        literal = False
        in_example = (in_example and indent(line) > 0) or bool(HEADER.match(line) and "Example" in line)
        starts = number > 0 and not lines[number - 1].strip()
        if starts and not in_example and before and indent(line) > indent(before) and not HEADER.match(before):
            level, literal = indent(before), True
            out += [" " * level + "::", "", line]
            continue
        out.append(line if in_example else escape(line))
        before = line
    return out


def raises(lines: list[str]) -> list[str]:
    """The docstring with one line for each exception: `Raises:` may go on in one paragraph."""
    out: list[str] = []
    number = 0
    while number < len(lines):
        out.append(lines[number])
        number += 1
        if out[-1].strip() != "Raises:":
            continue
        level, words = indent(out[-1]), []
        while number < len(lines) and lines[number].strip() and indent(lines[number]) > level:
            words.append(lines[number].strip())
            number += 1
        for one in EXCEPTION.split(" ".join(words)):
            out.append(" " * (level + 4) + one)
    return out


def process(app: Sphinx, what: str, name: str, thing: object, options: Any, lines: list[str]) -> None:
    if what == "data" and lines[:1] == (SimpleNamespace.__doc__ or "").splitlines()[:1]:
        lines[:] = []  # it says nothing of this one
    lines[:] = prepare(raises(lines))
    if what in ("property", "attribute", "data"):
        # napoleon takes what stands before a colon for the type; behind an empty comment it does not look
        lines[:0] = ["..", ""]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon reads the sections
    return {"parallel_read_safe": True, "parallel_write_safe": True}
