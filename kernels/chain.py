"""A chain in plain NumPy over any backend's own step, forward and products: the specification, and what backends
without a compiled chain use. The compiled one is cython/chain.pxi.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reference import products as reference_products
from .reference.activations import Differentiable
from .stages import BUSY, Activate, Dense, Lookup, Mask, Recur, Stage, widths

Array = NDArray[Any]
Flags = NDArray[np.bool_]


class Chain:
    """Stages over a fixed batch, with the states of the recurrent ones. It belongs to one thread at a time.

    Args:
        stages: in order; their weights are copied.
        B: rows. inputs: the width of x, or None for integers; a Lookup comes first then.
        dtype: of everything but integers.
        cast: called as cast(x, steps) with an x that does not fit as it is; gives one that does, or raises. steps says
            whether it is one step or a block.
        check: called as check(out) with an out that does not fit; raises.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        B: int,
        inputs: int | None,
        dtype: np.dtype[Any],
        cast: Callable[[Any, bool], Array],
        check: Callable[[Any], None],
    ) -> None:
        self.stages = tuple(_copied(stage) for stage in stages)
        self.B, self.dtype = B, dtype
        self.N = [inputs or 0, *widths(self.stages, inputs)][-1]
        self._cast, self._check = cast, check
        self._inside = threading.Lock()
        #: Of the backend of the recurrent stages, so that a stream gives the bits of its layers.
        self._products: Any = next((s.backend.products for s in stages if isinstance(s, Recur)), reference_products)
        dense = [stage for stage in self.stages if isinstance(stage, Dense)]
        self._packed = {id(stage): self._products.product_pack(stage.W, stage.b) for stage in dense}
        self._states = [tuple(np.zeros((B, n), dtype) for n in s.packed.sizes) for s in stages if isinstance(s, Recur)]

    def step(self, x: Any, out: Any = None) -> Array:
        """One step: x (B, I), or (B,) integers; gives (B, N), in `out` where there is one."""
        if out is not None and not _fits(out, self.dtype, (self.B, self.N)):
            self._check(out)
        y = self._run(self._cast(x, False), False)
        if out is None:
            return y
        out[...] = y
        return np.asarray(out)

    def steps(self, x: Any) -> Array:
        """T steps: x (B, T, I), or (B, T) integers; gives (B, T, N)."""
        return self._run(self._cast(x, True), True)

    def get_states(self) -> list[Array]:
        """Copies of all states (B, size), stage by stage."""
        with self._alone():
            return [state.copy() for states in self._states for state in states]

    def set_states(self, values: Sequence[Array]) -> None:
        """Copies into all states, in the order of `get_states`; shapes and dtypes fit."""
        with self._alone():
            for state, value in zip((s for states in self._states for s in states), values, strict=True):
                state[...] = value

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._inside.acquire(blocking=False):
            raise RuntimeError(BUSY)
        try:
            yield
        finally:
            self._inside.release()

    def _run(self, x: Array, steps: bool) -> Array:
        with self._alone():
            before = [[state.copy() for state in states] for states in self._states]
            try:
                return self._through(x, steps)
            except BaseException:
                for states, old in zip(self._states, before, strict=True):
                    for state, value in zip(states, old, strict=True):
                        state[...] = value
                raise

    def _through(self, x: Array, steps: bool) -> Array:
        there: Flags | None = None
        states = iter(self._states)
        y = x
        for stage in self.stages:
            if isinstance(stage, Lookup):
                y, there = stage.table[x], x != 0 if stage.mask_zero else None
            elif isinstance(stage, Mask):
                there = np.asarray((y != y.dtype.type(stage.value)).any(axis=-1))
                y = np.where(there[..., None], y, y.dtype.type(0))
            elif isinstance(stage, Dense):
                y = self._dense(stage, y)
            elif isinstance(stage, Activate):
                y = self._activated(stage.activation, y)
            else:
                y = (_each_step if steps and stage.stays else _sequence if steps else _step)(
                    stage, y, next(states), there
                )
                if stage.zero_masked and there is not None:
                    y[~there] = 0
        return y.copy() if y is x else y

    def _dense(self, stage: Dense, x: Array) -> Array:
        K, N = stage.W.shape
        y = np.empty((*x.shape[:-1], N), x.dtype)
        known = isinstance(stage.activation, str)
        flat, out = np.ascontiguousarray(x).reshape(1, -1, K), y.reshape(1, -1, N)
        self._products.product(self._packed[id(stage)], flat, stage.activation if known else "linear", out)
        return y if known else self._activated(stage.activation, y)

    def _activated(self, activation: str | Differentiable, x: Array) -> Array:
        if not isinstance(activation, str):
            return np.asarray(activation.forward(x)[0])
        y = np.empty(x.shape, x.dtype)
        width = x.shape[-1]
        self._products.activated(np.ascontiguousarray(x).reshape(-1, width), activation, y.reshape(-1, width))
        return y


def _copied(stage: Stage) -> Stage:
    if isinstance(stage, Lookup):
        return Lookup(stage.table.copy(), stage.mask_zero)
    if isinstance(stage, Dense):
        return Dense(stage.W.copy(), None if stage.b is None else stage.b.copy(), stage.activation)
    return stage


def _fits(a: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    return type(a) is np.ndarray and a.dtype == dtype and a.shape == shape and a.flags.carray


def _step(stage: Recur, x: Array, states: tuple[Array, ...], there: Flags | None) -> Array:
    before = None if there is None and not stage.stays else [s.copy() for s in states]
    stage.backend.step(stage.packed, np.ascontiguousarray(x), states)
    if before is not None:
        for state, old, rate in zip(states, before, stage.stays, strict=False):
            if rate == 1:
                state[...] = old
            elif rate > 0:
                state[...] = old + state.dtype.type(1 - rate) * (state - old)
    if before is not None and there is not None:
        for state, old in zip(states, before, strict=True):
            state[~there] = old[~there]
    return states[0].copy()


def _each_step(stage: Recur, x: Array, states: tuple[Array, ...], there: Flags | None) -> Array:
    outputs = [_step(stage, x[:, t], states, None if there is None else there[:, t]) for t in range(x.shape[1])]
    return np.stack(outputs, axis=1) if outputs else np.empty((*x.shape[:2], stage.packed.sizes[0]), x.dtype)


def _sequence(stage: Recur, x: Array, states: tuple[Array, ...], there: Flags | None) -> Array:
    y = np.empty((*x.shape[:2], stage.packed.sizes[0]), x.dtype)
    last = tuple(np.empty_like(s) for s in states)
    stage.backend.forward(stage.packed, np.ascontiguousarray(x), states, there, None, None, None, y, last, None)
    for state, new in zip(states, last, strict=True):
        state[...] = new
    return y
