"""Which backends the tests run on.

All that can run here, and those that CELLSTEP_EXPECT_BACKENDS names ("cython,numba,numpy"; CI sets it): each of the
latter that cannot be loaded fails every test made for it, so that a backend cannot go missing under green tests.
"""

from __future__ import annotations

import os
import warnings

import pytest

with warnings.catch_warnings():
    # where nothing but NumPy is installed the import says so; test_selection.py tests that, here it is no error
    warnings.simplefilter("ignore", RuntimeWarning)
    from cellstep import kernels, set_random_seed

from table import BACKENDS


def expected() -> list[str]:
    """The backends to test, in the order of the contract.

    A compiled backend counts as expected as soon as its modules are in the installation: a build that cannot be
    imported is then an error of every test made for it. Only a pure-Python installation has none.
    """
    named = [name.strip() for name in os.environ.get("CELLSTEP_EXPECT_BACKENDS", "").split(",") if name.strip()]
    unknown = sorted(set(named) - set(BACKENDS))
    if unknown:
        raise pytest.UsageError(
            f"CELLSTEP_EXPECT_BACKENDS must name some of {', '.join(BACKENDS)}, got {', '.join(unknown)}"
        )
    missing = kernels.available()
    return [name for name in BACKENDS if name in named or not missing[name]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", expected(), indirect=True, scope="session")


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> kernels.Backend:
    """Each backend that is to be tested, loaded."""
    return kernels.load(request.param)


@pytest.fixture(scope="session")
def reference() -> kernels.Backend:
    """The specification; in float64 it is what answers are held against."""
    return kernels.load("numpy")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Weights and masks that a test does not seed itself are the same in every run, whatever ran before."""
    set_random_seed(0)
