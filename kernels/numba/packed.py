"""Weights in the panels that the compiled loops read, and where the products of a cell lie in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..cells import ACTIVATIONS, OF_INPUT, Cell
from ..contract import steps_of_cells
from .jit import Kernel
from .layouts import Weights
from .loop import Plan, loops
from .made import Columns
from .products import panels
from .rows import Step
from .written import addresses, step_of

Array = NDArray[Any]

#: Of each cell what a step computes besides products: a function of its flags.
CELLS: dict[str, Callable[..., Step]] = steps_of_cells(__package__)
#: Arrays without elements, with up to three axes, which stand for absent ones.
NONE = {np.dtype(c): tuple(np.empty((0,) * axes, c) for axes in range(4)) for c in "fd"}


class Variant(NamedTuple):
    """A cell with its options, as these files need it.

    W, U, b, R: places in the row's weights, U and R None if the cell has none; vectors: those of weights (H,). codes:
    of the activations. of_input: whether tapes keep pre-activations, as the derivative of a gate is a function of its.
    """

    cell: Cell
    options: tuple[Any, ...]
    plan: Plan
    loops: tuple[Kernel, Kernel]
    W: int
    U: int | None
    b: int
    R: int | None
    vectors: tuple[int, ...]
    codes: tuple[int, ...]
    of_input: bool


class Packed(NamedTuple):
    """Weights as the loops read them, read-only: `weights` forward, `transposed` backward, the latter
    without elements if backward will not be called. sizes: of the states. given: vectors as they came, where equations
    prepare them."""

    variant: Variant
    I: int  # noqa: E741 - the contract's letter
    H: int
    sizes: tuple[int, ...]
    dtype: np.dtype[Any]
    weights: Weights
    transposed: Weights
    given: tuple[Array, ...] = ()

    @property
    def P(self) -> int:
        """Values in a row of pre-activations."""
        return self.variant.plan.blocks * self.H

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as plain weights, since the panels' width depends on the processor."""
        v, H, N = self.variant, self.H, self.variant.cell.G * self.H
        W, in_panels, in_R, _, b, vectors, _ = self.weights
        U, start = np.empty((self.sizes[0], N if v.plan.products else 0), self.dtype), 0
        R = None if v.R is None else _unpacked(in_R, self.sizes[0])
        for _, first, count, _ in v.plan.products:
            end = start + -(-count * H // in_panels.shape[2])
            U[:, first * H : (first + count) * H] = _unpacked(in_panels[start:end], count * H)
            start = end
        vectors = self.given or vectors
        return _pack_again, (v.cell, v.options, _unpacked(W, N), U, b, R, vectors, self.transposed.W.size > 0)


def _unpacked(panels: Array, N: int) -> Array:
    """The first N columns of what lies in panels."""
    return np.ascontiguousarray(panels.swapaxes(0, 1).reshape(panels.shape[1], -1)[:, :N])


def _pack_again(cell: Cell, options: tuple[Any, ...], *arrays: Any) -> Packed:
    return _pack(variant_of(cell, options), *arrays)


@lru_cache(256)
def variant_of(cell: Cell, options: tuple[Any, ...]) -> Variant:
    """What follows from a cell and its options."""
    chosen = dict(zip(cell.option_names, options, strict=True))
    of_h: list[Columns] = []
    of_made: dict[str, list[Columns]] = {}
    blocks = cell.G
    for product in cell.products_for(chosen):
        if product.weight == "U":
            first, count = cell.letters.index(product.gates), len(product.gates)
            own = of_h if product.operand in cell.state_names else of_made.setdefault(product.operand, [])
            own.append(Columns(blocks if product.own else first, first, count, product.bias or 0))
            blocks += count if product.own else 0
    in_order = [of_made[operand] for operand in sorted(of_made)]
    products = [*of_h, *(columns for each in in_order for columns in each)]
    if cell.equations is not None:
        blocks = cell.equations.program.width
    names = cell.weight_names
    vectors = tuple(i for i, weight in enumerate(cell.weights) if weight.axes == ("H",))
    counts = len(cell.states), len(cell.activations), len(vectors)
    plan = Plan(cell.G, blocks, tuple(products), cell.letters != cell.output, *counts, tuple(map(len, in_order)))
    if cell.equations is not None:
        e = cell.equations
        made = e.program.vectors
        plan = plan._replace(activations=2 * e.program.phases, vectors=len(made), dvectors=made[0] if made else 0)
        plan = plan._replace(projected=e.program.projected or 0)
    flags = {name: value for name, value in chosen.items() if name not in cell.activations}
    step = CELLS[cell.name](**flags) if cell.equations is None else step_of(cell.equations)
    return Variant(
        cell=cell,
        options=options,
        plan=plan,
        loops=_loops(cell, plan, step),
        W=names.index("W"),
        U=names.index("U") if "U" in names else None,
        b=names.index(cell.bias),
        R=names.index(cell.projection) if cell.projection else None,
        vectors=vectors,
        codes=tuple(ACTIVATIONS.index(chosen[name]) for name in cell.activations),
        of_input=any(chosen.get(gate.activation) in OF_INPUT for gate in cell.gates),
    )


def _loops(cell: Cell, plan: Plan, step: Step) -> tuple[Kernel, Kernel]:
    """The loops of a cell. For equations they call the code that was made of these, and so are the same for all of a
    plan, but for how much of a row is kept."""
    return loops(cell.name, plan, step) if cell.equations is None else loops("equations", plan._replace(blocks=0), step)


def pack(cell: Cell, weights: Sequence[Array | None], options: Sequence[Any], backward: bool) -> Packed:
    """Copy the weights, and their transposes if `backward` will be called."""
    v = variant_of(cell, tuple(options))
    W, b, G = weights[v.W], weights[v.b], cell.G
    U, R = (None if i is None else weights[i] for i in (v.U, v.R))
    assert W is not None
    H = W.shape[1] // G
    bias = np.zeros((v.plan.blocks, H), W.dtype)
    if b is not None:
        rows = b.reshape(-1, G, H)
        bias[:G] = rows[0]
        for start, first, count, row in v.plan.products:
            if row:
                bias[start : start + count] += rows[row, first : first + count]
    vectors = tuple(np.array([weights[i] for i in v.vectors])) if v.vectors else ()
    U = np.empty((H if R is None else R.shape[1], 0), W.dtype) if U is None else U
    return _pack(v, W, U, bias.reshape(-1), R, vectors, backward)


def _pack(
    v: Variant, W: Array, U: Array, b: Array, R: Array | None, vectors: tuple[Array, ...], backward: bool
) -> Packed:
    """W (I, G H), U (units of h, G H) and R (H, units of h) into panels; b (P,) and vectors are kept as they are."""
    _, none1, _, none3 = NONE[W.dtype]
    H = W.shape[1] // v.cell.G
    given: tuple[Array, ...] = ()
    codes, e = v.codes, v.cell.equations
    if e is not None:
        codes, given = addresses(e, W.dtype), vectors
        # rows of one array, as code finds them
        vectors = tuple(np.array(e.prepared.values(given)).reshape(-1, H))
    parts = [U[:, first * H : (first + count) * H] for _, first, count, _ in v.plan.products] or [U]
    Wp, Up, *transposed = panels([W], parts, *([W.T], [U.T]) if backward else ())
    Wt, Ut = transposed or (none3, none3)
    Rp, Rt = (none3, none3) if R is None else panels([R], [R.T])
    return Packed(
        variant=v,
        I=W.shape[0],
        H=H,
        sizes=tuple(U.shape[0] if k == 0 else H for k in range(len(v.cell.states))),
        dtype=W.dtype,
        weights=Weights(Wp, Up, Rp, H, b, vectors, codes),
        transposed=Weights(Wt, Ut, Rt if backward else none3, H, none1, vectors, codes),
        given=given,
    )
