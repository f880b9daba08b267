"""Nodes with rare attributes become cells written as equations, whose rows are there while the tests of a file run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cellstep import kernels


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "onnx" in item.path.parts:  # where there is no Numba
            item.add_marker(pytest.mark.filterwarnings("ignore:cells written as equations:RuntimeWarning"))


@pytest.fixture(scope="module", autouse=True)
def _rows() -> Iterator[None]:
    before = set(kernels.CELLS)
    yield
    for name in set(kernels.CELLS) - before:
        kernels.remove_cell(name)
