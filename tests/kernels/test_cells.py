"""The rows of the cells say what a step computes: products, shapes, orders and names fit together."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cellstep import kernels

every_cell = pytest.mark.parametrize("cell", kernels.CELLS.values(), ids=lambda cell: cell.name)


def choices(cell: kernels.Cell) -> list[dict[str, Any]]:
    """Every value of the flags."""
    flags = [option.name for option in cell.options if option.kind == "flag"]
    return [dict(zip(flags, values, strict=True)) for values in itertools.product((True, False), repeat=len(flags))]


@every_cell
def test_letters_and_names_are_unique_and_options_exist(cell: kernels.Cell) -> None:
    assert kernels.CELLS[cell.name] is cell
    assert len(set(cell.letters)) == cell.G == len({gate.name for gate in cell.gates})
    assert {gate.activation for gate in cell.gates} <= set(cell.activations) <= set(cell.option_names)
    assert all(option.default in kernels.ACTIVATIONS for option in cell.options if option.kind == "activation")
    assert cell.output == cell.state_names[0]
    assert all(cell.gate(gate.name) is cell.gate(gate.letter) is gate for gate in cell.gates)


@every_cell
def test_every_product_has_its_operand_and_every_gate_is_summed(cell: kernels.Cell) -> None:
    for options in choices(cell):
        products = cell.products_for(options)
        assert {letter for p in products for letter in p.gates} == set(cell.letters)
        assert all(p.weight in cell.weight_names for p in products)
        for weight in ("W", "U"):
            columns = [letter for p in products if p.weight == weight for letter in p.gates]
            assert sorted(columns) == sorted(cell.letters), "each column takes part once"


@every_cell
def test_orders_of_other_frameworks_are_permutations(cell: kernels.Cell) -> None:
    assert all(sorted(order) == sorted(cell.letters) for order in cell.orders.values())
    assert all(set(weight.names) == {"keras", *cell.orders} for weight in cell.weights)
    assert set(cell.orders) == set(cell.names)


@every_cell
def test_sizes_and_shapes_are_inverses(cell: kernels.Cell) -> None:
    for options in choices(cell):
        shapes = cell.shapes({"I": 3, "H": 5}, options)
        assert cell.sizes([np.empty(shape) for shape in shapes]) == {"I": 3, "H": 5}
        assert shapes[cell.weight_names.index(cell.bias)] == cell.bias_shape(5, **options)


def test_a_row_may_have_vectors_and_no_recurrent_matrix() -> None:
    """A peephole, a net of independent units, and a bias with two rows."""
    row = kernels.Cell(
        name="independent",
        title="Independent",
        gates=(kernels.Gate("h", "state", "activation"),),
        states=(kernels.State("h"),),
        weights=(kernels.Weight("W", ("I", "GH")), kernels.Weight("u", ("H",)), kernels.Weight("b", ("GH",))),
        products=(kernels.Product("x", "W", "h", bias=0), kernels.Product("h", "u", "h", bias=1)),
        options=(kernels.Option("activation", "relu"),),
    )
    assert row.shapes({"I": 2, "H": 4}, {}) == ((2, 4), (4,), (2, 4))
    assert row.sizes([np.empty((2, 4)), np.empty(4), None]) == {"I": 2, "H": 4}
    without = kernels.Cell("w", "W", row.gates, row.states, row.weights[:1], row.products[:1], ())
    assert without.sizes([np.empty((2, 4))]) == {"I": 2, "H": 4}


def test_reset_after_changes_the_products_and_the_bias() -> None:
    gru = kernels.CELLS["gru"]
    assert gru.bias_shape(4) == gru.bias_shape(4, reset_after=True) == (2, 12)
    assert gru.bias_shape(4, reset_after=False) == (12,)
    assert [p.operand for p in gru.products_for({"reset_after": False})] == ["x", "h", "rh"]
    assert [p.own for p in gru.products_for({})] == ["", "", "q"]
