"""Rows that `add_cell` takes and refuses: a wrong one gets a sentence and leaves nothing behind."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest
from adding_a_cell.reference import step
from adding_a_cell.row import ROW

from cellstep import core, kernels
from cellstep.kernels import CELLS, Gate, Option, Product, State, Weight
from cellstep.kernels.row_checks import check_row

ACTIVATION, RECURRENT = ROW.options


def tables() -> list[list[str]]:
    loaded = [name for name, missing in kernels.available().items() if not missing]
    return [list(CELLS), *(list(kernels.load(name).cells) for name in loaded)]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": "lstm"}, "expected a cell with a new name, got 'lstm'"),
    ({"title": "LSTM"}, "expected a cell with a new title, got 'LSTM'"),
    ({"name": "a b"}, "expected a cell whose name is an identifier, got 'a b'"),
    ({"name": 3}, "expected a cell whose name is an identifier, got 3"),
    ({"title": ""}, "expected a cell whose title is an identifier, got ''"),
    ({"gates": list(ROW.gates)}, "expected gates of peephole_lstm to be a tuple, got list"),
    ({"gates": ()}, "expected peephole_lstm to have gates, got none"),
    ({"states": ()}, "expected peephole_lstm to have states, got none"),
    ({"weights": ()}, "expected peephole_lstm to have weights, got none"),
    (
        {"states": (State("h"), State("h"))},
        "expected states of peephole_lstm with names that differ, got h, h",
    ),
    ({"states": (State("h"), State("c", "I"))}, "expected state c of peephole_lstm to be of size H, got 'I'"),
    ({"gates": (Gate("ab", "input", "activation"),)}, "expected gates of peephole_lstm with one letter each, got 'ab'"),
    (
        {"gates": (*ROW.gates[:3], Gate("o", "output", "nope"))},
        "expected the activation of gate o of peephole_lstm to be one of 'activation', 'recurrent_activation', "
        "got 'nope'",
    ),
    (
        {"gates": (*ROW.gates[:3], Gate("o", "output", "activation", "hold"))},
        "expected the role of gate o of peephole_lstm to be one of 'keep', 'store', 'reset', 'output', '', got 'hold'",
    ),
    (
        {"orders": {"torch": "ifc"}},
        "expected torch's order of the gates ifco of peephole_lstm, got 'ifc'",
    ),
    (
        {"products": (Product("h", "V", "i"),)},
        "expected the weight of product 0 of peephole_lstm to be one of 'W', 'U', 'b', 'pi', 'pf', 'po', got 'V'",
    ),
    (
        {"products": (Product("h", "U", "iq"),)},
        "expected a gate of product 0 of peephole_lstm to be one of 'i', 'f', 'c', 'o', got 'q'",
    ),
    (
        {"products": (Product("h", "U", "i", when=("after", True)),)},
        "expected the option of product 0 of peephole_lstm to be one of 'activation', 'recurrent_activation', "
        "got 'after'",
    ),
    (
        {"bias": "bias"},
        "expected product 0 of peephole_lstm to begin with no bias, as no weight is 'bias', got a row of it",
    ),
    (
        {"weights": (*ROW.weights[1:], Weight("W", ("IH", "GH")))},
        "expected a weight of peephole_lstm with an axis of I, alone or times G, to read its size from, got H, GH, IH",
    ),
    (
        {"options": (ACTIVATION, RECURRENT, Option("backward", True, "flag"))},
        "expected options of peephole_lstm besides cell, backward, backend, got backward",
    ),
    (
        {"options": (ACTIVATION, RECURRENT, Option("after", 1, "flag"))},
        "expected the default of option after of peephole_lstm to be True or False, got 1",
    ),
    (
        {"options": (ACTIVATION, RECURRENT, Option("rate", 1, "number"))},
        "expected the kind of option rate of peephole_lstm to be one of 'activation', 'flag', got 'number'",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_a_wrong_row_gets_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    before = tables()
    with pytest.raises((ValueError, TypeError)) as refused:
        kernels.add_cell(replace(ROW, **changes), step)
    assert str(refused.value) == sentence
    assert tables() == before


def test_functions_that_are_none() -> None:
    before, wrong = tables(), [("numba", None), ("cython", step), ("torch", step)]
    with pytest.raises(TypeError, match="the step of peephole_lstm for numpy to be a function, got None"):
        kernels.add_cell(ROW, None)  # type: ignore[arg-type]
    for name, function in wrong:
        with pytest.raises((ValueError, TypeError), match=r"for numba to be a function|for the backend numba"):
            kernels.add_cell(ROW, step, **{name: function})
    with pytest.raises(TypeError, match="expected a Cell, got str"):
        kernels.add_cell("lstm", step)  # type: ignore[arg-type]
    assert tables() == before


@pytest.mark.parametrize("name", ["lstm", "unknown"])
def test_only_what_was_added_is_removed(name: str) -> None:
    before = tables()
    with pytest.raises(ValueError, match=f"expected the name of a cell that was added, got '{name}'"):
        kernels.remove_cell(name)
    assert tables() == before


def test_a_row_that_was_not_added_does_not_run() -> None:
    weights = [[0.0]] * len(ROW.weights)
    with pytest.raises(ValueError, match=r"expected a cell of kernels\.CELLS, got another row 'peephole_lstm'"):
        core.pack(ROW, *weights, backward=True, **ROW.defaults)
    with pytest.raises(ValueError, match=r"got 'peephole_lstm'; kernels\.add_cell adds one"):
        pickle.loads(pickle.dumps(ROW))


@pytest.mark.parametrize("name", CELLS)
def test_the_rows_of_the_package_are_whole(name: str) -> None:
    check_row(CELLS[name], {other: row for other, row in CELLS.items() if other != name})
