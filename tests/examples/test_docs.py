"""The Python in the documents runs as it stands, and its assertions hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "docs/models.md",
    "docs/recurrent-layers.md",
    "docs/scikit-learn.md",
    "docs/streaming.md",
    "docs/why-recurrence.md",
)


def blocks(document: str) -> list[str]:
    """The code of each ```python block, in order."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_snippets_run_in_order(document: str) -> None:
    if document == "docs/scikit-learn.md":
        pytest.importorskip("sklearn")
    code = blocks(document)
    assert len(code) >= 3
    names: dict[str, Any] = {}
    for number, block in enumerate(code, 1):
        exec(compile(block, f"{document}, block {number}", "exec"), names)


@pytest.mark.parametrize("document", [*DOCUMENTS, "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md"])
def test_links_between_documents_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / document).parent.joinpath(target).exists(), target
