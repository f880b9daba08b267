"""Refuses a tag that is not the version of the source, or that the changelog does not describe: check_tag.py v1.2.3"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main(tag: str) -> str:
    """What is wrong, or an empty string."""
    source = (ROOT / "src/cellstep/__init__.py").read_text(encoding="utf-8")
    version = re.findall(r'^__version__ = "(.+)"', source, re.MULTILINE)[0]
    if tag != f"v{version}":
        return f"the tag {tag} is not v{version}, the version of src/cellstep/__init__.py"
    if f"## [{version}]" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        return f"CHANGELOG.md has no section [{version}]: rename [Unreleased]"
    return ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or None)
