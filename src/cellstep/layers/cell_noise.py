"""Options of every cell besides dropout of inputs and states: weights of h that are dropped, and states that stay.

Kernels know neither: a call with dropped weights packs others, and one with zoneout runs step by step, from Python, as
what stays of a state is mixed in between steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core, kernels
from .runner import dropped

Array = NDArray[Any]


def rates_of(cell: Any) -> tuple[float, ...]:
    """The rate of zoneout of each state; empty where none stays.

    Raises:
        ValueError: other rates than states.
    """
    names, rates = cell.contract.state_names, cell.zoneout
    if isinstance(rates, float):
        rates = (rates,) * len(names)
    if len(rates) != len(names):
        raise ValueError(f"expected zoneout with a rate for each of {', '.join(names)}, got {len(rates)}")
    return rates if any(rates) else ()


def zoned_pack(cell: Any, backward: bool) -> core.Packed:
    """The weights of a cell with zoneout, packed again only when a weight, an option or the backend changed."""
    key = kernels.active(), [w.version for w in cell._weights], cell.options
    kept: dict[bool, tuple[Any, core.Packed]] = cell.__dict__.setdefault("_cached_zoned", {})
    if backward not in kept or kept[backward][0] != key:
        kept[backward] = key, _pack(cell, backward, [None if w is None else w._view for w in cell.row_weights])
    return kept[backward][1]


def dropped_pack(cell: Any, backward: bool, factors: Array) -> core.Packed:
    """A cell's weights, packed for this call alone, with the recurrent kernel times these factors."""
    values = [None if w is None else w._view for w in cell.row_weights]
    at = cell.contract.weight_names.index("U")
    values[at] = values[at] * factors
    return _pack(cell, backward, values)


def _pack(cell: Any, backward: bool, values: list[Array | None]) -> core.Packed:
    return core.pack(cell.contract, *values, backward=backward, backend=kernels.active(), **cell.options)


def weight_factors(cell: Any) -> Array:
    """A new mask for the recurrent kernel: 0 where dropped, 1 / (1 - weight_dropout) where kept."""
    shape, rate = cell.recurrent_kernel.shape, cell.weight_dropout
    return dropped(np.ones(shape, cell.dtype), cell.generator.random(shape) >= rate, rate)


def masked_gradient(cell: Any, dweights: list[Array | None], factors: Array) -> list[Callable[[], None]]:
    """Put an array of its own in the place of the recurrent kernel's gradient; what adds it, masked, is given."""
    at = cell.contract.weight_names.index("U")
    total = dweights[at]
    if total is None:
        return []
    own = dweights[at] = np.zeros(total.shape, total.dtype)

    def add() -> None:
        with cell._lock:
            total[...] += own * factors

    return [add]


def each_of(functions: Sequence[Callable[[], Any]]) -> None:
    """Call functions, one after another."""
    for function in functions:
        function()


def mixed(old: Array, new: Array, moves: Any) -> Array:
    """old + moves (new - old): the state where `moves` is 0, the step's where it is 1."""
    return np.asarray(np.where(moves == 0, old, np.where(moves == 1, new, old + moves * (new - old))))


class ZonedRun:
    """A run whose states stay as they are, each number by chance, and else take the step's: h' = m h + (1 - m) step(h);
    outside of training m is its rate. What `core.forward` gives, and its pullback is one.

    D. Krueger et al., "Zoneout: regularizing RNNs by randomly preserving hidden activations", ICLR 2017 (arXiv
    1606.01305).
    """

    def __init__(self, cell: Any, packed: core.Packed, x: Array, training: bool, taped: bool, sequences: bool) -> None:
        self.cell, self.packed, self.x, self.training, self.taped = cell, packed, x, training, taped
        self.sequences = sequences
        self.states: list[list[Array]] = []
        self.steps: list[tuple[Any, list[Any], Any]] = []

    def forward(
        self, states: Any, mask: Any, lengths: Any, resets: Any, drop: Array | None
    ) -> tuple[Array | None, tuple[Array, ...]]:
        """y, where sequences are wanted, and the last states."""
        B, T, _ = self.x.shape
        packed, run = self.packed, core.running(mask, lengths, B, T, False)
        resets = None if resets is None else core.resets_that_run(core.check_mask(resets, B, T, "resets"), run, False)
        sizes = packed.sizes
        now = [np.zeros((B, n), packed.dtype) for n in sizes] if states is None else [*states]
        y = np.empty((B, T, sizes[0]), packed.dtype) if self.sequences else None
        rates = rates_of(self.cell)
        for t in range(T):
            here = None if run is None else np.ascontiguousarray(run[:, t : t + 1])
            anew = None if resets is None else resets[:, t : t + 1]
            before = now if anew is None else [np.where(anew, packed.dtype.type(0), s) for s in now]
            _, new, back = core.forward(
                packed, self.x[:, t : t + 1], before, mask=here, drop=drop, sequences=False, tape=self.taped
            )
            moves = [self._moves(B, n, rate) for n, rate in zip(sizes, rates, strict=True)]
            now = [mixed(old, n, m) for old, n, m in zip(before, new, moves, strict=True)]
            if y is not None:
                y[:, t] = now[0]
            if self.taped:
                self.states.append(now)
                self.steps.append((anew, moves, back))
        return y, tuple([s.copy() for s in now])

    def _moves(self, B: int, n: int, rate: float) -> Any:
        """How much of a step a state takes."""
        if self.training and 0 < rate < 1:
            return (self.cell.generator.random((B, n)) >= rate).astype(self.packed.dtype)
        return self.packed.dtype.type(1 - rate)

    def __call__(
        self,
        dy: Array | None,
        dstates: Sequence[Array | None],
        dweights: Sequence[Array | None],
        need_dx: bool = True,
    ) -> tuple[Array | None, tuple[Array, ...]]:
        """As `core.Pullback`, at once."""
        B, T, features = self.x.shape
        dtype, sizes = self.packed.dtype, self.packed.sizes
        d = [np.zeros((B, n), dtype) if g is None else g for g, n in zip(dstates, sizes, strict=True)]
        dx = np.empty((B, T, features), dtype) if need_dx else None
        for t in reversed(range(T)):
            anew, moves, back = self.steps[t]
            if dy is not None:
                d[0] = d[0] + dy[:, t]
            stays = [(1 - m) * g for m, g in zip(moves, d, strict=True)]
            one, before = back(None, [m * g for m, g in zip(moves, d, strict=True)], dweights, need_dx)
            d = [a + b for a, b in zip(before, stays, strict=True)]
            if anew is not None:
                d = [np.where(anew, dtype.type(0), g) for g in d]
            if dx is not None:
                dx[:, t] = one[:, 0]
        return dx, tuple(d)
