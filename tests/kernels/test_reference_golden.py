"""Every backend, the reference first, gives the outputs, states and gradients of real Keras and real PyTorch.

All in float64, within 1e-12 * max(1, |value|). `golden/make.py` computed the values.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drive import Array, assert_close, unwritten
from golden.store import Case, load

from cellstep import kernels

FOLDER = Path(__file__).parent.parent / "golden"
CASES = {f"{peer}-{name}": case for peer in ("keras", "torch") for name, case in load(FOLDER / f"{peer}.npz").items()}


def run(backend: kernels.Backend, case: Case) -> dict[str, Array]:
    """One forward and one backward pass; the answers by the names of the contract."""
    contract = kernels.CELLS[case.cell]
    given = case.given
    weights = [given.get(name) for name in contract.weight_names]
    packed = backend.pack(contract, weights, [case.options[name] for name in contract.option_names], True)
    B, T, _ = given["x"].shape
    tape = backend.tape(packed, B, T, False)
    mask = given["mask"].astype(bool) if "mask" in given else None
    found = {name: unwritten(a.shape, np.float64) for name, a in case.found.items()}
    for name in {"dW", "dU", "db"} & set(found):
        found[name][:] = 0
    s = contract.state_names
    first, last = [given[n + "0"] for n in s], [found[n + "T"] for n in s]
    backend.forward(packed, given["x"], first, mask, None, None, None, found["y"], last, tape)
    dlast, dfirst = [given[f"d{n}T"] for n in s], [found[f"d{n}0"] for n in s]
    dweights = [found.get(f"d{name}") for name in contract.weight_names]
    backend.backward(packed, tape, given["dy"], dlast, found["dx"], dweights, dfirst, [None] * len(s))
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_peer_gave_the_same(backend: kernels.Backend, name: str) -> None:
    found = run(backend, CASES[name])
    for key, expected in CASES[name].found.items():
        assert_close(found[key], expected, 1e-12, key)


def test_golden_values_cover_every_cell_and_activation() -> None:
    for cell in [row for row in kernels.CELLS.values() if row.equations is None]:
        rows = [case for case in CASES.values() if case.cell == cell.name]
        assert any("mask" in case.given for case in rows), cell.name
        assert any("b" not in case.given for case in rows), cell.name
    assert {c.options["activation"] for c in CASES.values() if c.cell == "rnn"} == set(kernels.ACTIVATIONS)
    assert {c.options["reset_after"] for c in CASES.values() if c.cell == "gru"} == {True, False}


def test_golden_cases_differ_in_every_answer() -> None:
    # a file of zeros, or one array stored under several names, would pass for right answers
    for case in CASES.values():
        assert all(np.abs(a).max() > 1e-3 for a in case.found.values())
        assert len({np.sort(a, None).tobytes() for a in case.found.values()}) == len(case.found)
