"""Every backend has the functions of the contract table, with the same parameters, and packed weights as it says."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from drive import pack
from table import ACTIVATED, DTYPES, OPTIONS, SMALL, VARIANTS, Variant, problem

from cellstep import kernels


@pytest.mark.parametrize("function", kernels.FUNCTIONS)
def test_parameters_are_those_of_the_table(backend: kernels.Backend, function: str) -> None:
    found = inspect.signature(getattr(backend, function)).parameters
    assert tuple(found) == kernels.FUNCTIONS[function]
    assert getattr(backend, function).__name__ == function
    for name, parameter in found.items():
        assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD, name
        flag = name == "backward"
        assert parameter.default is parameter.empty or flag, f"{name} has a default: the table has none"


def test_every_backend_has_every_cell(backend: kernels.Backend) -> None:
    assert set(backend.cells) == set(kernels.CELLS)


def test_every_option_of_the_contract_is_in_the_tests_table() -> None:
    cells = [row for row in kernels.CELLS.values() if row.equations is None]  # others' come and go
    assert {option for cell in cells for option in cell.option_names} == set(OPTIONS)
    assert {v.cell.name for v in VARIANTS} == {cell.name for cell in cells}
    for cell in cells:
        for slot in cell.activations:
            assert {v.named[slot] for v in ACTIVATED if v.cell is cell} == set(kernels.ACTIVATIONS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_packed_weights_tell_their_sizes_and_cannot_be_changed(
    backend: kernels.Backend, v: Variant, dtype: str
) -> None:
    packed = pack(backend, problem(v, SMALL, dtype))
    assert (packed.I, packed.H, np.dtype(packed.dtype)) == (SMALL.I, SMALL.H, np.dtype(dtype))
    for name in ("I", "H", "dtype"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(packed, name, getattr(packed, name))


@pytest.mark.parametrize("v", ACTIVATED, ids=str)
def test_supports_answers_yes_or_no(backend: kernels.Backend, v: Variant) -> None:
    assert all(type(backend.supports(v.cell, np.dtype(dtype), v.options)) is bool for dtype in DTYPES)
    assert backend.supports(v.cell, np.dtype("int32"), v.options) is False
    assert tuple(inspect.signature(backend.supports).parameters) == ("cell", "dtype", "options")


@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_default_options_run_at_full_speed(backend: kernels.Backend, v: Variant) -> None:
    assert all(backend.supports(v.cell, np.dtype(dtype), v.options) for dtype in DTYPES)
