"""A fixture that runs a test of layers on each backend in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cellstep import kernels, layers


@pytest.fixture
def on(backend: kernels.Backend) -> Iterator[kernels.Backend]:
    """The test runs on this backend."""
    with kernels.use(backend.name) as active:
        yield active


@pytest.fixture(autouse=True)
def fresh_names() -> None:
    """Automatic names begin at `lstm` in each test."""
    layers.reset_names()
