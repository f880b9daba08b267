"""Public names and signatures are those of api.txt, which python tests/release/public_api.py --write renews."""

from __future__ import annotations

import pytest
from release import public_api


@pytest.fixture(scope="module")
def differences() -> dict[str, list[str]]:
    return public_api.differences()


@pytest.mark.parametrize("module", sorted({*public_api.MODULES, *public_api.OPTIONAL}))
def test_public_names_and_signatures_are_as_listed(module: str, differences: dict[str, list[str]]) -> None:
    if not public_api.available(module):
        pytest.skip(f"{public_api.OPTIONAL[module]} is not installed")
    assert not differences.pop(module), "if that is meant: python tests/release/public_api.py --write"


def test_no_module_is_listed_that_is_gone(differences: dict[str, list[str]]) -> None:
    listed = {line[2:] for line in public_api.LIST.read_text(encoding="utf-8").splitlines() if line.startswith("# ")}
    assert listed <= {*public_api.MODULES, *public_api.OPTIONAL}
