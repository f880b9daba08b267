"""The version stands in one place, and what repeats it follows."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import cellstep

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def changelog() -> list[str]:
    return re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_package_has_the_version_of_its_source() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    source = ROOT / PROJECT["tool"]["scikit-build"]["metadata"]["version"]["input"]
    assert f'__version__ = "{cellstep.__version__}"' in source.read_text(encoding="utf-8")


def test_the_citation_and_the_changelog_have_the_same_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [cellstep.__version__]
    before, *released = changelog()
    assert before == "Unreleased"
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    # a version is being made ready, or it was released and is the newest
    assert f"To become {cellstep.__version__}." in text or released[0] == cellstep.__version__


def test_a_tag_is_refused_that_is_not_this_version() -> None:
    check = [sys.executable, str(ROOT / "tests/release/check_tag.py")]
    good = subprocess.run([*check, f"v{cellstep.__version__}"], capture_output=True, text=True)
    released = cellstep.__version__ in changelog()
    assert (good.returncode == 0) == released, good.stderr
    if not released:
        assert "CHANGELOG.md has no section" in good.stderr
    bad = subprocess.run([*check, "v9.9.9"], capture_output=True, text=True)
    assert bad.returncode == 1
    assert "the tag v9.9.9 is not v" in bad.stderr


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_every_tag_has_a_section_of_the_changelog() -> None:
    done = subprocess.run(["git", "tag", "--list", "v*"], cwd=ROOT, capture_output=True, text=True)
    assert {tag.removeprefix("v") for tag in done.stdout.split()} <= set(changelog())


def test_the_classifiers_are_the_pythons_for_which_wheels_are_built() -> None:
    claimed = re.findall(r"Python :: 3\.(\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    built = re.findall(r"cp3(\d+)-", PROJECT["tool"]["cibuildwheel"]["build"])
    assert set(claimed) == set(built)
    assert not any("Windows" in line for line in PROJECT["project"]["classifiers"])
