"""The ways on which a gradient goes from one cell state to the one before, in a cell that tells its memory through an
output gate; gradient_flow.py has the formula for an LSTM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ... import core
from ...kernels import OF_INPUT, Cell, Product
from ...kernels.reference.activations import activate, derivative
from ...layers.tracing import CellTrace
from ..cell_rows import gates_of, is_content, noun
from .jacobians import inputs, spectral_norms, values
from .rerun import pack, weights

Array = NDArray[np.float64]


def has_cell_state(row: Cell) -> bool:
    """Whether the cell has a memory beside its output, of which an output gate tells."""
    return len(row.states) == 2 and any(gate.role == "output" for gate in row.gates)


def through_gates(run: CellTrace, rows: int) -> tuple[Array, dict[str, Array]] | None:
    """(n, T, H) the slopes of c_t by c_(t-1) with h held; and by gate (n, T, H, H) the ways from h_(t-1) to c_t, whose
    sum is d c_t / d h_(t-1).

    None for cells without a cell state, or whose gates add up more than a product of x and one of h, or that are
    written as equations, of which nothing else is known; and where an activation is not one of the kernels': it may mix
    units.
    """
    row, options, arrays = run.cell.contract, run.cell.options, weights(run)
    names = dict(zip(row.weight_names, arrays, strict=True))
    x, h = (Product(operand, weight, row.letters) for operand, weight in zip(("x", row.output), names, strict=False))
    vectors = {weight.name for weight in row.weights if len(weight.axes) == 1}
    sums_of = [replace(p, bias=None) for p in row.products_for(options) if p.weight not in vectors]
    known = all(isinstance(options[name], str) for name in row.activations)
    if row.equations is not None or not (has_cell_state(row) and sums_of == [x, h] and known):
        return None
    kernel, recurrent, bias = (arrays[names[weight]] for weight in (x.weight, h.weight, row.bias))
    assert kernel is not None
    assert recurrent is not None
    v = values(run, rows)
    n, T, H = v.before[0].shape
    drop = np.ones((n, H)) if run.forward.drop is None else run.forward.drop[:n]
    sums = inputs(run, rows) @ kernel + (v.before[0] * drop[:, None]) @ recurrent + (0 if bias is None else bias)
    # the cell's own pullback, of steps whose inputs are the sums: x and h have been multiplied already
    own = {x.weight: np.eye(row.G * H), h.weight: np.zeros((H, row.G * H)), row.bias: None}
    packed = pack(run, *(own.get(weight, arrays[name]) for weight, name in names.items()))
    first = [s.reshape(n * T, H) for s in v.before]
    *_, back = core.forward(packed, sums.reshape(n * T, 1, -1), first, sequences=False, tape=True)
    assert back is not None
    dz, (_, direct) = back(None, [np.zeros((n * T, H)), np.ones((n * T, H))])
    assert dz is not None
    slopes, columns = dz.reshape(n, T, row.G, H), recurrent.reshape(H, row.G, H)
    ways = {}
    for gate in gates_of(row):
        k = row.gates.index(gate)
        if gate.role != "output":
            ways[gate.letter] = slopes[:, :, k, :, None] * columns[:, k].T * drop[:, None, None, :]
    return direct.reshape(n, T, H), ways


def cell_terms(run: CellTrace, rows: int) -> tuple[dict[str, Array], Array] | None:
    """Spectral norms (n, T) of the terms of dc_t/dc_(t-1), by name, and of their sum; None as above.

    A masked step carries c: its direct term is the identity, the others are zero; and h_(t-1) after it is still that of
    the last step that ran. After a reset all are zero.
    """
    slopes = through_gates(run, rows)
    if slopes is None:
        return None
    (direct, ways), row, v = slopes, run.cell.contract, values(run, rows)
    n, T, H = direct.shape
    (output,) = (k for k, gate in enumerate(row.gates) if gate.role == "output")
    act, c = run.cell.options[next(gate.activation for gate in row.gates if is_content(gate))], v.after[1]
    out = v.gates[output] * derivative(act, c if act in OF_INPUT else activate(act, c))
    before = np.full((n, T, H), np.nan)
    for t in range(1, T):
        # D of the step before: where that was masked, of the one before that
        before[:, t] = np.where(v.running[:, t - 1, None], out[:, t - 1], before[:, t - 1])
    running = (v.running & ~v.fresh)[:, :, None, None]
    carried = np.where(v.fresh[:, :, None, None], 0, np.eye(H))
    terms = {"direct": np.where(running, direct[..., None] * np.eye(H), carried)}
    for letter, way in ways.items():
        terms[f"by the {noun(row.gate(letter))}"] = np.where(running, way * before[:, :, None, :], 0)
    return {name: spectral_norms(term) for name, term in terms.items()}, spectral_norms(
        np.sum([*terms.values()], axis=0)
    )


def products_after(factors: Array) -> Array:
    """(n, T + 1, H): the product of the factors of steps t + 1 to T, 1 for t = T; from (n, T, H)."""
    ones = np.ones_like(factors[:, :1])
    return np.concatenate([np.cumprod(factors[:, ::-1], axis=1)[:, ::-1], ones], axis=1)
