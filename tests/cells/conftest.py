"""The rows of cells that tests define are there while the tests of a file run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cellstep import kernels
from cellstep.registry import get_custom_objects


@pytest.fixture(scope="module", autouse=True)
def _rows() -> Iterator[None]:
    rows, classes = set(kernels.CELLS), set(get_custom_objects())
    yield
    for name in set(kernels.CELLS) - rows:
        kernels.remove_cell(name)
    for name in set(get_custom_objects()) - classes:
        del get_custom_objects()[name]


@pytest.fixture(scope="module")
def written(_rows: None) -> dict[str, Any]:
    """The classes of written.py."""
    from written import define

    return define()
