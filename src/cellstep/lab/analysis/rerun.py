"""A run's cell, run again: one step of many rows, from states of one's own, and its way back.

The kernels' cells do it in float64. A cell that is written in Python has a dtype, and keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import core
from ...layers.python_cell import PythonCell
from ...layers.tracing import CellTrace
from .traced_cells import variables

Array = NDArray[Any]
#: back(dstates, dweights, doutput): the gradients of the states that came in, from those of the states that came out,
#: and of the output of a cell in Python; adds to dweights, one for each weight or None.
Back = Callable[..., list[Array]]


def weights(run: CellTrace) -> dict[str, Array | None]:
    """The weights of a run's cell by their names there, in float64; None for a bias that it has not."""
    return {name: None if w is None else w.value.astype(np.float64) for name, w in variables(run.cell).items()}


def pack(run: CellTrace, *arrays: Array | None) -> core.Packed:
    """Weights, one for each of a run's cell, packed with its options."""
    return core.pack(run.cell.contract, *arrays, backward=True, **run.cell.options)


class Rerun:
    """Steps of a run's cell.

    Attributes:
        dtype: what it computes in.
    """

    def __init__(self, run: CellTrace) -> None:
        self.cell, self._training = run.cell, False
        self._packed: Any = None
        if isinstance(run.cell, PythonCell):
            self.dtype, self._training = run.cell.dtype, run.forward.training
        else:
            self.dtype = np.dtype(np.float64)
            self._packed = pack(run, *weights(run).values())

    def __call__(
        self, x: Array, states: Sequence[Array], *, drop: Array | None = None, mask: Array | None = None
    ) -> tuple[list[Array], Back]:
        """A step of the rows x (N, I) from these states; rows that mask (N,) leaves out carry theirs."""
        if self._packed is None:
            return self._in_python(x, states, mask)
        first = [np.ascontiguousarray(s) for s in states]
        where = None if mask is None else mask[:, None]
        _, last, back = core.forward(self._packed, x[:, None], first, mask=where, drop=drop, sequences=False, tape=True)
        assert back is not None

        def gradients(d: Sequence[Array], dweights: Any = None, doutput: Any = None) -> list[Array]:
            return list(back(None, [np.ascontiguousarray(a) for a in d], dweights, need_dx=False)[1])

        return list(last), gradients

    def _in_python(self, x: Array, states: Sequence[Array], mask: Array | None) -> tuple[list[Array], Back]:
        cell: PythonCell = self.cell
        x, first = x.astype(self.dtype), [s.astype(self.dtype) for s in states]
        output, new, pullback = cell.steps(x, first, self._training)(x, first)
        runs = np.ones((len(x), 1), bool) if mask is None else mask[:, None]

        def gradients(d: Sequence[Array], dweights: Any = None, doutput: Any = None) -> list[Array]:
            learn = list(variables(cell).values())
            before = [w.grad.copy() for w in learn if w is not None]
            for w in learn:
                if w is not None:
                    w.zero_grad()
            dy = np.zeros_like(output) if doutput is None else doutput.astype(self.dtype)
            _, back = pullback(dy, [np.where(runs, a, 0).astype(self.dtype) for a in d])
            for w, old, total in zip(learn, before, dweights or [None] * len(learn), strict=True):
                if w is not None:
                    if total is not None:
                        total += w.grad
                    w.grad[...] = old
            return [np.where(runs, a, b).astype(np.float64) for a, b in zip(back, d, strict=True)]

        return [np.where(runs, a, b).astype(np.float64) for a, b in zip(new, first, strict=True)], gradients
