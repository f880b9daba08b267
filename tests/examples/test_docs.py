"""The Python on the pages runs as it stands, its assertions hold, and it prints what the pages say."""

from __future__ import annotations

import re
from pathlib import Path

import pages
import pytest

from cellstep import kernels

ROOT = pages.ROOT
ALL = pages.pages()
#: What a page needs besides the package.
NEEDS = {
    "docs/scikit-learn.md": "sklearn",
    "docs/torch.md": "torch",
    "docs/keras-users.md": "h5py",
    "docs/models.md": "h5py",
}
WITH_CODE = [page for page in ALL if "```python\n" in (ROOT / page).read_text(encoding="utf-8")]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks write their files into an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("page", WITH_CODE)
def test_blocks_run_in_order_and_print_what_the_page_says(page: str, tmp_path: Path) -> None:
    if page == "docs/many-models.md" and kernels.active().many is None:
        pytest.skip("many models at once are compiled")
    if page in NEEDS:
        pytest.importorskip(NEEDS[page])
    assert pages.run(page) >= 1
    assert [name for name in pages.own_pictures(page) if not (tmp_path / name).exists()] == []


def test_the_pages_are_found() -> None:
    assert {"README.md", "docs/streaming.md", "kernels/README.md"} <= set(ALL)
    assert len(WITH_CODE) >= 6


def test_a_stated_output_is_compared() -> None:
    page = "```python\nprint(1 + 1)\n```\n\n```text\n2\n```\n\n```python\nx = 3\n```\nwords\n```text\nno output\n```\n"
    assert [(block.line, block.output) for block in pages.blocks(page)] == [(2, "2\n"), (10, None)]


@pytest.mark.parametrize("page", ALL)
def test_links_between_files_lead_somewhere(page: str) -> None:
    text = pages.FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for target in re.findall(r"\]\((?![a-z]+:)([^)#\s]+)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("page", ALL)
def test_links_to_other_sites_are_well_formed(page: str) -> None:
    """There is no network in a test: the form alone is looked at."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for address in re.findall(r"\]\(([a-z]+:[^)\s]*)\)", text):
        assert re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]{2,}(/[\w./%~:+?=&#@-]*)?|mailto:\S+@\S+", address), address
